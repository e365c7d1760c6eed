"""Payments, adjustments, transfers and holds by other users, before, during and after a job."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import func, select

from core.access.permissions import Actor
from core.claims.holds import set_hold
from core.claims.locks import ClaimBusy
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.practices import PayerClass
from core.errors import NotAllowed, NotFound
from core.ledger.entries import BadEntry
from core.ledger.entry_postings import EntryMismatch
from core.models.claims import Claim
from core.models.ledger import Posting
from tests.factories import NOW, GivenPractice, Line


def _post(practice: GivenPractice, number: str = "1", amount_cents: Any = 40, **more: Any) -> Claim:
    return practice.post(number, amount_cents, **more).claim


def test_a_payment_lowers_the_balance_and_records_the_payer(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 90))

    claim = _post(practice)

    assert (claim.insurance_due, claim.patient_due, claim.patient_paid, claim.version) == (100, 50, 40, 2)
    assert str(claim.last_payment_on) == "2026-11-23"
    assert practice.violations() == []


def test_a_payment_from_a_payer_that_the_claim_does_not_have_is_refused(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 90))  # with primary insurance only

    with pytest.raises(BadEntry, match="paid_by: claim 1 has no Ins 2; choose who paid"):
        _post(practice, paid_by="secondary")

    assert _post(practice, paid_by="primary").patient_due == 50
    practice.claim("2", Line(0, 90), primary_payer_id=practice.payer("Self Pay", PayerClass.SELF_PAY))
    with pytest.raises(BadEntry, match="paid_by: claim 2 has no Ins 1"):
        _post(practice, "2", key="another", paid_by="primary")
    assert _post(practice, "2", key="another").patient_due == 50


def test_an_adjustment_lowers_the_balance_under_its_codes(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 0))

    claim = _post(practice, kind="adjustment", responsibility="insurance", group_code="CO", reason_code="45")

    assert (claim.insurance_due, claim.adjustment) == (60, 40)
    assert practice.violations() == []


def test_a_transfer_moves_the_balance_to_the_other_responsibility(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 0))

    claim = _post(practice, kind="transfer", responsibility="insurance")

    assert (claim.insurance_due, claim.patient_due) == (60, 40)
    assert practice.violations() == []


def test_an_idempotency_key_posts_once(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))

    _post(practice)
    claim = _post(practice)

    assert claim.patient_due == 60
    for other in ({"amount_cents": 41}, {"posted_on": "2026-11-01"}, {"note": "Check 12"}, {"paid_by": "primary"}):
        with pytest.raises(EntryMismatch):
            _post(practice, **other)
    assert _post(practice, key="another").patient_due == 20


def test_repeating_a_key_without_a_date_on_a_later_day_is_the_same_entry(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    _post(practice)

    assert _post(practice, now=NOW + dt.timedelta(days=1)).patient_due == 60
    with pytest.raises(EntryMismatch):
        _post(practice, now=NOW + dt.timedelta(days=1), posted_on="2026-11-24")


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"amount_cents": 0}, "amount_cents"),
        ({"amount_cents": -5}, "amount_cents"),
        ({"amount_cents": 1.5}, "amount_cents"),
        ({"amount_cents": "40"}, "amount_cents"),
        ({"line": 2}, "line"),
        ({"kind": "gift"}, "kind"),
        ({"paid_by": "unknown"}, "paid_by"),
        ({"responsibility": "payer"}, "responsibility"),
        ({"posted_on": "2026-11-24"}, "posted_on"),
        ({"posted_on": "yesterday"}, "posted_on"),
        ({"posted_on": 0}, "posted_on"),
        ({"line": "1"}, "line"),
        ({"kind": "adjustment"}, "group_code"),
        ({"extra": 1}, "extra"),
    ],
)
def test_an_invalid_entry_names_its_field_and_posts_nothing(practice: GivenPractice, entry: Any, named: str) -> None:
    practice.claim("1", Line(0, 100))

    with pytest.raises(BadEntry, match=named):
        _post(practice, **entry)

    assert (practice.read("1").patient_due, practice.read("1").version) == (100, 1)


def test_a_posting_that_leaves_a_balance_reopens_a_settled_claim(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    practice.settle()

    claim = _post(practice, kind="transfer", responsibility="insurance")

    assert (claim.billing_status, claim.patient_due, claim.insurance_due) == ("Balance Due", 40, -40)
    assert practice.violations() == []


def test_a_credit_on_another_line_does_not_keep_a_claim_with_a_balance_settled(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 100), Line(0, 0))
    practice.settle()
    _post(practice, line=2, amount_cents=60)  # the wrong line: a credit balance there

    claim = _post(practice, key="t", kind="transfer", responsibility="insurance", amount_cents=50)

    assert (claim.billing_status, claim.patient_due) == ("Balance Due", -10)
    assert practice.violations() == []


def test_a_payment_on_a_settled_claim_reverses_part_of_the_write_off_and_leaves_it_settled(
    practice: GivenPractice,
) -> None:
    practice.claim("1", Line(0, 100))
    practice.settle()

    claim = _post(practice)

    assert (claim.billing_status, claim.patient_due, claim.has_credit_line) == ("Settled", 0, False)
    assert practice.violations() == []


def test_a_claim_paid_after_the_preview_is_skipped_as_changed(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    job = practice.confirmed()
    _post(practice)

    practice.run()

    item = practice.item(job, "1")
    assert item.code == "changed_since_preview"
    assert item.why is not None
    assert (item.why["previewed_version"], item.why["version"], item.why["patient_due"]) == (1, 2, 60)


def test_a_hold_keeps_a_claim_out_of_jobs_until_it_is_released(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    with transaction(practice.sessions) as session:
        assert set_hold(session, "1", Hold.APPEAL, by=practice.biller, now=NOW).version == 2
    with transaction(practice.sessions) as session:
        assert set_hold(session, "1", Hold.APPEAL, by=practice.biller, now=NOW).version == 2
    item = practice.item(practice.preview(key="held"), "1")
    assert (item.verdict_code, item.why) == ("on_hold", {"hold": "appeal_open"})

    practice.act(set_hold, "1", None)

    assert practice.item(practice.preview(key="released"), "1").verdict_code is None


@pytest.mark.usefixtures("short_lock_waits")
def test_a_claim_locked_too_long_by_another_session_is_busy(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    with practice.sessions() as locker, locker.begin():
        locker.scalars(select(Claim).with_for_update()).all()
        with pytest.raises(ClaimBusy):
            _post(practice)

    assert practice.read("1").version == 1


def test_a_user_without_permission_posts_nothing(practice: GivenPractice, approver: Actor, admin: Actor) -> None:
    practice.claim("1", Line(0, 100))

    with pytest.raises(NotAllowed):
        _post(practice, by=approver)
    with pytest.raises(NotFound):
        _post(practice, "no such claim", by=admin)
    with practice.sessions() as session:
        assert session.scalar(select(func.count()).select_from(Posting)) == 1
