"""Copies of drawn claims, made in the database, because Python takes three times as long to draw a claim.

A copy has the lines, amounts and answers of its original. Its number, patient, office and providers are its own, and
the dates of an older claim are moved by whole weeks.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import CreateTableAs, text
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.insert import STAGED_CLAIM_COLUMNS, STAGED_POSTING_COLUMNS
from core.intake.sample.sample_claims import FIRST_CLAIM_ID, RECENT_SHARE, SPAN_DAYS, SampleSize
from core.ledger.balances import CLAIM_CACHED_COLUMNS, LINE_CACHED_COLUMNS, claim_sums

BATCH_COPIES: Final = 50_000  # some 370,000 postings in one statement
NUMBERS_APART: Final = 20  # on average
WEEKS_MOVED_MAX: Final = 4

_DATES: Final = ("service_date", "first_edi_on", "last_edi_on", "last_statement_on", "denied_on", "last_payment_on")
_OWN: Final = ("id", "external_id", "patient_id", "office_id", "billing_provider_id", "supervising_provider_id")
_SAME: Final = (
    "primary_payer_id",
    "secondary_payer_id",
    *(name for name in (*STAGED_CLAIM_COLUMNS, *CLAIM_CACHED_COLUMNS) if name not in _DATES and name != "external_id"),
)


def copy_claims(session: Session, practice_id: int, world: SampleSize, *, seed: int, now: dt.datetime) -> Iterator[int]:
    """Insert `world.claims` copies of the staged claims, oldest first. Yield the number of each batch.

    The same seed makes the same copies. People and places must exist, and their stages must still be filled.
    """
    _number_originals(session, practice_id)
    values: dict[str, Any] = {
        "practice": practice_id,
        "seed": seed,
        "now": now,
        "today": world.today,
        "claims": world.claims,
        "patients": world.patients,
        "billing": world.billing_providers,
        "supervising": world.supervising_providers,
    }
    for first in range(0, world.claims, BATCH_COPIES):
        end = min(first + BATCH_COPIES, world.claims)
        session.execute(text("TRUNCATE copied"))
        session.execute(text(_COPIES), {**values, "first": first, "last": end - 1})
        stages.analyze(session, "copied")
        for statement in (_CLAIMS, _LINES, _POSTINGS):
            session.execute(text(statement), values)
        yield end - first


def _number_originals(session: Session, practice_id: int) -> None:
    """Number originals, people and places from 0, because a copy picks them by number."""
    session.execute(CreateTableAs(claim_sums(stages.LINE_SUM), "original_sums", temporary=True))
    for statement in _ORIGINALS:
        session.execute(text(statement), {"practice": practice_id})
    session.execute(text("DROP TABLE original_sums"))
    stages.analyze(session, "original", "original_line", "original_posting", "numbered_patient")


def _columns(names: tuple[str, ...], table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


def _or_zero(cache: str) -> str:
    """Return a cached sum: 0, or false, for a claim without lines."""
    if cache == "last_payment_on":
        return f"s.{cache}"
    return f"coalesce(s.{cache}, {'false' if cache == 'has_credit_line' else 0}) AS {cache}"


def _numbered(table: str) -> str:
    return f"""
    CREATE TEMP TABLE numbered_{table} ON COMMIT DROP AS
    SELECT staged.at - 1 AS number, {table}.id FROM stage_{table} staged
      JOIN {table} ON {table}.practice_id = :practice AND {table}.external_id = staged.external_id
    """  # noqa: S608 – names of ours


def _chance(draw: int) -> str:
    """Return a random number from 0 to below 1 of the copy: a hash, so that it does not depend on the plan.

    PostgreSQL keeps these hashes across versions, because hash partitions depend on them.
    """
    return f"((hashint8extended(copy, CAST(:seed AS bigint) + {draw}) & 1073741823) / 1073741824::float8)"


def _pick(table: str, number: str) -> str:
    """Return the id of a row of a short table, without a join."""
    return f"(ARRAY(SELECT id FROM numbered_{table} ORDER BY number))[1 + floor({number})::integer]"  # noqa: S608


_ORIGINALS: Final = (
    f"""
    CREATE TEMP TABLE original ON COMMIT DROP AS
    SELECT c.at - 1 AS number, c.supervising_provider IS NOT NULL AS supervised,
           greatest(c.service_date, c.last_edi_on, c.last_statement_on, c.denied_on, p.latest) AS latest,
           first.id AS primary_payer_id, second.id AS secondary_payer_id, {_columns(STAGED_CLAIM_COLUMNS, "c")},
           {", ".join(map(_or_zero, CLAIM_CACHED_COLUMNS))}
      FROM stage_claim c
      LEFT JOIN original_sums s ON s.claim_id = c.external_id
      LEFT JOIN (SELECT claim, max(posted_on) AS latest FROM stage_posting GROUP BY claim) p ON p.claim = c.external_id
      LEFT JOIN payer first ON first.practice_id = :practice AND first.external_id = c.primary_payer
      LEFT JOIN payer second ON second.practice_id = :practice AND second.external_id = c.secondary_payer
    """,  # noqa: S608 – names of ours
    f"""
    CREATE TEMP TABLE original_line ON COMMIT DROP AS
    SELECT c.at - 1 AS original, l.number, l.procedure_code, {_columns(LINE_CACHED_COLUMNS, "s")}
      FROM stage_line l JOIN stage_claim c ON c.external_id = l.claim
      JOIN stage_line_sum s ON s.claim_id = l.claim AND s.line = l.number
    """,  # noqa: S608 – names of ours
    f"""
    CREATE TEMP TABLE original_posting ON COMMIT DROP AS
    SELECT c.at - 1 AS original, row_number() OVER (ORDER BY c.at, p.at, p.ctid) AS place,
           {_columns(STAGED_POSTING_COLUMNS, "p")}
      FROM stage_posting p JOIN stage_claim c ON c.external_id = p.claim
    """,  # noqa: S608 – names of ours
    "CREATE UNIQUE INDEX ON original (number)",
    "CREATE UNIQUE INDEX ON original_line (original, number)",
    "CREATE UNIQUE INDEX ON original_posting (original, place)",
    *(_numbered(table) for table in ("office", "provider", "patient")),
    "CREATE UNIQUE INDEX ON numbered_patient (number)",
    """
    CREATE TEMP TABLE copied (
        id bigint, external_id text, original integer, days integer, patient_id bigint, office_id bigint,
        billing_provider_id bigint, supervising_provider_id bigint
    ) ON COMMIT DROP
    """,
)

# The dates of recent claims and of late payments depend on today, so these claims are not moved.
_RECENT: Final = round(SPAN_DAYS * RECENT_SHARE)
_COPIES: Final = f"""
INSERT INTO copied (id, external_id, original, days, patient_id, office_id, billing_provider_id,
                    supervising_provider_id)
