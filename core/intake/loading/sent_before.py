"""Claims that an 837 charged before another kind of file names them: nothing is charged twice, and no money is posted.

The office's own file may change what it alone knows, such as a hold, statements or a denial. Its amounts are only
compared: a balance that differs is listed with its place. The payer's remittances explain it, or a user posts it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.balance_reasons import CHARGED_BY_837, NOT_THIS_CLAIM, WRITTEN_OFF
from core.intake.loading.checks import Origins
from core.intake.loading.claim_numbers import JOINS
from core.intake.loading.insert import sum_lines
from core.intake.loading.totals import ControlTotals, FirstClaim, control_totals, first_claims
from core.intake.parsing.faults import Fault, FaultKind, Faults, Mistake
from core.money import format_cents

_SENT: Final = "EXISTS (SELECT FROM sent_claim WHERE practice_id = :practice_id)"
_CHARGED_BY: Final = """
    EXISTS (SELECT FROM posting p WHERE p.practice_id = c.practice_id AND p.claim_id = c.id AND p.kind = 'charge'
            AND p.source {})
"""
_LETTERS: Final = "regexp_replace(lower({}), '[^a-z]', '', 'g')"
_SAME_PERSON: Final = (
    f"(k.external_id = s.patient OR k.birth_date = p.birth_date OR {_LETTERS.format('k.name')} = "
    f"{_LETTERS.format('p.name')})"
)
# The charge as corrected: an import corrects a charge with an adjustment that names it.
_FOUND: Final = f"""
    CREATE TEMP TABLE stage_sent_before ON COMMIT DROP AS
    SELECT b.*, CASE WHEN NOT same_person THEN 'patient' WHEN file_day <> day THEN 'day'
                     WHEN :has_charges AND file_charge <> charge THEN 'charge'
                     WHEN (file_insurance, file_patient) IS DISTINCT FROM (insurance_due, patient_due)
                      AND (file_insurance, file_patient) IS DISTINCT FROM
                          (insurance_due + insurance_off, patient_due + patient_off) THEN 'balance' END AS problem
    FROM (SELECT s.at, s.external_id AS claim, c.id AS claim_id, s.service_date AS file_day, c.service_date AS day,
                 coalesce({_SAME_PERSON}, false) AS same_person, c.insurance_due, c.patient_due,
                 h.charge::bigint AS charge, h.insurance_off::bigint AS insurance_off,
                 h.patient_off::bigint AS patient_off, coalesce(f.charge, 0)::bigint AS file_charge,
                 coalesce(f.insurance, 0)::bigint AS file_insurance, coalesce(f.patient, 0)::bigint AS file_patient,
                 s.patient AS file_person, s.office, s.billing_provider, s.supervising_provider, s.primary_payer,
                 s.secondary_payer
          FROM stage_claim s
          JOIN claim c ON c.practice_id = :practice_id AND c.external_id = s.external_id
          JOIN patient k ON k.practice_id = c.practice_id AND k.id = c.patient_id
          LEFT JOIN stage_patient p ON p.external_id = s.patient
          LEFT JOIN (SELECT claim, sum(charge) AS charge, sum(insurance_due) AS insurance, sum(patient_due) AS patient
                     FROM (SELECT claim_id AS claim, charge, insurance_due, patient_due FROM stage_line_sum) l
                     GROUP BY claim) f ON f.claim = s.external_id
          CROSS JOIN LATERAL (
              SELECT coalesce(sum(p.amount_cents) FILTER (WHERE p.kind = 'charge' OR r.kind = 'charge'), 0) AS charge,
                     coalesce(sum(-p.amount_cents) FILTER (WHERE p.responsibility = 'insurance'
                              AND 'write_off' IN (p.kind, o.kind)), 0) AS insurance_off,
                     coalesce(sum(-p.amount_cents) FILTER (WHERE p.responsibility = 'patient'
                              AND 'write_off' IN (p.kind, o.kind)), 0) AS patient_off
              FROM posting p
              LEFT JOIN posting o ON o.practice_id = p.practice_id AND o.claim_id = p.claim_id AND o.id = p.reverses_id
              LEFT JOIN posting r ON r.practice_id = p.practice_id AND r.claim_id = p.claim_id AND r.kind = 'charge'
                                 AND p.kind = 'adjustment' AND p.source_id LIKE '%-correction-%'
                                 AND r.source_id = split_part(p.source_id, '-correction-', 1)
              WHERE p.practice_id = c.practice_id AND p.claim_id = c.id) h
          WHERE {_CHARGED_BY.format("= 'x12'")} AND NOT {_CHARGED_BY.format("= :source")}) b
