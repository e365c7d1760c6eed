"""The sample: identical for one seed, believable, and with a claim for every rule."""

import datetime as dt

import pytest
from sqlalchemy import Engine, select, text

from core.books.invariants import violations
from core.db.engine import Sessions
from core.intake.sample.make_sample import make_sample
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.people import Role
from core.models.practices import Patient, Practice, WriteOffSetting
from core.practices.create import PracticeExists
from tests.factories import NOW, TODAY, GivenPractice, add_user

CLAIMS = 4_000

SHARES = """
    SELECT count(*) FILTER (WHERE primary_status IN ('In Process at Clearinghouse', 'In Process at Payer',
                                                     'Payer Acknowledged') AND insurance_due > 0) AS in_process,
           count(*) FILTER (WHERE has_credit_line) AS credit,
           count(*) FILTER (WHERE hold IS NOT NULL) AS on_hold,
           count(*) FILTER (WHERE secondary_payer_id IS NOT NULL) AS secondary,
           count(*) FILTER (WHERE insurance_due + patient_due BETWEEN 1 AND 2499) AS small,
           count(*) FILTER (WHERE (SELECT count(*) FROM line_item l WHERE l.practice_id = c.practice_id
                                                                      AND l.claim_id = c.id) > 1) AS several_lines
    FROM claim c
"""
# For each rule or edge case, a claim that shows it.
EDGES = {
    "already_settled": "billing_status = 'Settled' AND insurance_due = 0 AND patient_due = 0",
    "paid in full": "billing_status = 'Paid In Full' AND insurance_due = 0 AND patient_due = 0",
    "hold": "hold = 'hold'",
    "legal hold": "hold = 'legal_hold'",
    "appeal": "hold = 'appeal_open'",
    "payment plan": "hold = 'payment_plan'",
    "excluded": "hold = 'excluded'",
    "future_service": "service_date > :today",
    "credit_insurance": "insurance_due < 0",
    "credit_patient": "patient_due < 0",
    "credit_line": "has_credit_line AND insurance_due >= 0 AND patient_due >= 0",
    "a credit under a positive sum": "(insurance_due < 0 OR patient_due < 0) AND insurance_due + patient_due > 0",
    "secondary_pending": "insurance_due > 0 AND secondary_payer_id IS NOT NULL AND secondary_status = 'none'",
    "a secondary that paid": "secondary_paid > 0",
    "recent_payment": "last_payment_on > :today - 10",
    "medicare_cost_share": """patient_due > 0 AND primary_payer_id IN (
        SELECT id FROM payer WHERE payer_class IN ('medicare', 'medicaid', 'dual'))""",
    "nothing_due": "billing_status <> 'Settled' AND insurance_due = 0 AND patient_due = 0",
    "both due": "insurance_due > 0 AND patient_due > 0",
    "one cent": "insurance_due + patient_due = 1",
    "no lines": "NOT EXISTS (SELECT FROM line_item WHERE claim_id = claim.id)",
    "a line with nothing due": """insurance_due + patient_due > 0 AND EXISTS (
        SELECT FROM line_item l WHERE l.claim_id = claim.id AND l.insurance_due = 0 AND l.patient_due = 0)""",
    "no payer": "primary_payer_id IS NULL",
    "EDI dates": "first_edi_on >= service_date AND last_edi_on >= first_edi_on AND allowed > 0 AND expected > 0",
    **{f"status {status}": f"billing_status = '{status}'" for status in (
        "Not Submitted", "Bill Insurance", "Bill Secondary Insurance", "Balance Due", "Internal Review",
        "Auto Accident Claim", "Worker''s Comp Claim", "Durable Medical Equipment Claim",
    )},
    **{f"claim status {status}": f"primary_status = '{status}'" for status in (
        "none", "In Process at Clearinghouse", "In Process at Payer", "Payer Acknowledged",
        "Coordination of Benefits", "Rejected", "ERA Received", "ERA Denied",
    )},
}  # fmt: skip


@pytest.fixture
def sample(engine: Engine) -> int:
    """A practice of a few thousand claims."""
    return make_sample(engine, practice_name="Sample", claims=CLAIMS, seed=7, now=NOW)


