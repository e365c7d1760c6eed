"""A payment after the write-off: neither a false credit nor a lost dollar, whichever way and whenever it comes."""

import threading
from typing import Any

import pytest
from sqlalchemy import select

from core.access.models import Role
from core.db.engine import transaction
from core.jobs import certificate, commands, engine
from core.jobs.keys import JobKey
from core.jobs.models import Outcome
from core.ledger import entries, recoveries
from core.ledger.entries import Posted, entry_of
from core.ledger.models import Posting, PostingKind
from tests.given import NOW, GivenPractice, Line, ticking
from tests.workers import Workers


def pay(practice: GivenPractice, cents: int, *, number: str = "1", key: str | None = None, **entry: Any) -> Posted:
    given = {
        "kind": "payment", "line": 1, "responsibility": "patient", "paid_by": "patient", "amount_cents": cents, **entry
    }  # fmt: skip
    if given["kind"] != "payment":
        del given["paid_by"]
    with transaction(practice.sessions) as session:
        return entries.post(
            session, number, entry_of(given), by=practice.biller, idempotency_key=key or f"{number}:{cents}:{entry}",
            now=NOW,
        )  # fmt: skip


def stands(practice: GivenPractice, number: str = "1") -> list[tuple[int, str, int]]:
    with practice.sessions() as session:
        found = entries.written_off(session, practice.id, practice.read(number).id)
        return [(line, side.value, cents) for line, side, cents in found]


def dues(practice: GivenPractice, number: str = "1") -> tuple[str, int, int]:
    claim = practice.read(number)
    return claim.billing_status, claim.insurance_due, claim.patient_due


@pytest.mark.parametrize(
    ("cents", "remains", "credit"), [(1, 99_99, 0), (40_00, 60_00, 0), (100_00, 0, 0), (130_00, 0, 30_00)]
)
def test_a_late_payment_takes_back_just_enough(practice: GivenPractice, cents: int, remains: int, credit: int) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.settle()

    posted = pay(practice, cents)

    assert posted.recovery is not None
    assert (posted.recovery.taken_back_cents, posted.recovery.posted_again_cents) == (100_00, remains)
    assert (posted.recovery.job_ids, posted.credit_cents) == ([job.job_id], credit)
    assert dues(practice) == ("Settled", 0, -credit)
    assert stands(practice) == ([(1, "patient", remains)] if remains else [])
    assert practice.violations() == []


