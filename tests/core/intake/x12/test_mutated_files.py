"""Damaged X12 files: refused with a sentence and nothing stored, or every claim's total is explained to the cent.

With SETTLE_MUTATION_SEEDS=50, it tries 10,000 of them. A seed gives the same files each time.
"""

import os
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.books.invariants import check, violations
from core.books.invariants_remittances import REMITTANCE_INVARIANTS
from core.db.engine import Sessions
from core.intake.parsing.faults import Faults, ImportRefused
from core.intake.remittances.import_remittances import import_remittances
from core.intake.remittances.reasons import REASONS
from core.intake.uploads import x12_files
from core.models.practices import Practice
from core.x12.check import check_file
from core.x12.envelope_records import Kind
from core.x12.values import CENTS, NotAnAmount
from tests import repeats
from tests.factories import NOW, GivenPractice, a_practice
from tests.mutated import Original, mutated, originals, segments_of
from tests.remittances import add_claims

OF_A_SEED: Final = repeats.times(200)
SEEDS: Final = range(int(os.environ.get("SETTLE_MUTATION_SEEDS") or 1))
TOGETHER: Final = 10  # files of one import, if they have claims
REMITTANCES: Final = 0.96  # of the imports; a hundred of them take as long as ten imports of claims
KEPT: Final = 0.08  # of the files stay imported, so that later ones meet what they posted
# What tells a reader that a part of the file was not read.
UNREAD: Final = {
    "stray_segment", "text_outside", "other_transaction", "unfinished_segment", "misplaced_segment", "text_before",
    "truncated",
}  # fmt: skip
_CHARGES: Final = """
    SELECT c.external_id, sum(p.amount_cents) FILTER (WHERE p.kind = 'charge') AS cents
    FROM claim c LEFT JOIN posting p ON p.practice_id = c.practice_id AND p.claim_id = c.id
    WHERE c.practice_id = :practice_id GROUP BY 1
"""
_COUNTS: Final = """
    SELECT (SELECT count(*) FROM posting WHERE practice_id = :practice_id),
           (SELECT count(*) FROM remittance_claim WHERE practice_id = :practice_id),
           (SELECT count(*) FROM remittance WHERE practice_id = :practice_id),
           (SELECT coalesce(sum(version), 0) FROM claim WHERE practice_id = :practice_id)
"""
# An answer and the one that reverses it add up to nothing.
_UNEXPLAINED: Final = """
    WITH posted AS (
        SELECT a.claim_id, a.paid_cents + coalesce((
                   SELECT sum((g->>2)::bigint) FROM remittance_line l, jsonb_array_elements(l.adjustments) g
                   WHERE (l.practice_id, l.remittance_id, l.claim_ordinal)
                       = (a.practice_id, a.remittance_id, a.ordinal) AND g->>3 = 'post'), 0) AS cents
        FROM remittance_claim a
        WHERE a.practice_id = :practice_id AND a.outcome IN ('posted', 'warned') AND a.reverses_ordinal IS NULL
          AND NOT EXISTS (SELECT FROM remittance_claim r WHERE r.practice_id = a.practice_id
              AND (r.reverses_remittance_id, r.reverses_ordinal) = (a.remittance_id, a.ordinal)
              AND r.outcome IN ('posted', 'warned')))
    SELECT c.external_id FROM claim c
    JOIN (SELECT claim_id, sum(amount_cents) AS due, sum(amount_cents) FILTER (WHERE kind = 'charge') AS charges
          FROM posting WHERE practice_id = :practice_id GROUP BY 1) p ON p.claim_id = c.id
    LEFT JOIN (SELECT claim_id, sum(cents) AS cents FROM posted GROUP BY 1) s ON s.claim_id = c.id
    WHERE c.practice_id = :practice_id
      AND (p.due <> p.charges - coalesce(s.cents, 0) OR p.due <> c.insurance_due + c.patient_due)
"""
_ANSWERS: Final = """
    SELECT a.remittance_id, a.outcome, a.reasons, a.postings,
           a.charge_cents - a.paid_cents - coalesce(sum(l.adjusted), 0) AS left_cents,
           coalesce(bool_or(l.is_lost), false) AND a.reverses_ordinal IS NULL AS is_lost
    FROM remittance_claim a LEFT JOIN (
        SELECT l.*, l.ordinal > 0 AND l.line IS NULL AND (l.charge_cents, l.paid_cents) <> (0, 0) AS is_lost,
               (SELECT sum((g->>2)::bigint) FROM jsonb_array_elements(l.adjustments) g) AS adjusted
        FROM remittance_line l) l
      ON (l.practice_id, l.remittance_id, l.claim_ordinal) = (a.practice_id, a.remittance_id, a.ordinal)
    WHERE a.practice_id = :practice_id GROUP BY a.practice_id, a.remittance_id, a.ordinal
"""


