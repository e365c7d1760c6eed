"""Approval on screens: the warning before CONFIRM, the approvals list, the approver's CONFIRM, and its result."""

import datetime as dt
import re
from collections.abc import Callable

import pytest

from core.access import user_management
from core.access.permissions import Actor
from core.access.users import actor_for
from core.enums.jobs import JobStatus
from core.enums.ledger import Responsibility
from core.enums.people import Role
from core.jobs.execution import sweep
from core.jobs.keys import JobKey
from core.ledger import manual_postings
from core.ledger.entries import Adjustment
from core.money import UNLIMITED
from tests.factories import NOW, GivenPractice, Line
from tests.webui.conftest import Browser, Clock

OPEN = Callable[[Actor], Browser]
DAY = dt.timedelta(days=1)

NO_APPROVER = (
    "No user can approve it yet. An administrator can give a user the approver role, "
    "or vouch for an approver’s account."
)


@pytest.fixture
def previewed(practice: GivenPractice) -> JobKey:
    """Return a preview of three claims, $45.00 in all and $30.00 on one, over both limits of the practice."""
    practice.claim("DEAR", Line(2_000, 1_000))
    practice.claim("CHEAP", Line(1_000, 0))
    practice.claim("CHEAPER", Line(500, 0))
    practice.limit(claim=2_500, job=4_000)
    return practice.preview()


@pytest.fixture
def awaiting(practice: GivenPractice, previewed: JobKey) -> JobKey:
    practice.confirm(previewed)
    return previewed


def address_of(job: JobKey) -> str:
    return f"/jobs/{job.job_id}"


def test_the_preview_names_each_exceeded_limit_the_excess_and_the_approvers(
    biller: Browser, approver: Browser, previewed: JobKey
) -> None:
    shown = biller.says(address_of(previewed))
    assert "After CONFIRM, this job needs another user’s approval" in shown
    assert "Can be approved by: ruth." in shown
    assert "Request approval to settle 3 claims" in shown
    assert "Over the practice’s per-claim limit: $30.00 (limit $25.00, over by $5.00 )" in shown
    assert "Over the practice’s per-job limit: $45.00 (limit $40.00, over by $5.00 )" in shown


def test_a_users_own_limit_is_theirs_to_the_requester_and_has_their_name_for_others(
    practice: GivenPractice, biller: Browser, approver: Browser, previewed: JobKey
) -> None:
    practice.limit()
    practice.limit_of(practice.biller, claim=2_500, job=4_000)
    job = practice.preview(key="limited")
    assert "Over your own per-claim limit: $30.00" in biller.says(address_of(job))
    practice.confirm(job)

    for page in (address_of(job), "/approvals"):
        assert "Over your own per-job limit: $45.00" in biller.says(page)
        assert "Over biller’s own per-job limit: $45.00" in approver.says(page)


def test_the_own_limit_of_one_of_two_requesters_has_no_name(
    practice: GivenPractice, browser_of: OPEN, biller: Browser, previewed: JobKey
) -> None:
    practice.limit()
    practice.limit_of(practice.biller, job=4_000)
    job, other = practice.preview(key="limited"), practice.person("other@x.example", Role.BILLER)
    assert "Over the user’s own per-job limit" in browser_of(other).says(address_of(job))
    practice.confirm(job, by=other)

    assert "Over the user’s own per-job limit" in biller.says(address_of(job))


def test_the_approver_sees_how_many_claims_changed_after_the_preview(
    practice: GivenPractice, approver: Browser, awaiting: JobKey
) -> None:
    warning = "1 of the 3 claims to settle has changed since the preview and will be skipped."
    assert warning not in approver.says(address_of(awaiting))

    practice.change("DEAR")
    late = approver.post(f"{address_of(awaiting)}/approve", on="/approvals", confirmation="CONFIRM", changed_seen="0")
    assert late.location == address_of(awaiting), "the page was loaded before the change"

    shown = approver.says(address_of(awaiting))
    assert "More claims changed after you saw this preview. Nothing was started." in shown
    assert shown.index(warning) < shown.index("Type CONFIRM")
    assert warning in approver.says("/approvals")


def test_a_reversed_job_that_still_counts_toward_the_daily_limit_is_named_on_each_page(
    practice: GivenPractice, biller: Browser, admin: Browser, approver: Browser
) -> None:
    practice.claims(2)
    practice.limit(job=2_000)
    first = practice.confirmed({"claim_ids": ["C00001"]}, key="first")
    practice.run()
    practice.reverse(first, by=practice.person("undo@x.example", Role.APPROVER))
    practice.run()
    second = practice.preview({"claim_ids": ["C00002"]}, key="second")

    warning = f"including job {first.job_id}, which still counts even though it was reversed later"
    assert warning in biller.says(address_of(second))
    practice.confirm(second)
    assert warning in approver.says(address_of(second))
    assert warning in approver.says("/approvals")
    assert f"Job {first.job_id} completed, reversed later" in approver.says(address_of(second))


