"""The reversal of a job on its pages: reason, preview, CONFIRM, progress, and links between both jobs."""

from collections.abc import Callable

import pytest

from core.access.permissions import Actor
from core.enums.claims import Hold
from core.enums.jobs import JobKind
from core.jobs.keys import JobKey
from core.models.jobs import SettleJob
from core.models.practices import Patient
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser, Clock

OPEN = Callable[[Actor], Browser]


@pytest.fixture
def job(practice: GivenPractice) -> JobKey:
    """Return a finished job of three claims, $15.00 each."""
    practice.claims(3)
    return practice.settle()


def request_reversal(browser: Browser, job: JobKey, note: str = "Wrong month", **fields: str) -> str:
    """Request the reversal of the job. Return the address of the reversal's page."""
    page = f"/jobs/{job.job_id}/reverse"
    answer = browser.post(page, on=page, note=note, **{"idempotency_key": "one", **fields})
    assert answer.status_code == 303, answer.text
    return answer.location


def confirm(browser: Browser, page: str) -> None:
    assert browser.post(f"{page}/confirm", on=page, confirmation="CONFIRM").status_code == 303


def reversals(practice: GivenPractice) -> list[SettleJob]:
    with practice.sessions() as session:
        return list(session.query(SettleJob).filter_by(practice_id=practice.id, kind=JobKind.REVERSE))


