"""Invariants for balances: they are the sums of the ledger, and no write-off brings one below zero."""

from typing import Final

from core.books.check import Invariant, of_practice
from core.books.invariants_screen import CLAIMS, screened

_CLAIM: Final = "'practice ' || c.practice_id || ', claim ' || c.external_id"
_POSTING: Final = "'practice ' || p.practice_id || ', posting ' || p.id"


def _lines_that_differ(of_lines: str, of_postings: str) -> str:
    return f"""
    FROM line_item l JOIN claim c ON c.practice_id = l.practice_id AND c.id = l.claim_id
    LEFT JOIN (
        SELECT p.practice_id, p.claim_id, p.line,
               coalesce(sum(amount_cents) FILTER (WHERE kind = 'charge'), 0) AS charge,
               coalesce(sum(amount_cents) FILTER (WHERE responsibility = 'insurance'), 0) AS insurance_due,
               coalesce(sum(amount_cents) FILTER (WHERE responsibility = 'patient'), 0) AS patient_due
        FROM posting p WHERE {of_postings} GROUP BY 1, 2, 3
    ) s ON s.practice_id = l.practice_id AND s.claim_id = l.claim_id AND s.line = l.number
    WHERE {of_lines} AND (l.charge, l.insurance_due, l.patient_due)
      <> (coalesce(s.charge, 0), coalesce(s.insurance_due, 0), coalesce(s.patient_due, 0))"""


def _claims_that_differ(of_claims: str, of_lines: str) -> str:
    return f"""
    FROM claim c LEFT JOIN (
        SELECT practice_id, claim_id, sum(charge) AS billed, sum(insurance_due) AS insurance_due,
               sum(patient_due) AS patient_due, bool_or(insurance_due < 0 OR patient_due < 0) AS credit
        FROM line_item l WHERE {of_lines} GROUP BY 1, 2
    ) s ON s.practice_id = c.practice_id AND s.claim_id = c.id
    WHERE {of_claims} AND (c.billed, c.insurance_due, c.patient_due, c.has_credit_line) <>
      (coalesce(s.billed, 0), coalesce(s.insurance_due, 0), coalesce(s.patient_due, 0), coalesce(s.credit, false))"""


# The claims (practice_id, claim_id) whose balances do not match the ledger.
BALANCE_DIFFERS: Final = (
    f"SELECT c.practice_id, c.id AS claim_id {_lines_that_differ(of_practice('l'), of_practice('p'))} "
    f"UNION SELECT c.practice_id, c.id {_claims_that_differ(of_practice('c'), of_practice('l'))}"
)

BALANCE_INVARIANTS: Final[dict[str, Invariant]] = {
    "lines_equal_postings": Invariant(
        "the balance of a line is the sum of its postings",
        f"SELECT {_CLAIM} || ', line ' || l.number "
        f"{_lines_that_differ(screened('l.claim_id'), screened('p.claim_id'))}",
        CLAIMS,
    ),
    "claims_equal_lines": Invariant(
        "the balance of a claim is the sum of its lines, and the claim is marked if a line has a credit",
        f"SELECT {_CLAIM} {_claims_that_differ(screened('c.id'), screened('l.claim_id'))}",
        CLAIMS,
    ),
    "one_write_off_for_each_line": Invariant(
        "a line is written off at most once for each responsibility and version of its claim",
        f"""SELECT {_CLAIM} || ', line ' || p.line || ', ' || p.responsibility
            FROM posting p JOIN claim c ON c.practice_id = p.practice_id AND c.id = p.claim_id
            WHERE {screened("p.claim_id")} AND p.kind = 'write_off'
            GROUP BY c.practice_id, c.external_id, p.line, p.responsibility, p.claim_version HAVING count(*) > 1""",
        CLAIMS,
    ),
    "write_offs_make_no_credit": Invariant(
        "no write-off lowers the balance of a line below zero",
        f"""SELECT {_POSTING} FROM (
                SELECT p.practice_id, p.id, p.kind,
                       sum(p.amount_cents) OVER (PARTITION BY p.practice_id, p.claim_id, p.line, p.responsibility
                                                 ORDER BY p.id) AS due_after
                FROM posting p WHERE {screened("p.claim_id")}
            ) p WHERE p.kind = 'write_off' AND p.due_after < 0""",
        CLAIMS,
    ),
    "credits_are_untouched": Invariant(
        "no job writes off a claim that had a balance below zero at the time",
        f"""SELECT {_CLAIM} || ', line ' || b.line FROM (
                SELECT p.practice_id, p.claim_id, p.line
                FROM (SELECT p.practice_id, p.claim_id, p.job_id, min(p.id) AS first FROM posting p
                      WHERE {screened("p.claim_id")} AND p.kind = 'write_off' AND p.job_id IS NOT NULL
                      GROUP BY 1, 2, 3) w
                JOIN posting p ON p.practice_id = w.practice_id AND p.claim_id = w.claim_id AND p.id < w.first
                WHERE {screened("p.claim_id")} GROUP BY p.practice_id, p.claim_id, p.line, p.responsibility, w.job_id
                HAVING sum(p.amount_cents) < 0
            ) b JOIN claim c ON c.practice_id = b.practice_id AND c.id = b.claim_id""",
        CLAIMS,
    ),
}
