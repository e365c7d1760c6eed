"""Two people on the screens: the warning before CONFIRM, the list of what waits, the second CONFIRM, the news of it."""

import re
from collections.abc import Callable

import pytest

from core.access.permissions import Actor
from core.jobs.execution import sweep
from core.jobs.keys import JobKey
from core.models.jobs import JobStatus
from core.models.people import Role
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser, Clock

OPEN = Callable[[Actor], Browser]


@pytest.fixture
def approver(practice: GivenPractice, browser_of: OPEN) -> Browser:
    return browser_of(practice.person("ruth@lakeside.example", Role.APPROVER))


@pytest.fixture
def admin(practice: GivenPractice, browser_of: OPEN) -> Browser:
    return browser_of(practice.person("m.chen@lakeside.example", Role.ADMIN))


@pytest.fixture
def previewed(practice: GivenPractice) -> JobKey:
    """A preview of $45.00 in three claims, one of them of $30.00, over both of the practice's limits."""
    practice.claim("DEAR", Line(2_000, 1_000))
    practice.claim("CHEAP", Line(1_000, 0))
    practice.claim("CHEAPER", Line(500, 0))
    practice.limit(claim=2_500, job=4_000)
    return practice.preview()


@pytest.fixture
def waiting(practice: GivenPractice, previewed: JobKey) -> JobKey:
    practice.confirm(previewed)
    return previewed


def page_of(job: JobKey) -> str:
    return f"/jobs/{job.job_id}"


def test_the_box_warns_before_confirm_which_limit_by_how_much_and_who_may_approve(
    biller: Browser, approver: Browser, previewed: JobKey
) -> None:
    says = biller.says(page_of(previewed))
    assert "After CONFIRM this job waits for another person" in says
    assert "Can be approved by: ruth." in says
    assert "Ask for approval of 3 claims" in says
    assert "Claims over the practice's limit for one claim: $30.00 , limit $25.00, $5.00 over" in says
    assert "Over the practice's limit for one job: $45.00 , limit $40.00, $5.00 over" in says


def test_the_second_person_reads_how_many_claims_changed_since(
    practice: GivenPractice, approver: Browser, waiting: JobKey
) -> None:
    told = "1 of the 3 claims to be settled has changed since this preview and will be skipped."
    assert told not in approver.says(page_of(waiting))

    practice.change("DEAR")

    said = approver.says(page_of(waiting))
    assert said.index(told) < said.index("Type CONFIRM")
    assert told in approver.says("/approvals")


def test_a_reversed_job_that_still_counts_is_named_wherever_the_limit_is(
    practice: GivenPractice, biller: Browser, admin: Browser, approver: Browser
) -> None:
    practice.claims(2)
    practice.limit(job=2_000)
    first = practice.preview({"claim_ids": ["C00001"]}, key="first")
    practice.confirm(first)
    practice.run()
    practice.reverse(first, by=practice.person("undo@x.example", Role.APPROVER))
    practice.run()
    second = practice.preview({"claim_ids": ["C00002"]}, key="second")

    told = f"including job {first.job_id}, which still counts although reversed since"
    assert told in biller.says(page_of(second))
    practice.confirm(second)
    assert told in approver.says(page_of(second))
    assert told in approver.says("/approvals")
    assert f"Job {first.job_id} completed, reversed since" in approver.says(page_of(second))


def test_where_nobody_may_approve_the_box_says_what_to_do(biller: Browser, previewed: JobKey) -> None:
    assert "There is nobody yet who may : an administrator can give somebody the role." in biller.says(
        page_of(previewed)
    )