"""  # noqa: S608  constants
_BALANCES: Final = f"""
    INSERT INTO stage_file_balance (claim_id, cents, reason)
    SELECT claim_id, file_insurance + file_patient,
           CASE WHEN problem IS NULL THEN '{WRITTEN_OFF}' WHEN problem = 'balance' THEN '{CHARGED_BY_837}'
                ELSE '{NOT_THIS_CLAIM}' END
    FROM stage_sent_before
"""  # noqa: S608  constants
# What the practice has from the 837 is kept: who the patient is, where and when the service was, and the payers. A
# billing status that the file does not state follows from its balances, which are not imported.
_KEEP: Final = f"""
    UPDATE stage_claim s
    SET patient = k.external_id, office = o.external_id, billing_provider = b.external_id,
        supervising_provider = coalesce(u.external_id, s.supervising_provider), claim_type = c.claim_type::text,
        service_date = c.service_date, service_time = c.service_time,
        primary_payer = coalesce(f.external_id, s.primary_payer),
        secondary_payer = coalesce(g.external_id, s.secondary_payer),
        primary_status = CASE s.primary_status WHEN 'none' THEN c.primary_status::text ELSE s.primary_status END,
        secondary_status = CASE s.secondary_status WHEN 'none' THEN c.secondary_status::text
                                ELSE s.secondary_status END,
        billing_status = CASE WHEN s.external_id IN (SELECT claim FROM stage_mapped_row WHERE billing_status IS NULL)
                              THEN c.billing_status ELSE s.billing_status END,
        hold = CASE WHEN EXISTS (SELECT FROM stage_claim WHERE hold IS NOT NULL) THEN s.hold ELSE c.hold::text END,
        allowed = coalesce(s.allowed, c.allowed), expected = coalesce(s.expected, c.expected),
        first_edi_on = coalesce(s.first_edi_on, c.first_edi_on), last_edi_on = coalesce(s.last_edi_on, c.last_edi_on),
        statements_sent = coalesce(s.statements_sent, c.statements_sent),
        last_statement_on = coalesce(s.last_statement_on, c.last_statement_on),
        denied_on = coalesce(s.denied_on, c.denied_on), denial_group = coalesce(s.denial_group, c.denial_group::text),
        denial_carc = coalesce(s.denial_carc, c.denial_carc)
    FROM stage_sent_before e
    JOIN claim c ON c.practice_id = :practice_id AND c.id = e.claim_id{JOINS}
    WHERE e.claim = s.external_id