def test_the_preview_shows_what_to_do_if_no_user_can_approve_the_job(biller: Browser, previewed: JobKey) -> None:
    assert NO_APPROVER in biller.says(address_of(previewed))


def test_the_preview_names_the_other_jobs_of_the_day_that_count_toward_the_limit(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(2)
    practice.limit(job=2_000)
    first = practice.confirmed({"claim_ids": ["C00001"]}, key="first")
    second = practice.preview({"claim_ids": ["C00002"]}, key="second")

    shown = biller.says(address_of(second))

    assert "Over the per-job limit when added to your other jobs and adjustments in 24 hours: $30.00" in shown
    assert f"; other job: {first.job_id}" in shown
    assert address_of(first) in biller.links(address_of(second))


def test_a_reopened_preview_counts_a_job_that_was_confirmed_after_it(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    practice.limit(job=2_000)
    first = practice.preview({"claim_ids": ["C00001"]}, key="first")
    second = practice.preview({"claim_ids": ["C00002"]}, key="second")
    assert "After CONFIRM" not in biller.says(address_of(second))
    practice.confirm(first)
    assert "After CONFIRM, this job needs another user’s approval" in biller.says(address_of(second))


def test_a_confirmed_job_over_a_limit_shows_its_approvers_and_when_it_expires(
    practice: GivenPractice, biller: Browser, approver: Browser, previewed: JobKey
) -> None:
    answer = biller.post(f"{address_of(previewed)}/confirm", on=address_of(previewed), confirmation="CONFIRM")

    assert (answer.status_code, answer.location) == (303, address_of(previewed))
    shown = biller.says(address_of(previewed))
    assert biller.status_of(previewed) == "Awaiting approval"
    assert "This job needs another user’s approval. Nothing has been written off yet." in shown
    assert "Can be approved by: ruth." in shown
    assert "The job expires on 11/30/2026 10:00:00 AM" in shown
    assert "Later changes to these limits do not affect this job." in shown
    assert f"{address_of(previewed)}/approve" not in biller.forms(address_of(previewed))


def test_the_approver_sees_which_skip_rules_are_on_and_off(
    practice: GivenPractice, browser_of: Callable[[Actor], Browser]
) -> None:
    practice.claims(1)
    practice.limit(job=1)
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    job = practice.preview(include=["in_process"], by=admin)
    practice.confirm(job, by=admin)
    approver = browser_of(practice.person("rules@lakeside.example", Role.APPROVER))

    shown = approver.read(f"/jobs/{job.job_id}").partition("Skip rules: ")[2]
    off, _, on = shown.partition("On:")
    on = on.partition("</ol>")[0]

    assert shown.startswith(f"{on.count('<li>')} on, 1 overridden, 4 off<")
    assert off.count("<li>") == 1 + 4
    assert "Claim is still in process" in off
    assert not re.search("Status change only|unfinished job|the schedule needs", on), "they skip no claim of this job"
    assert "cost sharing" in off, "its reason allows it"
    assert "Too few statements sent to the patient" in off
    assert "On hold, or excluded from write-offs" in on
    assert "On hold, or excluded from write-offs" not in off


def test_claims_over_the_limit_for_one_claim_are_marked_and_can_be_filtered(
    approver: Browser, awaiting: JobKey
) -> None:
    every = approver.read(address_of(awaiting))
    assert every.count("Over the per-claim limit</span>") == 1
    assert {"DEAR", "CHEAP", "CHEAPER"} == set(re.findall(r'claims/(\w+)"', every))

    part = approver.get(f"{address_of(awaiting)}/preview?over=1", **{"X-Dialog": "1"}).text
    assert re.findall(r'claims/(\w+)"', part) == ["DEAR"]
    without_script = approver.get(f"{address_of(awaiting)}/preview?over=1")
    assert without_script.location == f"{address_of(awaiting)}?over=1#preview-claims"
    alone = approver.read(without_script.location)
    assert set(re.findall(r'claims/(\w+)"', alone)) == {"DEAR"}


def test_the_approvals_list_shows_requester_waiting_time_amount_and_exceeded_limits(
    approver: Browser, clock: Clock, awaiting: JobKey
) -> None:
    clock.turn_on(minutes=5)
    shown = approver.says("/approvals")
    assert f"{awaiting.job_id} Settle · Small balance biller 5 minutes 3 $45.00" in shown
    assert "Over the practice’s per-claim limit: $30.00 (limit $25.00)" in shown
    assert "11/30/2026 10:00:00 AM" in shown
    assert "Approvals 1" in shown, "the navigation shows the number of jobs"
    assert address_of(awaiting) in approver.links("/approvals")


def test_a_requester_cannot_approve_their_own_job(
    practice: GivenPractice, admin: Browser, biller: Browser, awaiting: JobKey
) -> None:
    assert admin.actor
    own = practice.preview({"claim_ids": ["DEAR"]}, by=admin.actor, key="own")
    practice.confirm(own, by=admin.actor)

    assert f"{address_of(own)}/approve" not in admin.forms(address_of(own))
    assert NO_APPROVER in admin.says(address_of(own))
    shown = admin.says("/approvals")
    assert "Approvals 1" in shown
    assert "Your jobs and postings that need approval" in shown
    assert "no user yet" in shown
    assert "Approvers and administrators approve jobs and postings that need it. Your role is biller." in biller.says(
        "/approvals"
    )
    forged = admin.post(f"{address_of(own)}/approve", on=address_of(own), confirmation="CONFIRM")
    assert forged.status_code == 403
    assert "another user must approve it" in forged.text


def test_a_job_runs_after_another_user_confirms_the_approval(
    practice: GivenPractice, biller: Browser, approver: Browser, awaiting: JobKey
) -> None:
    answer = approver.post(f"{address_of(awaiting)}/approve", on=address_of(awaiting), confirmation="CONFIRM")

    assert answer.status_code == 303
    assert "You approved this job as previewed." in approver.read(address_of(awaiting))
    practice.run()
    shown = biller.says(address_of(awaiting))
    assert biller.status_of(awaiting) == "Completed"
    assert "Confirmed by biller, 11/23/2026" in shown
    assert "Approved by ruth, 11/23/2026" in shown
    assert "Needed approval Over the practice’s per-claim limit: $30.00 (limit $25.00" in shown
    certificate = biller.says(f"{address_of(awaiting)}/certificate")
    assert "Approved ruth, 11/23/2026" in certificate
    jobs_page = biller.says("/jobs")
    assert f"Job {awaiting.job_id} was approved by ruth on 11/23/2026" in jobs_page
    assert "was approved by" not in approver.says("/jobs")


@pytest.mark.parametrize("typed", ["", "confirm", "CONFIRM please"])
def test_an_approval_without_the_exact_word_confirm_is_refused_and_keeps_the_input(
    practice: GivenPractice, approver: Browser, awaiting: JobKey, typed: str
) -> None:
    answer = approver.post(f"{address_of(awaiting)}/approve", on=address_of(awaiting), confirmation=typed)
    assert answer.status_code == 422
    assert 'id="confirmation-fault"' in answer.text
    assert f'value="{typed}"' in answer.text
    assert practice.progress(awaiting).status is JobStatus.AWAITING_APPROVAL


def test_a_rejection_needs_a_reason_and_the_requester_sees_it(
    practice: GivenPractice, biller: Browser, approver: Browser, awaiting: JobKey
) -> None:
    empty = approver.post(f"{address_of(awaiting)}/reject", on=address_of(awaiting), reason=" ")
    assert empty.status_code == 422
    assert 'id="reject-fault"' in empty.text

    approver.post(f"{address_of(awaiting)}/reject", on=address_of(awaiting), reason="Call <them> first")

    assert "Rejected by ruth" in biller.says(address_of(awaiting))
    assert "“Call <them> first”" in biller.read(address_of(awaiting))
    assert "was rejected by ruth" in biller.says("/jobs")
    assert "Call <them> first" in biller.read("/approvals")
    assert practice.write_offs("DEAR") == []


def test_an_approval_after_a_rejection_is_refused_with_the_reason(
    biller: Browser, approver: Browser, admin: Browser, awaiting: JobKey
) -> None:
    page = address_of(awaiting)
    token = re.search(r'name="csrf_token" value="([^"]+)"', admin.get(page).text)
    assert token
    approver.post(f"{page}/reject", on=page, reason="No")

    late = admin.client.post(f"{page}/approve", data={"csrf_token": token[1], "confirmation": "CONFIRM"})

    assert late.status_code == 303
    assert "Another user has already rejected this job." in admin.read(page)


def test_an_expired_job_shows_approver_and_requester_that_it_was_not_approved(
    practice: GivenPractice, browser_of: OPEN, clock: Clock, awaiting: JobKey
) -> None:
    clock.turn_on(days=7)
    biller, approver = browser_of(practice.biller), browser_of(practice.person("ruth@lakeside.example", Role.APPROVER))
    assert "This job was not approved within 7 days. No claim was changed." in approver.says(address_of(awaiting))
    assert f"{address_of(awaiting)}/approve" not in approver.forms(address_of(awaiting))
    assert "Nothing needs your approval." in approver.says("/approvals")

    sweep.sweep(practice.sessions, now=clock())

    assert "This job needed approval and was not approved within 7 days." in biller.says(address_of(awaiting))
    assert "expired : it was not approved within 7 days" in biller.says("/jobs")


def test_a_colleague_sees_whose_job_needs_approval(practice: GivenPractice, browser_of: OPEN, awaiting: JobKey) -> None:
    colleague = browser_of(practice.person("colleague@lakeside.example", Role.BILLER))
    assert "biller’s job needs another user’s approval" in colleague.says(address_of(awaiting))


def test_an_approver_sees_what_needs_another_approver_and_who_may_vouch(
    practice: GivenPractice, browser_of: OPEN, previewed: JobKey
) -> None:
    owner = practice.person("owner@lakeside.example", Role.ADMIN)
    added = {"email": "new@lakeside.example", "name": "New", "role": Role.APPROVER}
    limits = {"claim_cents": UNLIMITED, "job_cents": UNLIMITED}
    user, _ = practice.do(user_management.add, **added, **limits, by_mail=False, by=owner, now=NOW - 2 * DAY)
    job = practice.preview(by=owner, key="owner")
    practice.confirm(job, by=owner)
    entry = Adjustment(
        kind="adjustment", line=1, responsibility=Responsibility.PATIENT, group_code="CO", reason_code="45",
        amount_cents=1_000,
    )  # fmt: skip
    practice.limit(claim=500, job=4_000)
    practice.do(manual_postings.post, "DEAR", entry, by=owner, idempotency_key="entry", now=NOW)

    page = browser_of(actor_for(user)).says("/approvals")

    assert "You can’t approve what needs approval now." in page
    assert "1 job and 1 posting need another approver than you:" in page
    assert f"Job {job.job_id} :" in page
    assert "Claim DEAR :" in page
    assert "Nothing needs your approval." in browser_of(owner).says("/approvals")
    other = practice.person("other@lakeside.example", Role.ADMIN)
    of_user = f"/users/{user.id}"
    assert "New can’t approve jobs or postings of owner" in browser_of(owner).says(of_user)
    assert f"{of_user}/vouch" not in browser_of(owner).read(of_user)
    assert "Can vouch for the account: other" in browser_of(owner).says(of_user)
    assert f"{of_user}/vouch" in browser_of(other).read(of_user)


def test_an_empty_approvals_page_explains_what_appears_there(approver: Browser) -> None:
    shown = approver.says("/approvals")
    assert "Nothing needs your approval. Jobs and postings that need approval appear here, except your own." in shown
    assert "None of your jobs or postings needs approval." in shown
    assert "Approvals 0" not in shown


def test_one_person_who_chose_it_runs_a_job_without_approval_and_every_page_says_so(
    practice: GivenPractice, admin: Browser, browser_of: OPEN, clock: Clock, previewed: JobKey
) -> None:
    assert admin.actor
    answer = admin.post("/settings/one-person", chosen="yes")
    assert answer.location == "/settings#one-person"
    shown = admin.says("/settings")
    assert "admin chose on 11/23/2026 10:00:00 AM" in shown
    assert "From 11/24/2026 10:00:00 AM" in shown
    clock.turn_on(hours=24)
    admin = browser_of(admin.actor)  # the session ended
    practice.sql("UPDATE settle_job SET previewed_at = :now", now=clock())

    before = admin.says(address_of(previewed))
    assert "After CONFIRM, this job runs without a second person" in before
    assert "Request approval" not in before
    admin.post(f"{address_of(previewed)}/confirm", on=address_of(previewed), confirmation="CONFIRM")
    practice.run(now=clock())

    for page in (address_of(previewed), f"{address_of(previewed)}/certificate"):
        after = admin.says(page)
        assert re.search(
            r"Ran without a second person \w+ chose on 11/23/2026 10:00:00 AM( \w+)? that one person works", after
        )
        assert "Exceeded limits Over the practice’s per-claim limit: $30.00 (limit $25.00" in after
    reviewed = admin.says("/review?week=2026-11-29")
    assert "11/23/2026 to 11/29/2026 , not over yet" in reviewed
    assert "Job 1 ran over a limit without approval. admin" in reviewed
    assert {address_of(previewed), "/review?week=2026-11-16"} <= set(admin.links("/review?week=2026-11-29"))
    assert "/review" in admin.links("/audit")
    admin.post("/settings/one-person", chosen="no")
    assert "Run my jobs without approval" in admin.says("/settings")


def test_the_settings_page_names_who_else_could_approve(admin: Browser, approver: Browser) -> None:
    assert "You can’t choose this, because ruth could approve your jobs." in admin.says("/settings")
    admin.post("/settings/one-person", chosen="yes")
    assert "ruth could approve your jobs, so jobs over a limit need approval. Nothing was" in admin.says("/settings")
