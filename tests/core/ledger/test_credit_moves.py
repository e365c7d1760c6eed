"""Refunds and transfers of credits: never more than the credit, and never more than is owed where it goes."""

import datetime as dt
from typing import Any

import pytest

from core.access.permissions import Actor
from core.books import closing
from core.errors import NotAllowed, NotFound
from core.ledger import credit_moves, voids
from core.ledger.credit_moves import CreditMoved
from core.ledger.entries import BadEntry, CreditTransfer, Refund, Void
from core.ledger.entry_postings import EntryMismatch
from core.practices.periods import PeriodClosed
from tests.at_once import raised_at_once
from tests.factories import NOW, GivenPractice, Line

TOMORROW = NOW + dt.timedelta(days=1)


@pytest.fixture
def overpaid(practice: GivenPractice) -> GivenPractice:
    """A practice with claim 1, whose patient paid $60.00 too much on line 1 and owes $25.00 on line 2."""
    practice.claim("1", Line(0, 40_00), Line(0, 25_00))
    practice.post("1", 100_00, key="overpaid")
    return practice


def refund(
    practice: GivenPractice, cents: int = 60_00, *, key: str = "refund", by: Actor | None = None,
    now: dt.datetime = NOW, **asked: Any,
) -> CreditMoved:  # fmt: skip
    given = {"line": 1, "responsibility": "patient", "amount_cents": cents, "paid_to": "patient", "note": "Overpaid"}
    options = {"by": by or practice.biller, "idempotency_key": key, "now": now}
    moved: CreditMoved = practice.do(credit_moves.refund, "1", Refund.of({**given, **asked}), **options)
    return moved


def transfer(
    practice: GivenPractice, cents: int = 25_00, *, claim: str | None = None, line: int = 2, side: str = "patient",
    number: str = "1", key: str = "transfer", by: Actor | None = None, **asked: Any,
) -> CreditMoved:  # fmt: skip
    to = {"claim_id": claim, "line": line, "responsibility": side}
    given = {
        "line": 1, "responsibility": "patient", "amount_cents": cents, "to": to, "note": "To the open line", **asked
    }  # fmt: skip
    options = {"by": by or practice.biller, "idempotency_key": key, "now": NOW}
    moved: CreditMoved = practice.do(credit_moves.transfer, number, CreditTransfer.of(given), **options)
    return moved


def test_a_refund_pays_the_credit_back(overpaid: GivenPractice) -> None:
    moved = refund(overpaid, 45_00)

    assert (moved.credit_cents, moved.claim.patient_due, moved.claim.patient_paid) == (15_00, 10_00, 55_00)
    assert str(moved.claim.last_payment_on) == "2026-11-23", "that of the payment"
    (act,) = overpaid.audited("claim.refunded")
    assert act.facts == {"posting_id": moved.posting_ids[0], "amount_cents": 45_00}
    assert refund(overpaid, 15_00, key="rest").credit_cents == 0
    assert not overpaid.read("1").has_credit_line
    assert overpaid.violations() == []


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"amount_cents": 60_01}, r"amount_cents: more than the \$60.00 credit"),
        ({"line": 2}, "line: line 2 has no patient credit"),
        ({"line": 3}, "line: claim 1 has no line 3"),
        ({"responsibility": "insurance"}, "line: line 1 has no insurance credit"),
        ({"paid_to": "secondary"}, "paid_to: claim 1 has no Ins 2; choose who gets the refund"),
        ({"note": " "}, "note: give the reason"),
        ({"amount_cents": 0}, "amount_cents"),
        ({"posted_on": "2026-11-24"}, "in the future"),
    ],
)
def test_a_refund_that_is_not_of_a_credit_is_refused(overpaid: GivenPractice, asked: Any, fault: str) -> None:
    with pytest.raises(BadEntry, match=fault):
        refund(overpaid, **{"cents": asked.pop("amount_cents", 60_00), **asked})

    assert overpaid.read("1").version == 2


def test_a_credit_is_refunded_once(overpaid: GivenPractice, admin: Actor) -> None:
    first, again = refund(overpaid), refund(overpaid, now=TOMORROW)

    assert first.posting_ids == again.posting_ids
    with pytest.raises(EntryMismatch):
        refund(overpaid, 59_00)
    with pytest.raises(BadEntry, match="has no patient credit"):
        refund(overpaid, key="another")


def test_two_refunds_at_once_never_pay_back_more_than_the_credit(overpaid: GivenPractice, admin: Actor) -> None:
    raised = raised_at_once(
        lambda: refund(overpaid, 40_00, key="a"), lambda: refund(overpaid, 40_00, key="b", by=admin)
    )

    assert [type(one) for one in raised] == [BadEntry]
    assert overpaid.violations() == []