def test_an_approver_reverses_a_job_from_its_page_to_the_cent(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    assert f"/jobs/{job.job_id}/reverse" in approver.links(f"/jobs/{job.job_id}")
    page = request_reversal(approver, job)

    box = approver.says(page)
    assert "Confirm Reversal" in box
    assert "This posts 6 offsetting entries that restore $45.00 to 3 claims." in box
    assert "A reversal cannot be undone, but a new job can settle the claims again." in box
    assert "Wrong month" in box
    confirm(approver, page)
    practice.run()

    shown = approver.says(page)
    assert "Job 2 · reversed 3 claims in job 1 Completed" in shown
    assert "Reversed 3 Skipped 0 Failed 0 Remaining 0" in shown
    assert "Restored $45.00 insurance $30.00 · patient $15.00" in shown
    assert "Written off" not in shown
    assert f"/jobs/{job.job_id}/reverse" not in approver.links(f"/jobs/{job.job_id}"), "nothing is left to reverse"
    assert practice.read("C00001").billing_status == "Balance Due"
    assert practice.violations() == []


def test_a_job_and_its_reversal_link_to_each_other(practice: GivenPractice, job: JobKey, approver: Browser) -> None:
    page = request_reversal(approver, job)

    assert f"/jobs/{job.job_id}" in approver.links(page)
    assert page in approver.links(f"/jobs/{job.job_id}")
    assert "Reversal not confirmed yet job 2 awaits CONFIRM" in approver.says(f"/jobs/{job.job_id}")
    assert "Reverse this job" not in approver.says(f"/jobs/{job.job_id}"), "the open reversal is offered instead"
    would = "Job 2 (awaiting CONFIRM) would reverse this job. It has not reversed any claim yet."
    assert would in approver.says(f"/jobs/{job.job_id}/reverse")
    approver.post(f"{page}/discard", on=page)
    assert "Reversal not confirmed yet" not in approver.says(f"/jobs/{job.job_id}")


def test_previewing_a_reversal_again_keeps_its_claim_reason_and_date(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    page = request_reversal(approver, job, claim="C00002")
    practice.pay("C00002", 500)

    [again] = [link for link in approver.links(page) if "again=" in link]
    form = approver.get(again).text

    assert 'value="Wrong month"' in form
    assert 'name="claim" value="C00002"' in form
    other = practice.settle({"claim_ids": practice.claims(1, first=9)}, key="other")
    assert approver.get(f"/jobs/{other.job_id}/reverse?again=2").status_code == 404, "it reverses another job"


def test_the_reversal_form_explains_which_changed_claims_are_skipped(
    practice: GivenPractice, approver: Browser
) -> None:
    practice.claims(3, insurance=0, patient=1_500)
    job = practice.settle()
    practice.pay("C00002", 500)
    practice.change("C00003", hold=Hold.HOLD)

    form = approver.says(f"/jobs/{job.job_id}/reverse")
    box = approver.says(request_reversal(approver, job))

    assert "That payment stays, and only the rest is reversed." in form
    assert "If a claim changed in any other way, it is skipped and listed. If the change was a hold," in form
    assert "restore $25.00 to 2 claims. 1 claim that changed later is skipped: C00003 ." in box
    assert "claim version after the job 2" in box
    assert "claim version 3" in box


def test_late_payments_in_full_skip_a_claim_and_in_part_leave_the_rest_to_reverse(
    practice: GivenPractice, approver: Browser
) -> None:
    practice.claims(3, insurance=0, patient=1_500)
    job = practice.settle()
    practice.pay("C00002", 1_500)
    practice.pay("C00003", 100)

    shown = approver.says(request_reversal(approver, job))

    assert "This posts 2 offsetting entries that restore $29.00 to 2 claims. 1 claim is skipped: C00002 ." in shown
    assert "Already fully reversed by payments after the write-off" in shown


def test_there_is_nothing_to_confirm_if_every_claim_changed_after_the_job(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    for number in ("C00001", "C00002", "C00003"):
        practice.change(number, hold=Hold.HOLD)

    page = approver.read(request_reversal(approver, job))

    assert "so there is nothing to confirm" in page
    assert "confirm-form" not in page


def test_one_claim_of_a_job_is_reversed_from_the_claim_page(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    link = f"/jobs/{job.job_id}/reverse?claim=C00002"
    assert link in approver.links("/claims/C00002")
    assert "Reverse job 1 for claim C00002" in approver.says(link)

    page = request_reversal(approver, job, claim="C00002")
    confirm(approver, page)
    practice.run()

    assert [practice.read(f"C0000{n}").billing_status for n in (1, 2, 3)] == ["Settled", "Balance Due", "Settled"]
    assert link not in approver.links("/claims/C00002")
    assert "reversal of posting 10 “Wrong month”" in approver.says("/claims/C00002")


def test_the_remainder_after_a_late_payment_can_be_reversed_from_the_claim_page(
    practice: GivenPractice, approver: Browser
) -> None:
    practice.claim("P1", Line(0, 500))
    job = practice.settle()
    practice.pay("P1", 100)

    assert f"/jobs/{job.job_id}/reverse?claim=P1" in approver.links("/claims/P1")


def test_the_reversal_of_a_claim_the_job_did_not_settle_is_refused_and_names_it(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    practice.claim("LATER", Line(100))
    page = f"/jobs/{job.job_id}/reverse"

    answer = approver.post(page, on=page, note="Wrong", claim="LATER")

    assert answer.status_code == 422
    assert "did not change these claims: LATER" in answer.text
    assert 'value="Wrong"' in answer.text
    assert approver.post(page, on=page, note="Wrong", claim="\x00").status_code == 404
    assert reversals(practice) == []


@pytest.mark.parametrize("note", ["", "   ", "x" * 501, "a\x00b"])
def test_a_reversal_without_a_valid_reason_is_refused(
    practice: GivenPractice, job: JobKey, approver: Browser, note: str
) -> None:
    page = f"/jobs/{job.job_id}/reverse"

    answer = approver.post(page, on=page, note=note)

    assert answer.status_code == 422
    assert 'id="note-fault"' in answer.text
    assert reversals(practice) == []


def test_a_reversal_form_sent_twice_makes_one_reversal(practice: GivenPractice, job: JobKey, approver: Browser) -> None:
    assert request_reversal(approver, job) == request_reversal(approver, job)
    assert len(reversals(practice)) == 1
    assert request_reversal(approver, job, note="For another reason") != request_reversal(approver, job)


def test_a_biller_sees_who_may_reverse_a_job(job: JobKey, biller: Browser) -> None:
    assert "Reversal Ask an approver or administrator." in biller.says(f"/jobs/{job.job_id}")
    assert "Reverse this claim" not in biller.read("/claims/C00001")


def test_an_approver_can_pause_a_reversal(job: JobKey, approver: Browser) -> None:
    page = request_reversal(approver, job)
    confirm(approver, page)

    approver.post(f"{page}/pause", on=page)

    assert "Pausing" in approver.says(page)


def test_an_unfinished_job_cannot_be_reversed(practice: GivenPractice, approver: Browser) -> None:
    practice.claims(1)
    job = practice.preview()
    page = f"/jobs/{job.job_id}/reverse"

    assert page not in approver.links(f"/jobs/{job.job_id}")
    shown = approver.says(page)
    assert "Only a completed or canceled job that changed at least one claim can be reversed." in shown
    assert "Nothing changes yet" not in shown
    assert "Next you’ll see" not in shown
    assert approver.post(page, on=page, note="Wrong").status_code == 409


def test_the_reversal_of_a_status_change_mentions_no_money(practice: GivenPractice, approver: Browser) -> None:
    practice.claims(2)
    job = practice.settle(target_status="Internal Review", reason=None)
    assert "Changed 2" in approver.says(f"/jobs/{job.job_id}")
    assert "Written off" not in approver.says(f"/jobs/{job.job_id}")

    page = request_reversal(approver, job)

    box = approver.says(page)
    assert "This restores the earlier billing status of 2 claims. Nothing is posted." in box
    assert "A reversal cannot be undone, but a new job can change the status again." in box
    assert "$" not in box
    confirm(approver, page)
    practice.run()
    assert practice.read("C00001").billing_status == "Balance Due"


def test_a_large_reversal_shows_that_its_preview_is_being_prepared(
    practice: GivenPractice, job: JobKey, approver: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.reversal.create_reversal.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)

    page = approver.says(request_reversal(approver, job))

    assert "Confirm Reversal" in page
    assert "Checking 3 claims (" in page


def test_an_expired_reversal_preview_links_back_to_the_reversal_form(
    practice: GivenPractice, job: JobKey, approver: Browser, clock: Clock
) -> None:
    page = request_reversal(approver, job)
    for _ in range(3):
        clock.turn_on(minutes=25)
        approver.get(page)

    assert f"/jobs/{job.job_id}/reverse?again=2" in approver.links(page)
    assert "confirm-form" not in approver.read(page)


def test_the_pages_of_a_reversal_of_one_claim_name_the_claim_the_patient_and_the_amount(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    with practice.sessions() as session:
        name = session.query(Patient).first().name  # type: ignore[union-attr]

    form = approver.says(f"/jobs/{job.job_id}/reverse?claim=C00002")
    page = request_reversal(approver, job, claim="C00002")
    previewed = approver.says(page)
    confirm(approver, page)
    practice.run()

    assert f"Reverse job 1 for claim C00002 Patient {name}" in form
    assert "$15.00 written off" in form
    assert "$45.00" not in form
    assert f"Claim C00002, patient {name}" in previewed.replace("C00002 ,", "C00002,")
    assert "$15.00 to restore" in previewed
    assert "$15.00 restored" in approver.says(page)


def test_a_discarded_reversal_of_one_claim_names_no_amount_to_restore(
    practice: GivenPractice, job: JobKey, approver: Browser
) -> None:
    page = request_reversal(approver, job, claim="C00002")
    assert "$15.00 to restore" in approver.says(page)

    approver.post(f"{page}/discard", on=page)

    shown = approver.says(page)
    assert "Discarded" in shown
    assert "Claim C00002 , patient" in shown
    assert "to restore" not in shown