def test_the_shares_of_each_kind_of_claim_are_realistic(sample: int, sessions: Sessions) -> None:
    with sessions() as session:
        counts = session.execute(text(SHARES)).one()._mapping

    expected = {"in_process": 12, "credit": 4, "on_hold": 3, "secondary": 8, "small": 35, "several_lines": 25}
    percent = {name: 100 * counts[name] / CLAIMS for name in expected}
    assert percent == {name: pytest.approx(share, rel=0.25, abs=0.5) for name, share in expected.items()}


def test_each_rule_and_edge_has_a_claim(sample: int, sessions: Sessions) -> None:
    with sessions() as session:
        missing = [
            edge
            for edge, condition in EDGES.items()
            if not session.scalar(text(f"SELECT EXISTS (SELECT FROM claim WHERE {condition})"), {"today": TODAY})
        ]

    assert missing == []


def test_the_sample_breaks_no_invariant(sample: int, sessions: Sessions) -> None:
    with sessions() as session:
        assert violations(session) == []


def test_nothing_was_paid_or_sent_in_the_future(sample: int, sessions: Sessions) -> None:
    late = "SELECT count(*) FROM claim WHERE last_payment_on > :today OR last_edi_on > :today"
    with sessions() as session:
        assert session.scalar(text(late), {"today": TODAY}) == 0


def test_payments_lower_balances_and_no_line_owes_more_than_its_charge(sample: int, sessions: Sessions) -> None:
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM posting WHERE kind = 'payment' AND amount_cents > 0")) == 0
        assert session.scalar(text("SELECT count(*) FROM line_item WHERE insurance_due + patient_due > charge")) == 0


def test_the_same_seed_makes_the_same_practice_and_another_seed_another(engine: Engine, sessions: Sessions) -> None:
    samples = [
        make_sample(engine, practice_name=name, claims=300, seed=seed, now=NOW)
        for name, seed in (("A", 1), ("B", 1), ("C", 2))
    ]

    def claims_of(practice_id: int) -> list[tuple[object, ...]]:
        columns = (Claim.external_id, Claim.service_date, Claim.insurance_due, Claim.patient_due, Claim.billing_status)
        with sessions() as session:
            rows = session.execute(
                select(*columns, Patient.name)
                .join(Patient, (Patient.practice_id == Claim.practice_id) & (Patient.id == Claim.patient_id))
                .where(Claim.practice_id == practice_id)
                .order_by(Claim.id)
            )
            return [tuple(row) for row in rows]

    first, same, other = map(claims_of, samples)
    assert first == same
    assert first != other
    assert len(first) == 300


def test_the_samples_setting_writes_off_both_balances_and_it_requires_no_second_factor(
    sample: int, sessions: Sessions
) -> None:
    with sessions() as session:
        assert session.scalars(select(Practice.write_off)).one() == WriteOffSetting.BOTH
        assert session.scalars(select(Practice.write_off_chosen)).one()
        assert not session.scalars(select(Practice.second_factor_required)).one()


def test_a_sample_is_never_added_to_an_existing_practice(sample: int, engine: Engine) -> None:
    with pytest.raises(PracticeExists):
        make_sample(engine, practice_name="Sample", claims=10, seed=1, now=NOW)


@pytest.mark.parametrize("claims", [1, 2, 13])
def test_a_tiny_sample_works_and_reports_its_progress(engine: Engine, claims: int) -> None:
    reported: list[tuple[str, int, int]] = []

    make_sample(
        engine,
        practice_name="Tiny",
        claims=claims,
        seed=3,
        now=dt.datetime.now(dt.UTC),
        progress=lambda *a: reported.append(a),
    )

    assert reported == [("claims", claims, claims)]


def test_a_preview_of_the_sample_meets_every_rule_about_claims(sample: int, sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.get_one(Practice, sample).recent_payment_days = 10
        biller = add_user(session, sample, "biller@sample.example", Role.ADMIN)
    given = GivenPractice(sessions, sample, biller)

    job = given.preview(reason="administrative")

    with sessions() as session:
        codes = set(session.scalars(select(JobItem.verdict_code).where(*job.of(JobItem)).distinct()))
    assert codes >= {
        None,
        "already_settled",
        "on_hold",
        "future_service",
        "credit_insurance",
        "credit_patient",
        "credit_line",
        "in_process",
        "secondary_pending",
        "recent_payment",
        "medicare_cost_share",
        "nothing_due",
    }
