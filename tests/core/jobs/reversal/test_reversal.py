"""Reversal of a job by counter-postings, claim by claim, except claims with later changes."""

import datetime as dt

import pytest
from sqlalchemy import Connection, event

from core.access.permissions import Actor
from core.enums.claims import Hold
from core.enums.job_items import Outcome
from core.enums.jobs import JobStatus
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.errors import NotAllowed
from core.jobs.keys import JobKey
from core.jobs.preview import totals
from core.jobs.preview.job_request import BadRequest
from core.jobs.preview.selections import UnknownClaim
from core.jobs.results import outcomes
from core.jobs.reversal.create_reversal import NotReversible
from tests.factories import NOW, TODAY, GivenPractice, Line


def _reverse(practice: GivenPractice, job: JobKey, *claim_ids: str, key: str = "reverse") -> JobKey:
    """Reverse the job, or some of its claims, in chunks of two."""
    by = practice.person(f"approver.{key}@lakeside.example".replace(" ", "."), Role.APPROVER)
    reversal = practice.reverse(job, *claim_ids, by=by, key=key, chunk_claims=2)
    practice.run()
    return reversal


def _try_again(practice: GivenPractice, job: JobKey) -> str | None:
    """Return what the job says of its only claim, which was skipped."""
    with practice.sessions() as session:
        (row,) = outcomes.items(session, job, outcome="skipped", again_at=NOW)
    return row.try_again_words


def test_reversing_a_job_restores_balances_and_statuses(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 50), Line(0, 25))
    practice.claim("2", Line(), billing_status="Internal Review")
    practice.claim("3", Line(7, 0), billing_status="Bill Insurance")
    job = practice.settle()

    reversal = _reverse(practice, job)

    seen = practice.progress(reversal)
    assert (seen.status, seen.settled, seen.insurance_cents, seen.patient_cents) == (JobStatus.COMPLETED, 3, 107, 75)
    claims = [practice.read(number) for number in "123"]
    assert [(c.billing_status, c.insurance_due, c.patient_due, c.version) for c in claims] == [
        ("Balance Due", 100, 75, 3), ("Internal Review", 0, 0, 3), ("Bill Insurance", 7, 0, 3)
    ]  # fmt: skip
    assert len(practice.write_offs("1")) == 3, "nothing was deleted"
    assert practice.violations() == []


def test_a_reversal_skips_a_claim_paid_late_in_full_and_restores_what_remains_of_the_others(
    practice: GivenPractice,
) -> None:
    practice.claim("paid late", Line(0, 100))
    practice.claim("paid some", Line(0, 100))
    practice.claim("unpaid", Line(0, 100))
    job = practice.settle()
    practice.pay("paid late", 100)
    practice.pay("paid some", 40)

    reversal = _reverse(practice, job)

    assert practice.progress(reversal).patient_cents == 160
    assert practice.read("paid some").patient_due == 60
    item = practice.item(reversal, "paid late")
    assert (item.outcome, item.code) == (Outcome.SKIPPED, "late_payment")
    assert item.why is not None
    assert item.why.keys() == {"last_payment_on", "insurance_due", "patient_due"}
    assert practice.read("paid late").patient_due == 0, "the payment reversed as much of the write-off as it paid"
    assert practice.read("unpaid").patient_due == 100
    assert practice.violations() == []