"""  # noqa: S608  constants
_DROP: Final = (
    """
    DELETE FROM stage_claim WHERE external_id IN
        (SELECT claim FROM stage_sent_before WHERE problem IN ('patient', 'day', 'charge'))
    """,
    # A payment that `settle import postings` brought in has its ID, and is known.
    """
    DELETE FROM stage_posting s USING stage_sent_before e
    WHERE e.claim = s.claim AND NOT EXISTS (SELECT FROM posting p WHERE p.practice_id = :practice_id
                                            AND p.claim_id = e.claim_id AND p.source = :source
                                            AND p.source_id = s.source_id)
    """,
    "DELETE FROM stage_line WHERE claim IN (SELECT claim FROM stage_sent_before)",
    *(
        f"""
        DELETE FROM {stage}
        WHERE external_id IN ({" UNION ".join(f"SELECT {name} FROM stage_sent_before" for name in before)})
          AND external_id NOT IN ({
            " UNION ".join(f"SELECT {name} FROM stage_claim WHERE {name} IS NOT NULL" for name in now)
        })
        """  # noqa: S608  constants
        for stage, before, now in (
            ("stage_patient", ["file_person"], ["patient"]),
            ("stage_office", ["office"], ["office"]),
            ("stage_provider", *[["billing_provider", "supervising_provider"]] * 2),
            ("stage_payer", *[["primary_payer", "secondary_payer"]] * 2),
        )
    ),
)
_PROBLEMS: Final = "SELECT * FROM stage_sent_before WHERE problem IS NOT NULL ORDER BY at"
_CURES: Final = {
    "patient": "837 files have another patient for this claim ID, so nothing of it is imported. Give the new claim its "
    "own ID, or correct the patient's name or date of birth",
    "day": "837 files have another date of service for this claim ID, so nothing of it is imported. Give a new visit "
    "its own ID, or correct the date",
    "charge": "837 files charged another amount, so nothing of the claim is imported. Correct the charge, or send a "
    "replacement of the claim (837)",
    "balance": "837 files charged this claim, so this file posts no money on it, and the balances differ. Import the "
    "payer's remittances (835), or post the difference on the claim's page",
}


@dataclass(frozen=True)
class SentBefore:
    """What a file has of claims that an 837 charged before."""

    claims: int = 0
    in_file: ControlTotals | None = None  # of the whole file; None if it has no such claim
    first_claims: list[FirstClaim] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)

    def warnings(self) -> list[str]:
        """Return what differs, in sentences with the count and the first places."""
        return [f"{mistake}." for mistake in self.mistakes]


def set_aside(
    session: Session,
    practice_id: int,
    source: str,
    origins: Origins,
    *,
    has_charges: bool,
    each: Callable[[Fault], None] | None,
) -> SentBefore:
    """Remove the money of claims that an 837 charged from the stages. Keep the file's totals, and what differs.

    Call it before the staged postings are compared with the practice's. `each` is called for each place that differs.
    """
    bound = {"practice_id": practice_id, "source": source}
    if source == "x12" or not session.scalar(text(f"SELECT {_SENT}"), bound):
        return SentBefore()
    sum_lines(session)
    session.execute(text(_FOUND), {**bound, "has_charges": has_charges})
    stages.analyze(session, "stage_sent_before")
    claims = session.scalar(text("SELECT count(*) FROM stage_sent_before"))
    if not claims:
        return SentBefore()
    in_file, first = control_totals(session), first_claims(session, practice_id)
    problems = Faults(each)
    for row in session.execute(text(_PROBLEMS)):
        note = _note(row)
        cure, origin = _CURES[row.problem], origins[stages.CLAIM]
        problems.add(origin.fault(row, "external_id", row.claim, cure, kind=FaultKind.PRACTICE, note=note))
    for statement in (_BALANCES, _KEEP, *_DROP):
        session.execute(text(statement), {name: bound[name] for name in bound if f":{name}" in statement})
    stages.analyze(session, stages.CLAIM.name, stages.LINE.name, stages.POSTING.name)
    return SentBefore(claims, in_file, first, problems.mistakes)


def _note(row: Any) -> str | None:
    """Return both values. A patient is not named."""
    if row.problem == "patient":
        return None
    if row.problem == "day":
        return f"{row.day:%m/%d/%Y} here, {row.file_day:%m/%d/%Y} in the file"
    if row.problem == "charge":
        return f"{format_cents(row.charge)} here, {format_cents(row.file_charge)} in the file"
    here, file = (
        f"insurance {format_cents(insurance)}, patient {format_cents(patient)}"
        for insurance, patient in ((row.insurance_due, row.patient_due), (row.file_insurance, row.file_patient))
    )
    return f"{here} here; {file} in the file"
