"""The sample: identical for one seed, believable, and with a claim for every rule."""

import datetime as dt

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from core.books.invariants import violations
from core.db.engine import Sessions
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.intake.sample import make_sample as make_sample_module, sample_copies
from core.intake.sample.make_sample import make_sample
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.practices import Patient, Practice
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
           count(*) FILTER (WHERE last_payment_on > :today - 10) AS paid_recently,
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


LATE = """
    SELECT count(*) FROM claim WHERE greatest(last_payment_on, last_edi_on, last_statement_on, denied_on) > :today
"""
COPIES = """
    SELECT count(DISTINCT external_id), count(DISTINCT patient_id), bool_and(service_date >= before - 70)
    FROM (SELECT *, max(service_date) OVER (ORDER BY id) AS before FROM claim) in_order
"""
# All that a sample has, but for its ids.
DIGEST = """
    SELECT md5(string_agg(concat_ws('|', c.external_id, p.external_id, o.external_id, b.external_id, s.external_id,
                                    c.service_date, c.billing_status, c.insurance_due, c.patient_due, c.hold,
                                    c.last_payment_on, l.postings), ';' ORDER BY c.id))
    FROM claim c
    JOIN patient p ON p.practice_id = c.practice_id AND p.id = c.patient_id
    JOIN office o ON o.practice_id = c.practice_id AND o.id = c.office_id
    JOIN provider b ON b.practice_id = c.practice_id AND b.id = c.billing_provider_id
    LEFT JOIN provider s ON s.practice_id = c.practice_id AND s.id = c.supervising_provider_id,
    LATERAL (SELECT string_agg(concat_ws(',', line, kind, amount_cents, posted_on), '/' ORDER BY id) AS postings
             FROM posting WHERE practice_id = c.practice_id AND claim_id = c.id) l
    WHERE c.practice_id = :practice
"""


@pytest.fixture
def sample(engine: Engine) -> int:
    """A practice of a few thousand claims."""
    return make_sample(engine, practice_name="Sample", claims=CLAIMS, seed=7, now=NOW)


def assert_realistic(session: Session, *, claims: int) -> None:
    counts = session.execute(text(SHARES), {"today": TODAY}).one()._mapping
    expected = {
        "in_process": 12, "credit": 4, "on_hold": 3, "secondary": 8, "small": 35, "paid_recently": 3,
        "several_lines": 25,
    }  # fmt: skip
    percent = {name: 100 * counts[name] / claims for name in expected}
    assert percent == {name: pytest.approx(share, rel=0.25, abs=0.5) for name, share in expected.items()}


def missing_edges(session: Session) -> list[str]:
    return [
        edge
        for edge, condition in EDGES.items()
        if not session.scalar(text(f"SELECT EXISTS (SELECT FROM claim WHERE {condition})"), {"today": TODAY})
    ]


def test_the_shares_of_each_kind_of_claim_are_realistic(sample: int, sessions: Sessions) -> None:
    with sessions() as session:
        assert_realistic(session, claims=CLAIMS)


def test_each_rule_and_edge_has_a_claim(sample: int, sessions: Sessions) -> None:
    with sessions() as session:
        assert missing_edges(session) == []


def test_the_sample_breaks_no_invariant(sample: int, sessions: Sessions) -> None:
    with sessions() as session:
        assert violations(session) == []


def test_nothing_was_paid_or_sent_in_the_future(sample: int, sessions: Sessions) -> None:
    with sessions() as session:
        assert session.scalar(text(LATE), {"today": TODAY}) == 0


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


def test_a_large_sample_copies_drawn_claims_with_the_same_shares_and_edges(
    engine: Engine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_sample_module, "DRAWN_CLAIMS_MAX", 3_000)
    monkeypatch.setattr(sample_copies, "BATCH_COPIES", 2_500)
    done: list[int] = []

    make_sample(
        engine, practice_name="Large", claims=6_000, seed=7, now=NOW, progress=lambda _, so_far, __: done.append(so_far)
    )

    assert done == [2_500, 5_000, 6_000]
    with sessions() as session:
        assert_realistic(session, claims=6_000)
        assert missing_edges(session) == []
        assert violations(session) == []
        assert session.scalar(text(LATE), {"today": TODAY}) == 0
        numbers, patients, in_order = session.execute(text(COPIES)).one()
    assert (numbers, in_order) == (6_000, True)
    assert patients > 1_000  # of 1,200


def test_copies_are_the_same_for_the_same_seed(
    engine: Engine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_sample_module, "DRAWN_CLAIMS_MAX", 20)
    first, same, other = [
        make_sample(engine, practice_name=name, claims=65, seed=seed, now=NOW)
        for name, seed in (("A", 1), ("B", 1), ("C", 2))
    ]

    with sessions() as session:
        digests = [session.scalar(text(DIGEST), {"practice": practice}) for practice in (first, same, other)]

    assert digests[0] == digests[1] != digests[2]


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