def test_a_credit_pays_another_line_of_the_claim(overpaid: GivenPractice) -> None:
    moved = transfer(overpaid)

    assert (moved.credit_cents, moved.claim.patient_due) == (35_00, -35_00)
    assert overpaid.read("1").patient_paid == 100_00, "no money came or went"
    assert len(moved.posting_ids) == 2
    assert transfer(overpaid).posting_ids == moved.posting_ids
    assert overpaid.violations() == []


def test_a_credit_pays_another_claim_of_the_patient_and_both_claims_say_so(overpaid: GivenPractice) -> None:
    overpaid.claim("2", Line(50_00, 0))

    moved = transfer(overpaid, 50_00, claim="2", line=1, side="insurance")

    assert (moved.credit_cents, overpaid.read("2").insurance_due, overpaid.read("2").version) == (10_00, 0, 2)
    assert [act.subject for act in overpaid.audited("claim.credit_transferred")] == ["claim:1", "claim:2"]
    assert overpaid.violations() == []


def test_a_transfer_of_a_credit_between_claims_is_voided_on_both_from_either(overpaid: GivenPractice) -> None:
    overpaid.claim("2", Line(50_00, 0))
    moved = transfer(overpaid, 50_00, claim="2", line=1, side="insurance")

    voided = overpaid.do(
        voids.void, "2", moved.posting_ids[1], Void.of({"note": "Wrong claim"}), by=overpaid.biller,
        idempotency_key="void", now=NOW,
    )  # fmt: skip

    assert (voided.claim.external_id, voided.claim.insurance_due) == ("2", 50_00)
    assert overpaid.read("1").patient_due == 25_00 - 60_00
    assert [act.subject for act in overpaid.audited("claim.voided")] == ["claim:1", "claim:2"]
    assert overpaid.violations() == []


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"cents": 25_01}, r"amount_cents: more than the \$25.00 owed on that line"),
        ({"side": "insurance"}, "to.line: line 2 has no insurance balance"),
        ({"line": 1}, "to.line: line 1 has no patient balance"),
        ({"line": 7}, "to.line: claim 1 has no line 7"),
        ({"claim": "3", "line": 1}, "to.claim_id: claim 3 is for a different patient"),
        ({"claim": "2", "line": 1, "side": "insurance", "cents": 60_01}, r"more than the \$60.00 credit"),
        ({"note": ""}, "note: give the reason"),
    ],
)
def test_a_transfer_that_a_credit_cannot_pay_is_refused(overpaid: GivenPractice, asked: Any, fault: str) -> None:
    overpaid.claim("2", Line(90_00, 0))
    overpaid.claim("3", Line(0, 90_00), patient_id=overpaid.patient("Another"))

    with pytest.raises(BadEntry, match=fault):
        transfer(overpaid, **asked)
    with pytest.raises(NotFound):
        transfer(overpaid, claim="none")
    assert overpaid.violations() == []


def test_two_transfers_in_opposite_directions_do_not_deadlock(practice: GivenPractice) -> None:
    for number in ("1", "2"):
        practice.claim(number, Line(0, 10_00), Line(0, 50_00))
        practice.post(number, 40_00, key=f"overpaid {number}")

    raised = raised_at_once(
        lambda: transfer(practice, 20_00, claim="2", key="a"),
        lambda: transfer(practice, 20_00, claim="1", number="2", key="b"),
    )

    assert raised == []
    assert practice.violations() == []


def test_moving_a_credit_needs_the_right_to_post_and_an_open_month(
    overpaid: GivenPractice, admin: Actor, approver: Actor
) -> None:
    overpaid.do(closing.close, dt.date(2026, 11, 1), by=admin, now=NOW)

    for act in (refund, transfer):
        with pytest.raises(NotAllowed):
            act(overpaid, by=approver)
        with pytest.raises(PeriodClosed):
            act(overpaid)
        with pytest.raises(BadEntry, match="posted_on: 2026-11-22 is too early"):
            act(overpaid, posted_on="2026-11-22")
    refund(overpaid, posted_on="2026-12-01")
    assert overpaid.violations() == []


def test_the_balances_offered_are_those_of_the_same_patient_that_owe(overpaid: GivenPractice) -> None:
    overpaid.claim("2", Line(50_00, 7_00))
    overpaid.claim("3", Line(0, 90_00), patient_id=overpaid.patient("Another"))

    with overpaid.sessions() as session:
        found = credit_moves.list_open_balances(session, overpaid.read("1"))

    assert [(one.claim_id, one.line, one.responsibility.value, one.due_cents) for one in found] == [
        ("1", 2, "patient", 25_00), ("2", 1, "insurance", 50_00), ("2", 1, "patient", 7_00),
    ]  # fmt: skip
