"""A job taken back on its pages: asked why, previewed, confirmed, followed; each job leads to the other."""

from collections.abc import Callable

import pytest

from core.access.permissions import Actor
from core.db.engine import Sessions
from core.jobs.keys import JobKey
from core.models.claims import Hold
from core.models.jobs import JobKind, SettleJob
from core.models.people import Role
from tests.factories import GivenPractice, Line, a_practice
from tests.webui.conftest import Browser, Clock

OPEN = Callable[[Actor], Browser]


@pytest.fixture
def approver(practice: GivenPractice, browser_of: OPEN) -> Browser:
    return browser_of(practice.person("p.okafor@lakeside.example", Role.APPROVER))


@pytest.fixture
def job(practice: GivenPractice) -> JobKey:
    """A finished job of three claims, $15.00 each."""
    practice.claims(3)
    return practice.settle()


def ask(browser: Browser, job: JobKey, note: str = "Wrong month", **fields: str) -> str:
    """Ask for the reversal; give the address of its page."""
    page = f"/jobs/{job.job_id}/reverse"
    answer = browser.post(page, on=page, note=note, **{"idempotency_key": "one", **fields})
    assert answer.status_code == 303, answer.text
    return answer.location


def confirm(browser: Browser, page: str) -> None:
    assert browser.post(f"{page}/confirm", on=page, confirmation="CONFIRM").status_code == 303


def reversals(practice: GivenPractice) -> list[SettleJob]:
    with practice.sessions() as session:
        return list(session.query(SettleJob).filter_by(practice_id=practice.id, kind=JobKind.REVERSE))