def assert_has_sentences(refused: ImportRefused) -> None:
    """Check that the refusal says what is wrong in which file."""
    assert refused.faults
    assert all(re.match(r".+[.]\w+\W.*; ", str(fault)) for fault in refused.faults), refused.faults


class Damage:
    """Damaged files for a practice, and what is true after their import."""

    def __init__(self, session: Session, practice: GivenPractice, paths: list[Path]) -> None:
        self.session, self.practice, self.paths = session, practice, paths
        self.bound = {"practice_id": practice.id}
        self.segments = {path.name: list(segments_of(path.read_bytes().decode("latin-1"))) for path in paths}

    def load(self) -> str:
        """Import the files. Return what became of them."""
        before = self.state()
        try:
            done = self.imported()
        except ImportRefused as refused:
            assert_has_sentences(refused)
            return "refused"
        after = self.state()
        for file in done["files"]:
            self.check_whole_file(file)
        if "sent" in done:
            self.check_claims(before.charges, after.charges, done)
        else:
            assert before.charges == after.charges
        if done["remittances"]:
            self.check_answers(done["remittances"], new=after.answers - before.answers)
        assert self.session.execute(text(_UNEXPLAINED), self.bound).all() == []
        if before == after:
            return "nothing new"
        self.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # as a commit does, which links the audit log
        if before.postings == after.postings:
            found = [check(self.session, [name], self.practice.id) for name in REMITTANCE_INVARIANTS]
            assert not any(found)
        else:
            assert violations(self.session, practice_id=self.practice.id) == []
        return "imported"

    def imported(self) -> dict[str, Any]:
        """Import the files and return the facts. Files with only remittances skip the empty import of claims."""
        checked = [check_file(path) for path in self.paths]
        kinds = {one.kind for file in checked for one in file.transactions}
        if kinds - {Kind.REMITTANCE, Kind.OTHER} or not kinds & {Kind.REMITTANCE}:
            done = x12_files.import_x12(self.session, self.paths, practice_name=self.practice_name(), now=NOW)
            assert done.x12 is not None
            return done.x12
        practice = self.session.get_one(Practice, self.practice.id)
        found = import_remittances(self.session, practice, self.paths, import_id=None, is_check=False, by=None, now=NOW)
        return {"files": [x12_files._facts_of_file(one) for one in checked], "remittances": found.facts()}

    def practice_name(self) -> str:
        """Return the name by which an import finds the practice."""
        return self.session.get_one(Practice, self.practice.id).name

    def check_whole_file(self, file: dict[str, Any]) -> None:
        """Check that each claim and answer of the file was read, or that a fault says what was not."""
        codes = {fault["code"] for one in (file, *file["transactions"]) for fault in one["faults"]}
        assert all(one["is_imported"] or one["faults"] or one["kind"] == "other" for one in file["transactions"])
        for segment_id, kinds in (("CLP", ("835",)), ("CLM", ("837P", "837I"))):
            read = sum(one["claims"] for one in file["transactions"] if one["kind"] in kinds)
            said = sum(one[0] == segment_id for one in self.segments[file["file"]])
            assert read == said or UNREAD & codes, (segment_id, codes)

    def check_claims(self, before: dict[str, int], after: dict[str, int], facts: dict[str, Any]) -> None:
        """Check that each claim is imported, left out or refused, and that its ledger has the charge of the file."""
        said = {
            (one[1].strip(), _cents(one[2])) for each in self.segments.values() for one in each
            if one[0] == "CLM" and len(one) > 2
        }  # fmt: skip
        assert {number: cents for number, cents in after.items() if number in before} == before
        assert {(number, cents) for number, cents in after.items() if number not in before} <= said
        transactions = [one for file in facts["files"] for one in file["transactions"] if one["kind"].startswith("837")]
        taken = sum(one["claims"] for one in transactions if one["is_imported"])
        assert facts["sent"]["copies"] + facts["sent"]["left_out"] == taken
        assert facts["sent"]["left_out"] == sum(one["count"] for one in facts["left_out"])

    def check_answers(self, facts: dict[str, Any], *, new: int) -> None:
        """Check that each answer is posted, held with a reason, or in a transaction that was refused."""
        recorded = [one for one in facts["transactions"] if not (one["is_refused"] or one["recorded_on"])]
        assert all(one["because"] in REASONS for one in facts["transactions"] if one["is_refused"])
        assert new == sum(one["claims"] for one in recorded) == sum(facts["outcomes"].values())
        for row in self.session.execute(text(_ANSWERS), self.bound):
            assert set(row.reasons) <= REASONS.keys()
            if row.outcome in ("posted", "warned"):
                assert (row.left_cents, row.is_lost) == (0, False), "an amount of a posted answer is nowhere"
            else:
                assert row.postings == 0
                assert row.reasons or row.outcome == "nothing_to_post"

    def state(self) -> "State":
        """Return what the practice has."""
        charges = {row.external_id: row.cents or 0 for row in self.session.execute(text(_CHARGES), self.bound)}
        return State(charges, *self.session.execute(text(_COUNTS), self.bound).one())


