"""Claims for benchmarks: any number, with two lines each, inserted by the database in bulk and always the same."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from core.access.permissions import Actor
from core.db.engine import make_engine, make_sessions
from tests.factories import a_practice

# One percent are on hold, so that every contestant has something to skip. Line 1 has a patient balance and, on 60% of
# the claims, an insurance balance. Line 2 has an insurance balance. This makes 2.6 write-offs per claim, after six
# earlier postings.
_AMOUNTS: Final = """
CREATE TEMPORARY TABLE amounts ON COMMIT DROP AS
SELECT first_id + n AS id, n,
       10000 + n * 7919 % 20000 AS charge_1, 5000 + n * 104729 % 9000 AS charge_2,
       CASE WHEN n % 10 < 6 THEN 100 + n * 17 % 2000 ELSE 0 END AS insurance_1, 50 + n * 13 % 900 AS insurance_2,
       100 + n * 31 % 2400 AS patient_1
  FROM generate_series(1, %(claims)s::bigint) n,
       (SELECT coalesce(max(id), 0) AS first_id FROM claim) AS before
"""

_CLAIMS: Final = """
INSERT INTO claim (practice_id, id, external_id, version, patient_id, office_id, billing_provider_id,
                   supervising_provider_id, claim_type, service_date, service_time, billing_status, primary_payer_id,
                   primary_status, secondary_status, hold, balance_mismatch, billed, allowed, adjustment, primary_paid,
                   secondary_paid, patient_paid, insurance_due, patient_due, expected, has_credit_line,
                   last_payment_on, first_edi_on, last_edi_on)
OVERRIDING SYSTEM VALUE
SELECT %(practice)s, id, (184000000 + n * 7)::text, 1, patients.ids[1 + n * 7 %% cardinality(patients.ids)],
       offices.ids[1 + n %% cardinality(offices.ids)], providers.ids[1 + n * 3 %% cardinality(providers.ids)],
       NULL, 'Professional', %(today)s::date - (550 - n * 500 / %(claims)s)::int, time '08:00', 'Balance Due',
       payers.ids[1 + n * 11 %% cardinality(payers.ids)], 'ERA Received', 'none',
       CASE WHEN n %% 100 = 0 THEN 'appeal_open' END, false, charge_1 + charge_2, charge_1 + charge_2, 0,
       charge_1 - insurance_1 - patient_1 + charge_2 - insurance_2, 0, 0,
       insurance_1 + insurance_2, patient_1, charge_1, false,
       %(today)s::date - 20, %(today)s::date - 40, %(today)s::date - 40
  FROM amounts,
       (SELECT array_agg(id ORDER BY id) AS ids FROM patient WHERE practice_id = %(practice)s) patients,
       (SELECT array_agg(id ORDER BY id) AS ids FROM office WHERE practice_id = %(practice)s) offices,
       (SELECT array_agg(id ORDER BY id) AS ids FROM provider WHERE practice_id = %(practice)s) providers,
       (SELECT array_agg(id ORDER BY id) AS ids FROM payer WHERE practice_id = %(practice)s) payers
 ORDER BY id
"""

_LINES: Final = """
INSERT INTO line_item (practice_id, claim_id, number, procedure_code, charge, insurance_due, patient_due)
SELECT %(practice)s, id, number, code, charge, insurance, patient
  FROM amounts,
       LATERAL (VALUES (1, '99213', charge_1, insurance_1, patient_1), (2, '87880', charge_2, insurance_2, 0))
               AS line (number, code, charge, insurance, patient)
 ORDER BY id, number
"""

_POSTINGS: Final = """
INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, paid_by, posted_on, created_at)
SELECT %(practice)s, id, line, responsibility, kind, cents, paid_by, %(today)s::date - 20, now()
  FROM amounts,
       LATERAL (VALUES (1, 'insurance', 'charge', charge_1, NULL),
                       (1, 'insurance', 'payment', insurance_1 + patient_1 - charge_1, 'primary'),
                       (1, 'insurance', 'transfer', -patient_1, NULL),
                       (1, 'patient', 'transfer', patient_1, NULL),
                       (2, 'insurance', 'charge', charge_2, NULL),
                       (2, 'insurance', 'payment', insurance_2 - charge_2, 'primary'))
               AS entry (line, responsibility, kind, cents, paid_by)
 ORDER BY id, line
"""

_PATIENTS: Final = """
INSERT INTO patient (practice_id, external_id, name)
SELECT %(practice)s, 'P' || n, 'Patient ' || md5(n::text) FROM generate_series(1, %(claims)s::bigint / 5) n
"""

_PLACES: Final = """
INSERT INTO {table} (practice_id, external_id, name{more})
SELECT %(practice)s, {table_name} || n, {table_name} || ' ' || n{value} FROM generate_series(1, {count}) n
"""

_NEXT_ID: Final = "SELECT setval(pg_get_serial_sequence('claim', 'id'), (SELECT max(id) FROM claim))"


@dataclass(frozen=True)
class Practice:
    """A practice with claims, and the user who acts in it."""

    id: int
    biller: Actor


# The digests of a transaction's postings hang on an act of that transaction.
_ACT: Final = """
INSERT INTO audit_entry (practice_id, at, act, subject, facts)
VALUES (%(practice)s, now(), 'digests.started', 'practice:' || %(practice)s, '{}')
"""


def make_practice(url: str, *, name: str, claims: int, now: dt.datetime, verifiable: bool = False) -> Practice:
    """Create a practice with `claims` claims. `url` must be that of a superuser, to skip the checks of keys.

    For `settle verify` to hold, let the triggers run, which takes several times as long.
    """
    engine = make_engine(url)
    given = a_practice(make_sessions(engine), name=name)
    engine.dispose()
    values = {"practice": given.id, "claims": claims, "today": now.date()}
    with psycopg.connect(url) as connection:
        if not verifiable:
            connection.execute("SET session_replication_role = replica")
        connection.execute(_PATIENTS, values)
        for table, count, more, value in (
            ("office", 5, "", ""),
            ("provider", 60, "", ""),
            ("payer", 24, ", payer_class", ", 'commercial'"),
        ):
            connection.execute(_places(table, count, more, value), values)
        for statement in (
            _AMOUNTS.replace(" % ", " %% "),
            _CLAIMS,
            _LINES,
            "ANALYZE claim, line_item",
            _POSTINGS,
            _NEXT_ID,
        ):
            connection.execute(statement, values)  # the triggers of postings read the claims and lines
        if verifiable:
            connection.execute(_ACT, values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) claim, line_item, posting, patient, office, provider, payer")
    return Practice(given.id, given.biller)


def _places(table: str, count: int, more: str, value: str) -> sql.Composed:
    return sql.SQL(_PLACES).format(
        table=sql.Identifier(table), table_name=sql.Literal(table), count=sql.Literal(count),
        more=sql.SQL(more), value=sql.SQL(value),
    )  # fmt: skip
