"""The statements that fill the stages of an import from the rows of an office's own file."""

from typing import Final

LINE_NUMBERS: Final = """
    UPDATE stage_mapped_row r SET number = n.number
    FROM (SELECT at, row_number() OVER (PARTITION BY claim ORDER BY at) AS number FROM stage_mapped_row) n
    WHERE n.at = r.at AND r.number IS NULL
"""
OFFICES: Final = """
    INSERT INTO stage_office (at, external_id, name)
    SELECT min(at), office, office FROM stage_mapped_row WHERE office IS NOT NULL GROUP BY office
"""
PROVIDERS: Final = """
    INSERT INTO stage_provider (at, external_id, name)
    SELECT min(at), name, name
    FROM (SELECT at, provider AS name FROM stage_mapped_row
          UNION ALL SELECT at, supervising_provider FROM stage_mapped_row) p
    WHERE name IS NOT NULL GROUP BY name
"""
PAYERS: Final = """
    INSERT INTO stage_payer (at, external_id, name, payer_class)
    SELECT min(at), id, name, class
    FROM (SELECT at, primary_payer AS id, primary_name AS name, primary_class AS class FROM stage_mapped_row
          UNION ALL SELECT at, secondary_payer, secondary_name, secondary_class FROM stage_mapped_row) p
    WHERE id IS NOT NULL AND name IS NOT NULL GROUP BY id, name, class
"""
PATIENTS: Final = """
    INSERT INTO stage_patient (at, external_id, name, birth_date)
    SELECT min(at), patient, patient_name, birth_date FROM stage_mapped_row
    WHERE patient IS NOT NULL AND patient_name IS NOT NULL GROUP BY patient, patient_name, birth_date
"""
LINES: Final = """
    INSERT INTO stage_line (at, claim, number, procedure_code)
    SELECT at, claim, number, procedure_code FROM stage_mapped_row
"""
POSTINGS: Final = """
    INSERT INTO stage_posting (at, source_id, claim, line, responsibility, kind, amount_cents, paid_by, posted_on)
    SELECT r.at, p.name || ':' || r.claim || ':' || r.number, r.claim, r.number, p.responsibility, p.kind, p.cents,
           p.paid_by, p.posted_on
    FROM stage_mapped_row r CROSS JOIN LATERAL (VALUES
        ('insurance_charge', 'insurance', 'charge', r.insurance_charge, NULL, r.service_date),
        ('patient_charge', 'patient', 'charge', r.patient_charge, NULL, r.service_date),
        ('primary_paid', r.base, 'payment', r.primary_paid, 'primary', coalesce(r.posted_on, r.service_date)),
        ('secondary_paid', r.base, 'payment', r.secondary_paid, 'secondary', coalesce(r.posted_on, r.service_date)),
        ('patient_paid', 'patient', 'payment', r.patient_paid, 'patient', coalesce(r.posted_on, r.service_date)),
        ('adjusted', r.base, 'adjustment', r.adjusted, NULL, coalesce(r.posted_on, r.service_date)),
        ('difference', r.base, 'adjustment', r.difference, NULL, coalesce(r.posted_on, r.service_date)),
        ('from_insurance', 'insurance', 'transfer', -r.to_patient, NULL, coalesce(r.posted_on, r.service_date)),
        ('to_patient', 'patient', 'transfer', r.to_patient, NULL, coalesce(r.posted_on, r.service_date))
    ) AS p (name, responsibility, kind, cents, paid_by, posted_on)
    WHERE p.cents <> 0
"""
# In a file with a row for each line, a claim's values come from its first row. But its date of service is the earliest
# of any line, and its denial is the newest of any line.
CLAIMS: Final = """
    INSERT INTO stage_claim (at, external_id, patient, office, billing_provider, supervising_provider, claim_type,
        service_date, billing_status, primary_payer, primary_status, secondary_payer, secondary_status, hold, allowed,
        expected, first_edi_on, last_edi_on, statements_sent, last_statement_on, denied_on, denial_group, denial_carc)
    SELECT r.at, r.claim, r.patient, r.office, r.provider, r.supervising_provider, r.claim_type,
        CASE WHEN :by_line THEN min(r.service_date) OVER (PARTITION BY r.claim) ELSE r.service_date END,
        CASE WHEN r.billing_status IS NOT NULL THEN r.billing_status WHEN sums.low < 0 THEN 'Internal Review'
             WHEN sums.insurance > 0 THEN 'Bill Insurance' WHEN sums.patient > 0 THEN 'Balance Due'
             ELSE 'Paid In Full' END,
        r.primary_payer, r.primary_status, r.secondary_payer, r.secondary_status, r.hold,
        CASE WHEN :by_line THEN sum(r.allowed) OVER (PARTITION BY r.claim) ELSE r.allowed END,
        CASE WHEN :by_line THEN sum(r.expected) OVER (PARTITION BY r.claim) ELSE r.expected END,
        r.first_edi_on, r.last_edi_on, max(r.statements_sent) OVER of_claim, max(r.last_statement_on) OVER of_claim,
        first_value(r.denied_on) OVER newest_denial, first_value(r.denial_group) OVER newest_denial,
        first_value(r.denial_carc) OVER newest_denial
    FROM (SELECT *, row_number() OVER (PARTITION BY claim ORDER BY at) AS nth FROM stage_mapped_row) r
    LEFT JOIN (
        SELECT claim, sum(due) FILTER (WHERE responsibility = 'insurance') AS insurance,
               sum(due) FILTER (WHERE responsibility = 'patient') AS patient, min(due) AS low
        FROM (SELECT claim, responsibility, sum(amount_cents) AS due FROM stage_posting GROUP BY 1, 2) d GROUP BY claim
    ) sums USING (claim)
    WINDOW of_claim AS (PARTITION BY r.claim),
           newest_denial AS (PARTITION BY r.claim ORDER BY r.denied_on DESC NULLS LAST, r.at)
"""
OTHER_ROWS_OF_CLAIM: Final = """
    DELETE FROM stage_claim c USING (
        SELECT at, row_number() OVER (PARTITION BY external_id ORDER BY at) AS nth FROM stage_claim
    ) n WHERE n.at = c.at AND n.nth > 1 AND c.external_id IS NOT NULL
"""
STAGES: Final = f"{LINE_NUMBERS}; {OFFICES}; {PROVIDERS}; {PAYERS}; {PATIENTS}; {LINES}; {POSTINGS}"
