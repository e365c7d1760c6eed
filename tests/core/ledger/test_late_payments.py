"""Payments after a write-off: no false credit and no lost dollar, whatever their source and time."""

import datetime as dt
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.job_items import Outcome
from core.enums.ledger import PostingKind
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.intake.csv.postings_import import import_postings
from core.jobs.execution import engine
from core.jobs.keys import JobKey
from core.jobs.results import certificates
from core.jobs.results.certificates import Certificate
from core.ledger import manual_postings, recoveries, write_offs
from core.ledger.manual_postings import PostingResult
from core.models.ledger import Posting
from tests.at_once import raised_at_once
from tests.factories import NOW, GivenPractice, Line, ticking
from tests.workers import Workers


def pay(
    practice: GivenPractice, cents: int, *, number: str = "1", key: str | None = None, **entry: Any
) -> PostingResult:
    return practice.post(number, cents, key=key or f"{number}:{cents}:{entry}", **entry)


def unreversed(practice: GivenPractice, number: str = "1") -> list[tuple[int, str, int]]:
    with practice.sessions() as session:
        found = manual_postings.list_unreversed_write_offs(session, practice.id, practice.read(number).id)
        return [(line, side.value, cents) for line, side, cents in found]


def certified(practice: GivenPractice, job: JobKey) -> Certificate:
    return practice.do(certificates.for_job, job)


def reasons(practice: GivenPractice) -> list[str | None]:
    with practice.sessions() as session:
        return list(session.scalars(select(Posting.write_off_reason).where(write_offs.is_unreversed())))


def reverse(practice: GivenPractice, job: JobKey) -> JobKey:
    reversal = practice.reverse(job, by=practice.person(f"approver{job.job_id}@lakeside.example", Role.APPROVER))
    practice.run()
    return reversal


def status_and_balances(practice: GivenPractice, number: str = "1") -> tuple[str, int, int]:
    claim = practice.read(number)
    return claim.billing_status, claim.insurance_due, claim.patient_due


@pytest.mark.parametrize(
    ("cents", "remains", "credit"), [(1, 99_99, 0), (40_00, 60_00, 0), (100_00, 0, 0), (130_00, 0, 30_00)]
)
def test_a_late_payment_reverses_the_write_off_and_reposts_the_remainder(
    practice: GivenPractice, cents: int, remains: int, credit: int
) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.settle()

    posted = pay(practice, cents)

    assert posted.recovery is not None
    assert (posted.recovery.reversed_cents, posted.recovery.posted_again_cents) == (100_00, remains)
    assert (posted.recovery.job_ids, posted.credit_cents) == ([job.job_id], credit)
    assert status_and_balances(practice) == ("Settled", 0, -credit)
    assert unreversed(practice) == ([(1, "patient", remains)] if remains else [])
    assert practice.violations() == []