def test_the_days_other_jobs_are_named_before_confirm(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    practice.limit(job=2_000)
    first = practice.preview({"claim_ids": ["C00001"]}, key="first")
    practice.confirm(first)
    second = practice.preview({"claim_ids": ["C00002"]}, key="second")

    says = biller.says(page_of(second))

    assert "Over the limit for one job, together with the user's other jobs of the day: $30.00" in says
    assert f"(with job {first.job_id} )" in says
    assert page_of(first) in biller.links(page_of(second))


def test_a_job_confirmed_meanwhile_is_seen_when_the_page_is_opened_again(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(2)
    practice.limit(job=2_000)
    first = practice.preview({"claim_ids": ["C00001"]}, key="first")
    second = practice.preview({"claim_ids": ["C00002"]}, key="second")
    assert "After CONFIRM" not in biller.says(page_of(second))
    practice.confirm(first)
    assert "After CONFIRM this job waits" in biller.says(page_of(second))


def test_confirmed_it_waits_and_the_requester_reads_for_whom_and_until_when(
    practice: GivenPractice, biller: Browser, approver: Browser, previewed: JobKey
) -> None:
    answer = biller.post(f"{page_of(previewed)}/confirm", on=page_of(previewed), confirmation="CONFIRM")

    assert (answer.status_code, answer.location) == (303, page_of(previewed))
    says = biller.says(page_of(previewed))
    assert biller.status_of(previewed) == "Awaiting approval"
    assert "This job waits for another person , because it exceeds a limit. Nothing was written off yet." in says
    assert "Can be approved by: ruth." in says
    assert "It expires 11/30/2026 10:00:00 AM" in says
    assert "one that is lowered or raised later changes nothing about this job" in says
    assert f"{page_of(previewed)}/approve" not in biller.forms(page_of(previewed))


def test_what_is_over_the_limit_for_one_claim_is_marked_and_can_be_seen_alone(
    approver: Browser, waiting: JobKey
) -> None:
    every = approver.read(page_of(waiting))
    assert every.count("Over the limit</span>") == 1
    assert {"DEAR", "CHEAP", "CHEAPER"} == set(re.findall(r'claims/(\w+)"', every))

    part = approver.get(f"{page_of(waiting)}/preview?over=1", **{"X-Dialog": "1"}).text
    assert re.findall(r'claims/(\w+)"', part) == ["DEAR"]
    without_script = approver.get(f"{page_of(waiting)}/preview?over=1")
    assert without_script.location == f"{page_of(waiting)}?over=1"
    alone = approver.read(without_script.location)
    assert set(re.findall(r'claims/(\w+)"', alone)) == {"DEAR"}


def test_the_list_says_who_asked_how_long_ago_for_how_much_and_what_is_over(
    approver: Browser, clock: Clock, waiting: JobKey
) -> None:
    clock.turn_on(minutes=5)
    says = approver.says("/approvals")
    assert f"{waiting.job_id} Settle · Small balance biller 5 minutes 3 $45.00" in says
    assert "Claims over the practice's limit for one claim: $30.00, limit $25.00" in says
    assert "11/30/2026 10:00:00 AM" in says
    assert "Approvals 1" in says, "the number that waits stands in the navigation"
    assert page_of(waiting) in approver.links("/approvals")


def test_my_own_jobs_wait_for_another_and_not_for_me(
    practice: GivenPractice, admin: Browser, biller: Browser, waiting: JobKey
) -> None:
    assert admin.actor
    own = practice.preview({"claim_ids": ["DEAR"]}, by=admin.actor, key="own")
    practice.confirm(own, by=admin.actor)

    assert f"{page_of(own)}/approve" not in admin.forms(page_of(own))
    assert "There is nobody yet who may approve it" in admin.says(page_of(own))
    says = admin.says("/approvals")
    assert "Approvals 1" in says
    assert "Your jobs that need approval" in says
    assert "nobody yet" in says
    assert "Approvers and administrators decide" in biller.says("/approvals")
    forged = admin.post(f"{page_of(own)}/approve", on=page_of(own), confirmation="CONFIRM")
    assert forged.status_code == 403
    assert "another user must approve it" in forged.text


def test_who_is_deactivated_between_page_and_click_is_shown_the_door_and_nothing_runs(
    practice: GivenPractice, approver: Browser, admin: Browser, waiting: JobKey
) -> None:
    assert "needs your approval" in approver.says(page_of(waiting))
    assert approver.actor
    admin.post(f"/users/{approver.actor.user_id}/deactivate", on=page_of(waiting))

    clicked = approver.post(f"{page_of(waiting)}/approve", on="/sign-in", confirmation="CONFIRM")

    assert clicked.location.startswith("/sign-in")
    assert practice.progress(waiting).status is JobStatus.AWAITING_APPROVAL


def test_another_person_types_confirm_and_it_runs(
    practice: GivenPractice, biller: Browser, approver: Browser, waiting: JobKey
) -> None:
    answer = approver.post(f"{page_of(waiting)}/approve", on=page_of(waiting), confirmation="CONFIRM")

    assert answer.status_code == 303
    assert "Approved. It runs as it was previewed" in approver.read(page_of(waiting))
    practice.run()
    says = biller.says(page_of(waiting))
    assert biller.status_of(waiting) == "Completed"
    assert "Confirmed by biller, 11/23/2026" in says
    assert "Approved by ruth, 11/23/2026" in says
    assert "Over a limit Claims over the practice's limit for one claim: $30.00, the limit is $25.00" in says
    certificate = biller.says(f"{page_of(waiting)}/certificate")
    assert "Approved ruth, 11/23/2026" in certificate
    news = biller.says("/jobs")
    assert f"Job {waiting.job_id} was approved by ruth, 11/23/2026" in news
    assert "was approved by" not in approver.says("/jobs")


@pytest.mark.parametrize("typed", ["", "confirm", "CONFIRM please"])
def test_the_wrong_word_is_a_fault_at_the_field_and_what_was_typed_stays(
    practice: GivenPractice, approver: Browser, waiting: JobKey, typed: str
) -> None:
    answer = approver.post(f"{page_of(waiting)}/approve", on=page_of(waiting), confirmation=typed)
    assert answer.status_code == 422
    assert 'id="confirmation-fault"' in answer.text
    assert f'value="{typed}"' in answer.text
    assert practice.progress(waiting).status is JobStatus.AWAITING_APPROVAL


def test_a_no_needs_a_reason_and_the_requester_reads_it(
    practice: GivenPractice, biller: Browser, approver: Browser, waiting: JobKey
) -> None:
    empty = approver.post(f"{page_of(waiting)}/reject", on=page_of(waiting), reason=" ")
    assert empty.status_code == 422
    assert 'id="reject-fault"' in empty.text

    approver.post(f"{page_of(waiting)}/reject", on=page_of(waiting), reason="Call <them> first")

    assert "Rejected by ruth" in biller.says(page_of(waiting))
    assert "“Call <them> first”" in biller.read(page_of(waiting))
    assert "was rejected by ruth" in biller.says("/jobs")
    assert "Call <them> first" in biller.read("/approvals")
    assert practice.write_offs("DEAR") == []


def test_what_somebody_else_decided_first_is_said(
    biller: Browser, approver: Browser, admin: Browser, waiting: JobKey
) -> None:
    page = page_of(waiting)
    token = re.search(r'name="csrf_token" value="([^"]+)"', admin.get(page).text)
    assert token
    approver.post(f"{page}/reject", on=page, reason="No")

    late = admin.client.post(f"{page}/approve", data={"csrf_token": token[1], "confirmation": "CONFIRM"})

    assert late.status_code == 303
    assert "Another user has already rejected this job." in admin.read(page)


def test_an_expired_job_says_so_to_everyone(
    practice: GivenPractice, browser_of: OPEN, clock: Clock, waiting: JobKey
) -> None:
    clock.turn_on(days=7)
    biller = browser_of(practice.biller)
    approver = browser_of(practice.person("ruth@lakeside.example", Role.APPROVER))
    assert "Nobody approved this job within 7 days" in approver.says(page_of(waiting))
    assert f"{page_of(waiting)}/approve" not in approver.forms(page_of(waiting))
    assert "Nothing waits for you" in approver.says("/approvals")

    sweep.sweep(practice.sessions, now=clock())

    assert "nobody approved it within 7 days" in biller.says(page_of(waiting))
    assert "expired : nobody approved it within 7 days" in biller.says("/jobs")


def test_a_biller_has_no_way_to_decide(practice: GivenPractice, browser_of: OPEN, waiting: JobKey) -> None:
    colleague = browser_of(practice.person("colleague@lakeside.example", Role.BILLER))
    assert "biller’s job waits for another person" in colleague.says(page_of(waiting))
    for act, fields in (("approve", {"confirmation": "CONFIRM"}), ("reject", {"reason": "No"})):
        assert colleague.post(f"{page_of(waiting)}/{act}", on=page_of(waiting), **fields).status_code == 403
    assert practice.progress(waiting).status is JobStatus.AWAITING_APPROVAL


def test_operations_see_no_approvals(practice: GivenPractice, browser_of: OPEN, waiting: JobKey) -> None:
    ops = browser_of(practice.person("ops@lakeside.example", Role.OPS))
    assert ops.get("/approvals").status_code == 403


def test_empty_the_page_says_what_would_come_here(approver: Browser) -> None:
    says = approver.says("/approvals")
    assert "Nothing waits for you." in says
    assert "None of your jobs needs approval." in says
    assert "Approvals 0" not in says