class State(NamedTuple):
    """What a practice has: the charges of each claim in the ledger, and counts of rows."""

    charges: dict[str, int]
    postings: int
    answers: int
    remittances: int
    changes: int  # of claims


def _cents(amount: str) -> int | None:
    try:
        return CENTS[amount]
    except NotAnAmount:
        return None


def _practice(sessions: Sessions, original: Original, folder: Path) -> GivenPractice:
    """Return a practice with the claims that the file answers, or with the claims of the file itself."""
    practice = a_practice(sessions, name=original.name)
    if original.is_remittance:
        add_claims(practice, folder / original.name)
        return practice
    sent = folder / ("own.837" if original.name.endswith("277ca") else original.name)
    with sessions.begin() as session:
        x12_files.import_x12(session, [sent], practice_name=original.name, now=NOW)
    return practice


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_files_leave_every_claims_total_explained(seed: int, sessions: Sessions, tmp_path: Path) -> None:
    became, files = Counter[str](), originals()
    for one in files:
        (tmp_path / one.name).write_bytes(one.text.encode("latin-1"))
    practices: dict[str, GivenPractice] = {}
    place = 0
    while place < OF_A_SEED:
        dice = random.Random(f"{seed}.{place}")
        takes_answers = dice.random() < REMITTANCES
        original = dice.choice([one for one in files if one.is_remittance == takes_answers])
        if original.name not in practices:
            practices[original.name] = _practice(sessions, original, tmp_path)
        count = 1 if original.is_remittance else min(TOGETHER, OF_A_SEED - place)
        paths = []
        for nth in range(count):
            paths.append(tmp_path / f"damaged-{nth}.x12")
            damaged = mutated(dice, original.text)
            if count > 1 and nth % 2:
                damaged = damaged.replace("CLM*", f"CLM*{place + nth}.")  # a new claim
            paths[-1].write_bytes(damaged.encode("latin-1"))
        try:
            became += _try(sessions, practices[original.name], paths, keeps=dice.random() < KEPT)
        except Exception as error:
            content = [path.read_bytes() for path in paths]
            error.add_note(f"seed {seed}, mutation {place} of {original.name}: {content!r}")
            raise
        place += count
    assert became["refused"] > OF_A_SEED / 20, became
    assert became["imported"] > OF_A_SEED / 5, became


def _try(sessions: Sessions, practice: GivenPractice, paths: list[Path], *, keeps: bool) -> Counter[str]:
    """Import what is readable of the files together, or one by one if that is refused. Return what became of them."""
    readable = [path for path in paths if not _is_refused(path)]
    became = Counter({"refused": len(paths) - len(readable)})
    if not readable:
        return became
    with sessions() as session:
        outcome = Damage(session, practice, readable).load()
        if keeps and outcome == "imported":
            session.commit()
    if outcome == "refused" and len(readable) > 1:
        return sum((_try(sessions, practice, [one], keeps=keeps) for one in readable), became)
    if keeps and outcome == "imported":
        with sessions() as session:
            assert Damage(session, practice, readable).load() == "nothing new"
    became[outcome] += len(readable)
    return became


def _is_refused(path: Path) -> bool:
    """Return whether the file is refused by itself, with a sentence."""
    try:
        x12_files._check([path], Faults(), None)
    except ImportRefused as refused:
        assert_has_sentences(refused)
        return True
    return False