SELECT nextval(pg_get_serial_sequence('claim', 'id')),
       ({FIRST_CLAIM_ID} + {NUMBERS_APART} * place + floor({NUMBERS_APART} * {_chance(0)}))::bigint::text,
       original, days, patient.id,
       {_pick("office", f"{_chance(4)} ^ 1.6 * (SELECT count(*) FROM numbered_office)")},
       {_pick("provider", f"{_chance(5)} ^ 1.4 * :billing")},
       CASE WHEN supervised THEN {_pick("provider", f":billing + {_chance(6)} * :supervising")} END
  FROM (SELECT copy, original, supervised, days,
               :first + row_number() OVER (ORDER BY service_date + days, {_chance(1)}) AS place
          FROM (SELECT copy, o.number AS original, o.supervised, o.service_date,
                       CASE WHEN o.latest <= CAST(:today AS date) - {7 * WEEKS_MOVED_MAX}
                             AND greatest(o.service_date, o.service_date + weeks * 7)
                                 <= CAST(:today AS date) - {_RECENT}
                             AND o.service_date + weeks * 7 >= CAST(:today AS date) - {SPAN_DAYS + 4}
                            THEN weeks * 7 ELSE 0 END AS days
                  FROM (SELECT copy, (floor({_chance(2)} * {2 * WEEKS_MOVED_MAX + 1})
                                      - {WEEKS_MOVED_MAX})::integer AS weeks
                          FROM generate_series(CAST(:first AS bigint), :last) copy) moved
                  JOIN original o ON o.number = copy * (SELECT count(*) FROM original) / :claims) dated) placed
  JOIN numbered_patient patient ON patient.number = floor({_chance(3)} * :patients)::integer
 ORDER BY place
"""  # noqa: S608 – names of ours

_CLAIMS: Final = f"""
INSERT INTO claim (practice_id, version, balance_mismatch, {", ".join((*_OWN, *_DATES, *_SAME))})
SELECT :practice, 1, false, {_columns(_OWN, "c")}, {", ".join(f"o.{name} + c.days" for name in _DATES)},
       {_columns(_SAME, "o")}
  FROM copied c JOIN original o ON o.number = c.original ORDER BY c.id
"""  # noqa: S608 – names of ours

_LINES: Final = f"""
INSERT INTO line_item (practice_id, claim_id, number, procedure_code, {", ".join(LINE_CACHED_COLUMNS)})
SELECT :practice, c.id, l.number, l.procedure_code, {_columns(LINE_CACHED_COLUMNS, "l")}
  FROM copied c JOIN original_line l ON l.original = c.original ORDER BY c.id, l.number
"""  # noqa: S608 – names of ours

_ENTRY: Final = tuple(name for name in STAGED_POSTING_COLUMNS if name != "posted_on")
_POSTINGS: Final = f"""
INSERT INTO posting (practice_id, claim_id, created_at, posted_on, {", ".join(_ENTRY)})
SELECT :practice, c.id, :now, p.posted_on + c.days, {_columns(_ENTRY, "p")}
  FROM copied c JOIN original_posting p ON p.original = c.original ORDER BY c.id, p.place
"""  # noqa: S608 – names of ours