def test_successive_late_payments_reverse_the_write_off_until_none_remains(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.settle()

    found = [pay(practice, cents) for cents in (30_00, 50_00, 40_00, 5_00)]

    recovered = [one.recovery.recovered_cents if one.recovery else 0 for one in found]
    assert recovered == [30_00, 50_00, 20_00, 0]
    assert [one.recovery.job_ids for one in found if one.recovery] == [[job.job_id]] * 3, "the remainder is the job's"
    assert [one.credit_cents for one in found] == [0, 0, 20_00, 25_00]
    assert practice.violations() == []


def test_a_payment_covers_the_open_balance_before_it_reverses_a_write_off(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.settle()
    pay(practice, 20_00, kind="transfer", responsibility="insurance")  # the patient owes $20 again

    posted = pay(practice, 50_00)

    assert posted.recovery is not None
    assert posted.recovery.recovered_cents == 30_00
    assert practice.read("1").patient_due == 0
    assert practice.violations() == []


def test_a_payment_sent_twice_reverses_once_and_returns_the_same_answer(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.settle()

    first, again = pay(practice, 40_00, key="k"), pay(practice, 40_00, key="k")

    assert first.recovery == again.recovery
    assert unreversed(practice) == [(1, "patient", 60_00)]


def test_a_payment_on_another_line_reverses_nothing_and_shows_where_the_write_offs_are(
    practice: GivenPractice,
) -> None:
    practice.claim("1", Line(0, 100_00), Line(0, 0), Line(70_00, 0))
    practice.settle()

    posted = pay(practice, 10_00, line=2)

    assert (posted.recovery, posted.credit_cents) == (None, 10_00)
    assert [(one.line, one.responsibility.value, one.cents) for one in posted.written_off_elsewhere] == [
        (1, "patient", 100_00), (3, "insurance", 70_00)
    ]  # fmt: skip
    assert unreversed(practice) == [(1, "patient", 100_00), (3, "insurance", 70_00)]
    assert practice.violations() == []


def test_a_late_payment_leaves_the_write_off_of_the_other_responsibility(practice: GivenPractice) -> None:
    practice.claim("1", Line(100_00, 50_00))
    practice.settle()

    pay(practice, 60_00, responsibility="insurance", paid_by="primary")

    assert unreversed(practice) == [(1, "insurance", 40_00), (1, "patient", 50_00)]
    assert practice.violations() == []


def test_a_late_adjustment_reverses_too_and_a_later_payment_only_its_own_amount(practice: GivenPractice) -> None:
    practice.claim("1", Line(100_00, 0))
    practice.settle()

    adjusted = pay(practice, 40_00, kind="adjustment", responsibility="insurance", group_code="CO", reason_code="45")
    paid = pay(practice, 1, responsibility="insurance", paid_by="primary")

    assert [one.recovery and one.recovery.recovered_cents for one in (adjusted, paid)] == [40_00, 1]
    assert (status_and_balances(practice), unreversed(practice)) == (("Settled", 0, 0), [(1, "insurance", 59_99)])
    with practice.sessions() as session:
        assert [one.recovered_cents for one in recoveries.totals_by_month(session, practice.id)] == [1], (
            "the only money received"
        )
    assert practice.violations() == []


def test_a_transfer_reverses_part_of_the_write_off_so_that_the_other_side_owes_it(practice: GivenPractice) -> None:
    practice.claim("1", Line(100_00, 0))
    practice.settle()

    pay(practice, 30_00, kind="transfer", responsibility="insurance")

    assert (status_and_balances(practice), unreversed(practice)) == (
        ("Balance Due", 0, 30_00),
        [(1, "insurance", 70_00)],
    )
    assert practice.violations() == []


def test_the_reversal_of_a_job_reverses_what_late_payments_left_of_its_write_offs(practice: GivenPractice) -> None:
    numbers = practice.claims(3, insurance=20_00, patient=100_00)
    job = practice.settle()
    pay(practice, 1, number=numbers[0])
    pay(practice, 40_00, number=numbers[0])
    for side in ({"responsibility": "insurance", "paid_by": "primary", "cents": 20_00}, {"cents": 110_00}):
        pay(practice, number=numbers[1], **side)

    reversal = reverse(practice, job)

    assert [practice.item(reversal, number).outcome for number in numbers] == [
        Outcome.SETTLED, Outcome.SKIPPED, Outcome.SETTLED
    ]  # fmt: skip
    assert practice.item(reversal, numbers[1]).code == "late_payment"
    assert status_and_balances(practice, numbers[0]) == ("Balance Due", 20_00, 59_99)
    assert status_and_balances(practice, numbers[1]) == ("Settled", 0, -10_00)
    assert status_and_balances(practice, numbers[2]) == ("Balance Due", 20_00, 100_00)
    since = certified(practice, job).since
    assert since is not None
    assert (since.reversed_cents, since.recovered_cents, since.still_written_off_cents) == (199_99, 160_01, 0)
    pay(practice, 59_99, number=numbers[0], key="rest")
    assert status_and_balances(practice, numbers[0]) == ("Balance Due", 20_00, 0)
    assert practice.violations() == []


def test_a_payment_between_preview_and_run_of_a_reversal_skips_the_claim(
    practice: GivenPractice, approver: Actor
) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.settle()
    pay(practice, 10_00)
    reversal = practice.reverse(job, by=approver)
    pay(practice, 20_00)

    practice.run()

    assert practice.item(reversal, "1").code == "changed_since_preview"
    assert unreversed(practice) == [(1, "patient", 70_00)]
    assert practice.violations() == []


def test_a_later_change_besides_the_late_payment_keeps_the_claim_out_of_the_reversal(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00), Line(0, 0))
    job = practice.settle()
    pay(practice, 10_00)
    pay(practice, 5_00, line=2)

    assert practice.item(reverse(practice, job), "1").code == "touched_since"
    assert practice.violations() == []


def test_two_jobs_hit_by_one_late_payment_are_reversed_the_later_one_first(
    practice: GivenPractice,
) -> None:
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.claim("1", Line(100_00, 100_00))
    first = practice.settle(reason="charity")
    pay(practice, 30_00, kind="transfer", responsibility="insurance")
    second = practice.settle(key="again")
    pay(practice, 10_00)

    assert practice.item(reverse(practice, first), "1").code == "touched_since", "the second job is not reversed"
    assert practice.item(reverse(practice, second), "1").outcome is Outcome.SETTLED
    assert (practice.read("1").patient_due, unreversed(practice)) == (20_00, [(1, "patient", 100_00)])
    assert practice.violations() == []


def test_the_certificate_lists_later_postings_and_still_reconciles(practice: GivenPractice) -> None:
    practice.claims(3, insurance=0, patient=100_00)
    job = practice.settle()
    pay(practice, 40_00, number="C00001")
    pay(practice, 10_00, number="C00001")
    pay(practice, 120_00, number="C00003")

    pay(practice, 30_00, number="C00002", kind="adjustment", group_code="CO", reason_code="45")

    found = certified(practice, job)

    since = found.since
    assert since is not None
    assert [(one.kind, one.claim_id, one.amount_cents, one.recovered_cents) for one in since.first] == [
        ("payment", "C00001", 40_00, 40_00), ("payment", "C00001", 10_00, 10_00), ("payment", "C00003", 120_00, 100_00),
        ("adjustment", "C00002", 30_00, 30_00),
    ]  # fmt: skip
    assert (since.written_off_cents, since.payments, since.recovered_cents) == (300_00, 3, 150_00)
    assert (since.replaced_cents, since.reversed_cents, since.still_written_off_cents) == (30_00, 0, 120_00)
    assert found.written_off.total_cents == 300_00
    assert found.reconciles
    assert practice.violations() == []


def test_a_late_payment_reverses_the_newest_write_off_first(practice: GivenPractice) -> None:
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.claim("1", Line(100_00, 100_00))
    first = practice.settle(reason="charity")
    pay(practice, 30_00, kind="transfer", responsibility="insurance")
    second = practice.settle(key="again")

    pay(practice, 10_00)
    posted = pay(practice, 50_00)

    assert posted.recovery is not None
    assert posted.recovery.job_ids == [first.job_id, second.job_id]
    of_first, of_second = certified(practice, first).since, certified(practice, second).since
    assert of_first is not None
    assert of_second is not None
    assert (of_first.payments, of_first.recovered_cents, of_first.still_written_off_cents) == (1, 30_00, 70_00)
    assert (of_second.payments, of_second.recovered_cents, of_second.still_written_off_cents) == (2, 30_00, 0)
    assert reasons(practice) == ["charity"], "the remainder keeps the reason charity"
    assert practice.violations() == []


def test_recoveries_are_totaled_by_month_and_listed_newest_first(practice: GivenPractice) -> None:
    practice.claims(2, insurance=30_00, patient=100_00)
    practice.settle()
    pay(practice, 40_00, number="C00001")
    pay(practice, 10_00, number="C00002", responsibility="insurance", paid_by="primary")

    with practice.sessions() as session:
        months = recoveries.totals_by_month(session, practice.id)
        first = recoveries.page(session, practice.id, limit=1)
        after = recoveries.parse_cursor(recoveries.cursor(first[0]))
        rest = recoveries.page(session, practice.id, after=after, month=months[0].month, limit=10)

    assert [(str(one.month), one.payments, one.insurance_cents, one.patient_cents) for one in months] == [
        ("2026-11-01", 2, 10_00, 40_00)
    ]
    assert [(one.claim_id, one.recovered_cents) for one in [*first, *rest]] == [("C00002", 10_00), ("C00001", 40_00)]


def test_concurrent_payments_reverse_no_more_than_was_written_off(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.settle()

    keys = [f"payer {index}" for index in range(4)]
    assert raised_at_once(*(lambda key=key: pay(practice, 30_00, key=key) for key in keys)) == []

    assert status_and_balances(practice) == ("Settled", 0, -20_00)
    assert unreversed(practice) == []
    assert practice.violations() == []


def test_payments_during_a_job_leave_no_false_credit(practice: GivenPractice) -> None:
    numbers = practice.claims(40, insurance=0, patient=100_00)
    job = practice.confirmed(chunk_claims=4)

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
        assert sum(cents for _, _, cents in unreversed(practice, number)) == (60_00 if settled else 0)
    assert practice.violations() == []


HEAD = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"


def write(file: Path, payments: list[tuple[str, int]]) -> Path:
    """Write a file of payments on the patient's balance, by claim and dollars. Return its path."""
    rows = [f"{n},{number},1,patient,payment,-{dollars}.00,patient,,,2026-11-20"
            for n, (number, dollars) in enumerate(payments)]  # fmt: skip
    file.write_text("\n".join([HEAD, *rows, ""]), encoding="utf-8")
    return file


def test_an_import_and_a_payment_at_once_reverse_one_after_the_other(practice: GivenPractice, tmp_path: Path) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.settle()
    file = write(tmp_path / "march.csv", [("1", 30), ("1", 30)])

    raised = raised_at_once(
        lambda: practice.do(import_postings, file, practice_name="Lakeside", now=NOW), lambda: pay(practice, 30_00)
    )

    assert raised == []
    assert (status_and_balances(practice), unreversed(practice)) == (("Settled", 0, 0), [(1, "patient", 10_00)])
    assert practice.violations() == []


def test_a_job_waits_for_an_import_and_writes_off_nothing_that_the_import_paid(
    practice: GivenPractice, tmp_path: Path
) -> None:
    numbers = practice.claims(12, insurance=0, patient=100_00)
    file = write(tmp_path / "march.csv", [(number, 40) for number in numbers])
    job = practice.confirmed(chunk_claims=4)
    practice.settle_chunk(practice.take_chunk())

    with transaction(practice.sessions) as session:
        import_postings(session, file, practice_name="Lakeside", now=NOW)
        # finds only claims that the import has locked
        engine.work(practice.sessions, worker="tester", clock=lambda: NOW)
        assert practice.counts(job) == {"settled": 4, "skipped": 0, "failed": 0, "remaining": 8}
    practice.run(now=NOW + dt.timedelta(minutes=1))

    assert practice.counts(job) == {"settled": 4, "skipped": 8, "failed": 0, "remaining": 0}
    found = [(practice.read(number).patient_due, unreversed(practice, number)) for number in numbers]
    assert sorted(found) == [(0, [(1, "patient", 60_00)])] * 4 + [(60_00, [])] * 8
    assert practice.violations() == []


def test_payments_racing_real_workers_leave_every_claim_at_zero(practice: GivenPractice, worker: Workers) -> None:
    numbers = practice.claims(30, insurance=0, patient=100_00)
    job = practice.confirmed(chunk_claims=3)

    for number in numbers:
        pay(practice, 100_00, number=number)

    from tests.waiting import eventually

    eventually(lambda: practice.progress(job).remaining == 0, seconds=60)
    assert {practice.read(number).patient_due for number in numbers} == {0}
    with practice.sessions() as session:
        written_off = session.scalars(select(Posting).where(Posting.kind == PostingKind.WRITE_OFF)).all()
        assert all(posting.job_id == job.job_id for posting in written_off)
    assert practice.violations() == []