def test_a_claim_held_and_released_after_the_job_can_still_be_reversed(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    practice.claim("still held", Line(0, 100))
    job = practice.settle()
    for number in ("1", "still held"):
        practice.change(number, hold=Hold.HOLD)
    practice.change("1", hold=None)
    practice.claim("held until yesterday", Line(0, 100))
    lapsed = practice.settle({"claim_ids": ["held until yesterday"]}, key="lapsed")
    practice.change("held until yesterday", hold=Hold.HOLD, hold_until=TODAY - dt.timedelta(days=1))

    reversal = _reverse(practice, job)

    assert practice.item(_reverse(practice, lapsed, key="l"), "held until yesterday").outcome is Outcome.SETTLED
    assert practice.item(reversal, "still held").code == "touched_since"
    assert practice.item(reversal, "1").outcome is Outcome.SETTLED
    assert (practice.read("1").billing_status, practice.read("1").patient_due) == ("Balance Due", 100)
    assert practice.violations() == []


def test_two_jobs_on_one_claim_are_reversed_the_last_one_first(practice: GivenPractice) -> None:
    practice.claim("1", Line(70, 30))
    practice.set_write_off(WriteOffSetting.PATIENT)
    first = practice.settle(key="patient")
    practice.set_write_off(WriteOffSetting.INSURANCE)
    second = practice.settle(key="insurance")

    too_early = _reverse(practice, first, key="too early")
    ways = [_try_again(practice, too_early)]
    last = _reverse(practice, second, key="last")
    ways.append(_try_again(practice, too_early))
    then = _reverse(practice, first, key="then")
    ways.append(_try_again(practice, too_early))

    assert ways == ["After a change: undo that change", "Yes, in a new job", "No (Already reversed)"]
    assert practice.item(too_early, "1").code == "touched_since"
    assert [practice.item(job, "1").outcome for job in (last, then)] == [Outcome.SETTLED, Outcome.SETTLED]
    claim = practice.read("1")
    assert (claim.billing_status, claim.insurance_due, claim.patient_due) == ("Balance Due", 70, 30)
    assert practice.violations() == []


def test_an_already_reversed_claim_names_the_reversal_job(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    job = practice.settle()
    first = _reverse(practice, job, key="first")

    second = _reverse(practice, job, key="second")

    item = practice.item(second, "1")
    assert (item.code, item.why) == ("already_reversed", {"reversed_by": first.job_id})


def test_some_claims_of_a_job_can_be_reversed_alone(practice: GivenPractice) -> None:
    practice.claims(3)
    job = practice.settle()

    reversal = _reverse(practice, job, "C00002")

    assert practice.counts(reversal) == {"settled": 1, "skipped": 0, "failed": 0, "remaining": 0}
    assert [practice.read(f"C0000{n}").billing_status for n in (1, 2, 3)] == ["Settled", "Balance Due", "Settled"]
    with pytest.raises(UnknownClaim, match="C00009"):
        _reverse(practice, job, "C00009", key="another")


def test_reversing_a_job_repeatedly_reverses_each_claim_once(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(2)
    job = practice.settle()
    first = practice.request_reversal(job, by=admin, key="first")
    second = _reverse(practice, job, key="second")
    practice.confirm(first, by=admin)
    practice.run()
    third = _reverse(practice, job, key="third")

    assert practice.counts(second)["settled"] == 2
    assert practice.counts(first)["skipped"] == 2
    assert practice.counts(third)["skipped"] == 2
    assert practice.read("C00001").patient_due == 500
    assert practice.violations() == []


def test_a_reversed_claim_can_be_settled_again(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 50))
    _reverse(practice, practice.settle())

    again = practice.settle(key="again")

    assert practice.counts(again)["settled"] == 1
    assert (practice.read("1").insurance_due, practice.read("1").billing_status) == (0, "Settled")
    assert len(practice.write_offs("1")) == 4
    assert practice.violations() == []


def test_a_reversal_leaves_the_balance_that_the_setting_did_not_write_off(practice: GivenPractice) -> None:
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.claim("1", Line(100, 50))
    job = practice.settle()

    _reverse(practice, job)

    assert (practice.read("1").insurance_due, practice.read("1").patient_due) == (100, 50)
    assert practice.violations() == []


def test_a_status_change_job_can_be_reversed(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 0))
    job = practice.settle(target_status="Internal Review", reason=None)

    _reverse(practice, job)

    assert practice.read("1").billing_status == "Balance Due"
    assert practice.violations() == []


def test_a_biller_cannot_create_or_confirm_a_reversal(practice: GivenPractice, approver: Actor) -> None:
    practice.claims(1)
    job = practice.settle()

    with pytest.raises(NotAllowed):
        practice.request_reversal(job, by=practice.biller)
    reversal = practice.request_reversal(job, by=approver)
    with pytest.raises(NotAllowed):
        practice.confirm(reversal)


@pytest.mark.parametrize("note", ["", "  ", "x" * 501])
def test_a_reversal_needs_a_reason_of_limited_length(practice: GivenPractice, approver: Actor, note: str) -> None:
    practice.claims(1)

    with pytest.raises(BadRequest, match="note: state the reason for the reversal"):
        practice.request_reversal(practice.settle(), by=approver, note=note)


def test_only_an_ended_job_can_be_reversed(practice: GivenPractice) -> None:
    practice.claims(1)
    job = practice.preview()

    with pytest.raises(NotReversible):
        _reverse(practice, job)


def test_the_preview_of_a_large_reversal_looks_up_the_write_offs_of_each_claim(
    practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without nested loops, PostgreSQL reads every reversal of the practice again for each claim: ten minutes, not 4 s.
    monkeypatch.setattr(totals, "FULL_SCAN_FROM_CLAIMS", 1)
    practice.claim("1", Line(0, 100))
    job = practice.settle()
    nested_loops = []

    def note(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT sum(") and "answer.reverses_id" in statement:
            driver = connection.connection.driver_connection
            assert driver is not None
            nested_loops.append(driver.execute("SHOW enable_nestloop").fetchone())

    event.listen(practice.sessions.kw["bind"], "before_cursor_execute", note)
    _reverse(practice, job)

    assert nested_loops == [("on",)]
