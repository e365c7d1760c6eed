"""Voids of manual postings: what each one reverses and restores, and what cannot be voided."""

import datetime as dt
from typing import Any

import pytest

from core.access.permissions import Actor
from core.books import closing
from core.enums.ledger import PostingKind, Responsibility
from core.enums.people import Role
from core.errors import NotAllowed, NotFound
from core.ledger import recoveries, voids, write_offs
from core.ledger.adjustment_limits import AdjustmentOverLimit
from core.ledger.entries import BadEntry, Void
from core.ledger.entry_postings import EntryMismatch
from core.ledger.ledger_queries import list_ledger_rows
from core.ledger.voids import AlreadyVoided, NotVoidable, VoidResult
from core.practices.periods import PeriodClosed
from tests.at_once import raised_at_once
from tests.factories import NOW, GivenPractice, Line

TOMORROW = NOW + dt.timedelta(days=1)


def ids(practice: GivenPractice, kind: PostingKind, number: str = "1") -> list[int]:
    """Return the ids of the claim's postings of a kind, in order."""
    with practice.sessions() as session:
        rows = list_ledger_rows(session, practice.id, practice.read(number).id)
    return sorted(row.id for row in rows if row.kind is kind)


def void(
    practice: GivenPractice, posting_id: int, number: str = "1", *, key: str = "void", now: dt.datetime = NOW,
    by: Actor | None = None, **asked: Any,
) -> VoidResult:  # fmt: skip
    given = Void.of({"note": "Mistyped", **asked})
    done: VoidResult = practice.do(
        voids.void, number, posting_id, given, by=by or practice.biller, idempotency_key=key, now=now
    )
    return done