def test_an_approver_takes_a_job_back_from_its_page_to_the_cent(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    assert f"/jobs/{job.job_id}/reverse" in approver.links(f"/jobs/{job.job_id}")
    page = ask(approver, job)

    box = approver.says(page)
    assert "Confirm Reversal" in box
    assert "This posts 6 counter-postings that restore $45.00 to 3 claims." in box
    assert "Wrong month" in box
    confirm(approver, page)
    practice.run()

    said = approver.says(page)
    assert "Job 2 · reverse 3 claims of job 1 Completed" in said
    assert "Reversed 3 Skipped 0 Failed 0 Remaining 0" in said
    assert "Restored $45.00 insurance $30.00 · patient $15.00" in said
    assert "Written off" not in said
    assert f"/jobs/{job.job_id}/reverse" not in approver.links(f"/jobs/{job.job_id}"), "nothing of it stands"
    assert practice.read("C00001").billing_status == "Balance Due"
    assert practice.violations() == []


def test_each_job_leads_to_the_other(practice: GivenPractice, job: JobKey, approver: Browser) -> None:
    page = ask(approver, job)

    assert f"/jobs/{job.job_id}" in approver.links(page)
    assert page in approver.links(f"/jobs/{job.job_id}")
    assert "Reversed by job 2 awaiting CONFIRM" in approver.says(f"/jobs/{job.job_id}")
    assert "Job 2 reverses this job already" in approver.says(f"/jobs/{job.job_id}/reverse")
    approver.post(f"{page}/discard", on=page)
    assert "Reversed by" not in approver.says(f"/jobs/{job.job_id}")


def test_a_claim_touched_since_is_left_out_by_name(practice: GivenPractice, job: JobKey, approver: Browser) -> None:
    practice.change("C00002", hold=Hold.HOLD)

    said = approver.says(ask(approver, job))

    assert "restore $30.00 to 2 claims. 1 claim touched since is left out: C00002 ." in said
    assert "version when settled 2" in said
    assert "version 3" in said


def test_the_form_says_which_changed_claims_the_reversal_leaves_out(practice: GivenPractice, approver: Browser) -> None:
    practice.claims(3, insurance=0, patient=1_500)
    job = practice.settle()
    practice.pay("C00002", 500)
    practice.change("C00003", hold=Hold.HOLD)

    form = approver.says(f"/jobs/{job.job_id}/reverse")
    box = approver.says(ask(approver, job))

    assert "A payment that arrived after the write-off stays: only the remaining write-off is reversed." in form
    assert "A claim with any other change is skipped and listed until that change is undone." in form
    assert "restore $25.00 to 2 claims. 1 claim touched since is left out: C00003 ." in box


def test_a_claim_paid_late_in_full_is_left_out_by_name_and_of_one_paid_in_part_the_rest_comes_back(
    practice: GivenPractice, approver: Browser
) -> None:
    practice.claims(3, insurance=0, patient=1_500)
    job = practice.settle()
    practice.pay("C00002", 1_500)
    practice.pay("C00003", 100)

    said = approver.says(ask(approver, job))

    assert "This posts 2 counter-postings that restore $29.00 to 2 claims. 1 claim is left out: C00002 ." in said
    assert "Payments after the write-off already reversed all of it" in said


def test_where_every_claim_was_touched_there_is_nothing_to_confirm(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    for number in ("C00001", "C00002", "C00003"):
        practice.change(number, hold=Hold.HOLD)

    page = approver.read(ask(approver, job))

    assert "so there is nothing to confirm" in page
    assert "confirm-form" not in page


def test_one_claim_is_taken_back_from_its_own_page(practice: GivenPractice, job: JobKey, approver: Browser) -> None:
    link = f"/jobs/{job.job_id}/reverse?claim=C00002"
    assert link in approver.links("/claims/C00002")
    assert "Reverse claim C00002 of job 1" in approver.says(link)

    page = ask(approver, job, claim="C00002")
    confirm(approver, page)
    practice.run()

    assert [practice.read(f"C0000{n}").billing_status for n in (1, 2, 3)] == ["Settled", "Balance Due", "Settled"]
    assert link not in approver.links("/claims/C00002")
    assert "reversal of an earlier entry “Wrong month”" in approver.says("/claims/C00002")


def test_what_a_late_payment_left_of_a_write_off_can_be_taken_back_from_the_claims_page(
    practice: GivenPractice, approver: Browser
) -> None:
    practice.claim("P1", Line(0, 500))
    job = practice.settle()
    practice.pay("P1", 100)

    assert f"/jobs/{job.job_id}/reverse?claim=P1" in approver.links("/claims/P1")


def test_a_claim_that_the_job_did_not_settle_is_refused_by_name(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    practice.claim("LATER", Line(100))
    page = f"/jobs/{job.job_id}/reverse"

    answer = approver.post(page, on=page, note="Wrong", claim="LATER")

    assert answer.status_code == 422
    assert "did not settle: LATER" in answer.text
    assert 'value="Wrong"' in answer.text
    assert approver.post(page, on=page, note="Wrong", claim="\x00").status_code == 404
    assert reversals(practice) == []


@pytest.mark.parametrize("note", ["", "   ", "x" * 501, "a\x00b"])
def test_the_note_says_why_or_nothing_happens(
    practice: GivenPractice, job: JobKey, approver: Browser, note: str
) -> None:
    page = f"/jobs/{job.job_id}/reverse"

    answer = approver.post(page, on=page, note=note)

    assert answer.status_code == 422
    assert 'id="note-fault"' in answer.text
    assert reversals(practice) == []


def test_a_form_that_is_sent_twice_makes_one_reversal(practice: GivenPractice, job: JobKey, approver: Browser) -> None:
    assert ask(approver, job) == ask(approver, job)
    assert len(reversals(practice)) == 1
    assert ask(approver, job, note="For another reason") != ask(approver, job)


def test_a_biller_reads_who_may_and_cannot(practice: GivenPractice, job: JobKey, biller: Browser) -> None:
    page = f"/jobs/{job.job_id}"

    assert f"{page}/reverse" not in biller.links(page)
    assert "Reversal by an approver or an administrator" in biller.says(page)
    assert "Reverse this claim" not in biller.read("/claims/C00001")
    assert biller.get(f"{page}/reverse").status_code == 403
    assert biller.post(f"{page}/reverse", note="x").status_code == 403


def test_a_biller_sees_a_reversal_and_cannot_confirm_or_discard_it(
    practice: GivenPractice, job: JobKey, approver: Browser, biller: Browser
) -> None:
    page = ask(approver, job)

    assert "confirm-form" not in biller.read(page)
    assert biller.post(f"{page}/confirm", confirmation="CONFIRM").status_code == 403
    assert biller.post(f"{page}/discard").status_code == 403
    assert approver.status_of(JobKey(practice.id, int(page.rsplit("/", 1)[1]))) == "Awaiting CONFIRM"


def test_an_approver_controls_a_reversal_and_no_other_job(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    page = ask(approver, job)
    confirm(approver, page)

    approver.post(f"{page}/pause", on=page)

    assert "Pausing" in approver.says(page)
    practice.claims(1, first=9)
    other = practice.preview(key="other")
    practice.confirm(other)
    assert approver.post(f"/jobs/{other.job_id}/pause").status_code == 403


def test_a_job_that_has_not_ended_cannot_be_reversed(practice: GivenPractice, approver: Browser) -> None:
    practice.claims(1)
    job = practice.preview()
    page = f"/jobs/{job.job_id}/reverse"

    assert page not in approver.links(f"/jobs/{job.job_id}")
    assert "this one cannot" in approver.says(page)
    assert approver.post(page, on=page, note="Wrong").status_code == 409


def test_a_change_of_status_is_taken_back_without_a_word_of_money(practice: GivenPractice, approver: Browser) -> None:
    practice.claims(2)
    job = practice.settle(target_status="Internal Review", reason=None)
    assert "Changed 2" in approver.says(f"/jobs/{job.job_id}")
    assert "Written off" not in approver.says(f"/jobs/{job.job_id}")

    page = ask(approver, job)

    box = approver.says(page)
    assert "This gives 2 claims their earlier billing status; no money moves." in box
    assert "$" not in box
    confirm(approver, page)
    practice.run()
    assert practice.read("C00001").billing_status == "Balance Due"


def test_a_large_reversal_says_that_it_is_being_prepared(
    practice: GivenPractice, job: JobKey, approver: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.reversal.create.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)

    page = approver.read(ask(approver, job))

    assert "Confirm Reversal" in page
    assert "<b>3</b> claims are judged" in page


def test_an_expired_reversal_leads_back_to_its_first_step(
    practice: GivenPractice, job: JobKey, approver: Browser, clock: Clock
) -> None:
    page = ask(approver, job)
    for _ in range(3):
        clock.turn_on(minutes=25)
        approver.get(page)

    assert f"/jobs/{job.job_id}/reverse" in approver.links(page)
    assert "confirm-form" not in approver.read(page)


def test_another_practices_job_is_not_there(
    practice: GivenPractice, job: JobKey, sessions: Sessions, browser_of: OPEN
) -> None:
    other = a_practice(sessions, name="Harbor")
    stranger = browser_of(other.person("approver@harbor.example", Role.APPROVER))

    assert stranger.get(f"/jobs/{job.job_id}/reverse").status_code == 404
    assert stranger.post(f"/jobs/{job.job_id}/reverse", note="x").status_code == 404