def test_one_late_payment_after_the_other_takes_back_until_nothing_stands(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.settle()

    found = [pay(practice, cents) for cents in (30_00, 50_00, 40_00, 5_00)]

    took = [one.recovery.recovered_cents if one.recovery else 0 for one in found]
    assert took == [30_00, 50_00, 20_00, 0]
    assert [one.recovery.job_ids for one in found if one.recovery] == [[job.job_id]] * 3, "the remainder is the job's"
    assert [one.credit_cents for one in found] == [0, 0, 20_00, 25_00]
    assert practice.violations() == []


def test_what_is_due_is_paid_first(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.settle()
    pay(practice, 20_00, kind="transfer", responsibility="insurance")  # the patient owes 20 again

    posted = pay(practice, 50_00)

    assert posted.recovery is not None
    assert posted.recovery.recovered_cents == 30_00
    assert practice.read("1").patient_due == 0
    assert practice.violations() == []


def test_the_same_payment_sent_twice_takes_back_once_and_answers_the_same(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.settle()

    first, again = pay(practice, 40_00, key="k"), pay(practice, 40_00, key="k")

    assert first.recovery == again.recovery
    assert stands(practice) == [(1, "patient", 60_00)]


def test_a_payment_on_another_line_takes_nothing_back_and_says_where_it_was_written_off(
    practice: GivenPractice,
) -> None:
    practice.claim("1", Line(0, 100_00), Line(0, 0), Line(70_00, 0))
    practice.settle()

    posted = pay(practice, 10_00, line=2)

    assert (posted.recovery, posted.credit_cents) == (None, 10_00)
    assert [(one.line, one.responsibility.value, one.cents) for one in posted.written_off_elsewhere] == [
        (1, "patient", 100_00), (3, "insurance", 70_00)
    ]  # fmt: skip
    assert stands(practice) == [(1, "patient", 100_00), (3, "insurance", 70_00)]
    assert practice.violations() == []


def test_the_other_responsibility_of_the_line_keeps_its_write_off(practice: GivenPractice) -> None:
    practice.claim("1", Line(100_00, 50_00))
    practice.settle()

    pay(practice, 60_00, responsibility="insurance", paid_by="primary")

    assert stands(practice) == [(1, "insurance", 40_00), (1, "patient", 50_00)]
    assert practice.violations() == []


def test_an_adjustment_that_came_before_the_payment_is_healed_by_it(practice: GivenPractice) -> None:
    practice.claim("1", Line(100_00, 0))
    practice.settle()
    pay(practice, 40_00, kind="adjustment", responsibility="insurance", group_code="CO", reason_code="45")

    pay(practice, 60_00, responsibility="insurance", paid_by="primary")

    assert (dues(practice), stands(practice)) == (("Settled", 0, 0), [])
    assert practice.violations() == []


def test_a_claim_with_a_late_payment_stays_out_of_the_reversal_of_its_job(practice: GivenPractice) -> None:
    numbers = practice.claims(2, insurance=0, patient=100_00)
    job = practice.settle()
    pay(practice, 40_00, number=numbers[0])
    approver = practice.person("approver@lakeside.example", Role.APPROVER)
    with transaction(practice.sessions) as session:
        made = commands.reverse(session, job, claim_ids=None, by=approver, idempotency_key="r", now=NOW)
        reversal = JobKey(made.practice_id, made.id)
        commands.confirm(session, reversal, confirmation="CONFIRM", by=approver, now=NOW)
    practice.run()

    assert practice.item(reversal, numbers[0]).outcome is Outcome.SKIPPED
    assert dues(practice, numbers[0]) == ("Settled", 0, 0)
    assert dues(practice, numbers[1]) == ("Balance Due", 0, 100_00)
    assert practice.violations() == []


def test_the_certificate_of_the_job_lists_what_came_since_and_still_reconciles(practice: GivenPractice) -> None:
    practice.claims(3, insurance=0, patient=100_00)
    job = practice.settle()
    pay(practice, 40_00, number="C00001")
    pay(practice, 10_00, number="C00001")
    pay(practice, 120_00, number="C00003")

    with practice.sessions() as session:
        found = certificate.of_job(session, job)

    late = found.late_payments
    assert (late.payments, late.taken_back_cents - late.posted_again_cents) == (3, 150_00)
    assert [(one.claim_id, one.taken_back_cents, one.posted_again_cents) for one in late.first] == [
        ("C00001", 100_00, 60_00), ("C00001", 60_00, 50_00), ("C00003", 100_00, 0)
    ]  # fmt: skip
    assert found.written_off.total_cents == 300_00
    assert found.reconciles


def test_recoveries_are_added_up_by_month_and_listed_newest_first(practice: GivenPractice) -> None:
    practice.claims(2, insurance=30_00, patient=100_00)
    practice.settle()
    pay(practice, 40_00, number="C00001")
    pay(practice, 10_00, number="C00002", responsibility="insurance", paid_by="primary")

    with practice.sessions() as session:
        months = recoveries.by_month(session, practice.id)
        first = recoveries.page(session, practice.id, limit=1)
        after = recoveries.place(recoveries.cursor(first[0]))
        rest = recoveries.page(session, practice.id, after=after, month=months[0].month, limit=10)

    assert [(str(one.month), one.payments, one.insurance_cents, one.patient_cents) for one in months] == [
        ("2026-11-01", 2, 10_00, 40_00)
    ]
    assert [(one.claim_id, one.recovered_cents) for one in [*first, *rest]] == [("C00002", 10_00), ("C00001", 40_00)]


def test_two_payments_at_once_take_back_no_more_than_there_is(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.settle()
    together = threading.Barrier(4)

    def one_pays(index: int) -> None:
        together.wait()
        pay(practice, 30_00, key=f"payer {index}")

    payers = [threading.Thread(target=one_pays, args=(index,)) for index in range(4)]
    for payer in payers:
        payer.start()
    for payer in payers:
        payer.join()

    assert dues(practice) == ("Settled", 0, -20_00)
    assert stands(practice) == []
    assert practice.violations() == []


def test_payments_that_arrive_while_a_job_runs_leave_no_false_credit(practice: GivenPractice) -> None:
    numbers = practice.claims(40, insurance=0, patient=100_00)
    job = practice.preview(chunk_claims=4)
    practice.confirm(job)

    def pay_all() -> None:
        for number in numbers:
            pay(practice, 40_00, number=number)

    payer = threading.Thread(target=pay_all)
    payer.start()
    clock = ticking(NOW)
    while practice.progress(job).remaining:
        engine.work(practice.sessions, worker="tester", clock=clock)
    payer.join()

    for number in numbers:
        settled = practice.item(job, number).outcome is Outcome.SETTLED
        assert practice.read(number).patient_due == (0 if settled else 60_00), number
        assert sum(cents for _, _, cents in stands(practice, number)) == (60_00 if settled else 0)
    assert practice.violations() == []


def test_payments_race_real_workers(practice: GivenPractice, worker: Workers) -> None:
    numbers = practice.claims(30, insurance=0, patient=100_00)
    job = practice.preview(chunk_claims=3)
    practice.confirm(job)

    for number in numbers:
        pay(practice, 100_00, number=number)

    from tests.waiting import eventually

    eventually(lambda: practice.progress(job).remaining == 0, seconds=60)
    assert {practice.read(number).patient_due for number in numbers} == {0}
    with practice.sessions() as session:
        written_off = session.scalars(select(Posting).where(Posting.kind == PostingKind.WRITE_OFF)).all()
        assert all(posting.job_id == job.job_id for posting in written_off)
    assert practice.violations() == []
