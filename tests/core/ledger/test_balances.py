"""The cached balances of lines and claims follow from postings alone."""

import pytest
from sqlalchemy import Engine, select, text

from core.db.engine import Sessions, transaction
from core.intake.sample.make_sample import make_sample
from core.ledger.balances import CLAIM_CACHED_COLUMNS, LINE_CACHED_COLUMNS, recompute
from core.models.claims import Claim
from tests.factories import NOW

CORRUPTED = "charge = 1, insurance_due = 2, patient_due = 3"


@pytest.fixture
def practice_id(engine: Engine) -> int:
    """A practice with claims of every kind."""
    return make_sample(engine, practice_name="Sample", claims=400, seed=5, now=NOW)


def cached_balances(sessions: Sessions) -> tuple[list[object], list[object]]:
    with sessions() as session:
        lines = f"SELECT claim_id, number, {', '.join(LINE_CACHED_COLUMNS)} FROM line_item ORDER BY 1, 2"
        claims = f"SELECT id, {', '.join(CLAIM_CACHED_COLUMNS)} FROM claim ORDER BY 1"
        return list(session.execute(text(lines))), list(session.execute(text(claims)))


def test_corrupted_cached_balances_are_restored_from_the_ledger(sessions: Sessions, practice_id: int) -> None:
    before = cached_balances(sessions)
    with transaction(sessions) as session:
        session.execute(text(f"UPDATE line_item SET {CORRUPTED}"))
        session.execute(
            text("UPDATE claim SET billed = 7, primary_paid = 7, has_credit_line = true, last_payment_on = null")
        )

    with transaction(sessions) as session:
        recompute(session, practice_id, None)

    assert cached_balances(sessions) == before


def test_only_the_given_claims_are_recomputed(sessions: Sessions, practice_id: int) -> None:
    with transaction(sessions) as session:
        session.execute(text("UPDATE claim SET billed = -1"))
        first = session.scalars(select(Claim.id).order_by(Claim.id).limit(1)).one()

    with transaction(sessions) as session:
        recompute(session, practice_id, select(Claim.id).where(Claim.practice_id == practice_id, Claim.id == first))

    with sessions() as session:
        assert session.scalars(select(Claim.id).where(Claim.billed >= 0)).all() == [first]


def test_correct_rows_are_not_rewritten(sessions: Sessions, practice_id: int) -> None:
    row_locations = "SELECT array_agg(ctid::text ORDER BY id) FROM claim"
    with sessions() as session:
        before = session.scalar(text(row_locations))

    with transaction(sessions) as session:
        recompute(session, practice_id, None)

    with sessions() as session:
        assert session.scalar(text(row_locations)) == before


@pytest.mark.parametrize("kind", ["charge", "payment", "adjustment"])
def test_a_reversal_undoes_its_original_in_the_cached_totals(sessions: Sessions, practice_id: int, kind: str) -> None:
    one = "SELECT claim_id, line, id, responsibility, amount_cents FROM posting WHERE kind = :kind ORDER BY id LIMIT 1"
    with transaction(sessions) as session:
        claim_id, line, original, responsibility, cents = session.execute(text(one), {"kind": kind}).one()
        before = session.get_one(Claim, (practice_id, claim_id))
        counted = before.billed - before.adjustment - before.primary_paid - before.secondary_paid - before.patient_paid
        session.execute(
            text(
                "INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, reverses_id, "
                "posted_on, created_at) VALUES (:p, :c, :l, :r, 'reversal', :a, :o, current_date, now())"
            ),
            {"p": practice_id, "c": claim_id, "l": line, "r": responsibility, "a": -cents, "o": original},
        )
        recompute(session, practice_id, select(Claim.id).where(Claim.practice_id == practice_id))

    with sessions() as session:
        after = session.get_one(Claim, (practice_id, claim_id))
        assert (
            after.billed - after.adjustment - after.primary_paid - after.secondary_paid - after.patient_paid
            == counted - cents
        )
        assert after.insurance_due + after.patient_due == before.insurance_due + before.patient_due - cents