def test_a_void_reverses_a_payment_and_keeps_both_in_the_ledger(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.post("1", 40_00)
    (payment,) = ids(practice, PostingKind.PAYMENT)

    voided = void(practice, payment, now=TOMORROW)

    assert (voided.claim.patient_due, voided.claim.patient_paid, voided.claim.last_payment_on) == (100_00, 0, None)
    with practice.sessions() as session:
        reversal = list_ledger_rows(session, practice.id, voided.claim.id)[-1]
    assert (reversal.id, reversal.reverses_id, reversal.note) == (voided.posting_ids[0], payment, "Mistyped")
    assert str(reversal.posted_on) == "2026-11-24"
    (act,) = practice.audited("claim.voided")
    assert act.facts == {"kind": "payment", "posting_id": payment}
    assert practice.violations() == []


def test_a_void_restores_the_write_off_that_a_late_payment_had_reversed(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.settle()
    practice.post("1", 40_00)
    (payment,) = ids(practice, PostingKind.PAYMENT)

    voided = void(practice, payment)

    assert (voided.restored_cents, voided.reversed_cents) == (40_00, 0)
    assert (voided.claim.patient_due, voided.claim.billing_status) == (0, "Settled")
    with practice.sessions() as session:
        (month,) = recoveries.totals_by_month(session, practice.id)
        of_job = recoveries.recoveries_of_job(session, practice.id, job.job_id)
        (standing,) = write_offs.unreversed_at(
            session, practice.id, [(voided.claim.id, 1, Responsibility.PATIENT)]
        ).values()
    assert (month.recovered_cents, of_job.recovered_cents) == (0, 0)
    assert sum(one.cents for one in standing) == 100_00
    assert practice.violations() == []

    again = practice.post("1", 25_00, key="again")
    assert again.recovery is not None
    assert (again.recovery.recovered_cents, practice.read("1").patient_due) == (25_00, 0)
    assert practice.violations() == []


def test_a_void_of_a_transfer_reverses_both_sides(practice: GivenPractice) -> None:
    practice.claim("1", Line(100_00, 0))
    practice.post("1", 40_00, kind="transfer", responsibility="insurance")
    practice.settle()
    first, second = ids(practice, PostingKind.TRANSFER)

    voided = void(practice, second)

    assert len(voided.posting_ids) == 2
    assert (voided.claim.insurance_due, voided.claim.patient_due) == (40_00, 0)
    assert voided.claim.billing_status == "Balance Due"
    assert voided.reversed_cents == 40_00, "the patient's write-off, because the patient never owed it"
    with pytest.raises(AlreadyVoided):
        void(practice, first, key="another")
    assert practice.violations() == []


def test_the_same_key_voids_once(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.post("1", 40_00)
    (payment,) = ids(practice, PostingKind.PAYMENT)

    first, again = void(practice, payment), void(practice, payment, now=TOMORROW)

    assert first.posting_ids == again.posting_ids
    assert practice.read("1").patient_due == 100_00
    for other in ({"note": "Another"}, {"posted_on": "2026-11-24"}):
        with pytest.raises(EntryMismatch):
            void(practice, payment, now=TOMORROW, **other)
    with pytest.raises(AlreadyVoided):
        void(practice, payment, key="another")


def test_two_users_who_void_at_once_void_once(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.post("1", 40_00)
    (payment,) = ids(practice, PostingKind.PAYMENT)

    raised = raised_at_once(
        lambda: void(practice, payment, key="a"), lambda: void(practice, payment, key="b", by=admin)
    )

    assert sorted(type(one) for one in raised if one) == [AlreadyVoided]
    assert practice.read("1").patient_due == 100_00
    assert practice.violations() == []


def test_only_manual_postings_can_be_voided_and_each_refusal_says_what_to_do(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.pay("1", 10_00)  # as an import posts it
    job = practice.settle()
    practice.post("1", 40_00)
    imported, payment = ids(practice, PostingKind.PAYMENT)
    void(practice, payment)

    with pytest.raises(NotVoidable, match="import the correction"):
        void(practice, imported, key="1")
    for write_off in ids(practice, PostingKind.WRITE_OFF):
        with pytest.raises(NotVoidable, match=f"is a write-off from job {job.job_id}. Reverse the whole job"):
            void(practice, write_off, key="2")
    with pytest.raises(NotVoidable, match="is a reversal"):
        void(practice, ids(practice, PostingKind.REVERSAL)[-1], key="3")
    practice.claim("2", Line(0, 5))
    for number, posting_id in (("2", payment), ("1", 10**9)):
        with pytest.raises(NotFound, match="has no posting"):
            void(practice, posting_id, number, key="4")


def test_a_void_needs_a_reason_and_the_right_to_post(practice: GivenPractice, approver: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.post("1", 40_00)
    (payment,) = ids(practice, PostingKind.PAYMENT)

    for note in ("", "  ", "x" * 501, None, "a\x00b"):
        with pytest.raises(BadEntry, match="note:"):
            void(practice, payment, note=note)
    with pytest.raises(NotAllowed):
        void(practice, payment, by=approver)
    assert practice.read("1").version == 2


def test_a_void_is_dated_in_an_open_month_and_never_before_its_posting(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.post("1", 40_00, posted_on="2026-10-20")
    (payment,) = ids(practice, PostingKind.PAYMENT)
    practice.do(closing.close, dt.date(2026, 10, 1), by=admin, now=NOW)

    with pytest.raises(BadEntry, match="2026-10-19 is too early; the earliest date is 2026-10-20"):
        void(practice, payment, posted_on="2026-10-19")
    with pytest.raises(PeriodClosed):
        void(practice, payment, posted_on="2026-10-31")
    with pytest.raises(BadEntry, match="in the future"):
        void(practice, payment, posted_on="2026-11-24")
    void(practice, payment, posted_on="2026-11-01")
    assert practice.violations() == []


def test_an_adjustment_over_the_users_limit_is_voided_by_a_user_who_could_have_posted_it(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(100_00, 0))
    adjusted = {"kind": "adjustment", "responsibility": "insurance", "group_code": "CO", "reason_code": "45"}
    practice.post("1", 40_00, by=admin, **adjusted)
    practice.limit_of(practice.biller, claim=30_00)
    (adjustment,) = ids(practice, PostingKind.ADJUSTMENT)

    with pytest.raises(AdjustmentOverLimit, match=r"exceeds your per-claim limit of \$30.00"):
        void(practice, adjustment)
    assert void(practice, adjustment, by=admin).claim.adjustment == 0

    practice.post("1", 25_00, key="typo", **adjusted)
    void(practice, ids(practice, PostingKind.ADJUSTMENT)[-1], key="typo's")
    assert practice.post("1", 5_00, key="right", **adjusted).request is None
    assert practice.post("1", 1, key="more", **adjusted).request is not None, "the voided one still counts"
    assert practice.read("1").adjustment == 5_00
    assert practice.violations() == []


def test_a_void_of_a_late_payment_leaves_the_job_reversible(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.settle()
    practice.post("1", 40_00)
    void(practice, ids(practice, PostingKind.PAYMENT)[0])

    reversal = practice.reverse(job, by=practice.person("approver@lakeside.example", Role.APPROVER))
    practice.run()

    assert practice.counts(reversal)["settled"] == 1
    assert practice.read("1").patient_due == 100_00
    assert practice.violations() == []


def test_a_voided_posting_is_no_longer_offered_for_a_void(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.post("1", 40_00)
    (payment,) = ids(practice, PostingKind.PAYMENT)

    with practice.sessions() as session:
        assert voids.voidable_ids(session, practice.id, practice.read("1").id) == {payment}
    void(practice, payment)
    with practice.sessions() as session:
        assert voids.voidable_ids(session, practice.id, practice.read("1").id) == set()
