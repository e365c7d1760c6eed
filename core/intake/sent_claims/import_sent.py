"""Import the claims of 837 files: the charges of new claims, once, and what changed on claims that exist."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.counting import counted
from core.intake.loading import stages
from core.intake.loading.additions import HoldBack
from core.intake.loading.import_run import ImportRun
from core.intake.loading.imported import Imported
from core.intake.loading.known_postings import Totals
from core.intake.loading.load import load, lock_imports
from core.intake.parsing.x12_faults import of_x12
from core.intake.sent_claims.acknowledgments import (
    LISTED_MAX,
    Acknowledged,
    acknowledged_claims,
    apply_acknowledgments,
    find_status_changes,
    listed,
    read_acknowledgments,
)
from core.intake.sent_claims.build_stages import build_stages
from core.intake.sent_claims.given_numbers import GIVEN_NUMBER
from core.intake.sent_claims.known_claims import fit_to_known
from core.intake.sent_claims.read_files import SentOrigin, X12File, origin_of, stage_claims
from core.intake.sent_claims.remember import count_newer, remember_sent
from core.intake.sent_claims.replaced_claims import find_replaced, remember_numbers
from core.intake.sent_claims.sent_stages import ACKNOWLEDGED, COPY, COVERAGE, SENT_LINE
from core.money import format_cents
from core.practices import practice_days
from core.x12.check import Found
from core.x12.problems import Fault

SOURCE: Final = "x12"
_VOIDED: Final = "SELECT claim FROM stage_voided ORDER BY claim"
_DIFFERENT: Final = "SELECT at, claim, cents, file_cents FROM stage_different ORDER BY claim"
_COUNTS: Final = """
    SELECT (SELECT count(*) FROM stage_sent_copy) AS copies,
           (SELECT count(DISTINCT claim) FROM stage_sent_copy) AS claims,
           (SELECT count(*) FROM stage_picked_copy WHERE frequency = '7') AS replacements,
           (SELECT count(*) FROM stage_older_copy) AS older,
           (SELECT count(*) FROM stage_known_claim WHERE NOT is_own) AS of_other_files,
           (SELECT count(*) FROM stage_picked_copy WHERE patient_paid <> 0) AS with_patient_payment,
           (SELECT coalesce(sum(patient_paid), 0)::bigint FROM stage_picked_copy) AS patient_paid_cents
"""


class OtherCharge(NamedTuple):
    """A claim that another kind of file brought in with another charge. Nothing of it is imported."""

    claim_id: str
    cents: int
    file_cents: int

    def __str__(self) -> str:
        """Return it with both charges."""
        return f"{self.claim_id} ({format_cents(self.cents)} here, {format_cents(self.file_cents)} in the files)"


@dataclass
class SentClaims:
    """What the files contain besides new claims."""

    left_out: int = 0  # claims with a fault, which are not imported
    found: Found = field(default_factory=Found)  # their faults
    counts: dict[str, int] = field(default_factory=dict)
    voided: list[str] = field(default_factory=list)  # claim IDs
    different: list[OtherCharge] = field(default_factory=list)
    acknowledged: Acknowledged = field(default_factory=Acknowledged)
    remembered: int = 0  # existing claims about which the files know more
    each: Callable[[Fault], None] | None = None  # called for each claim that the reader finds right

    def leave_out(self, faults: Sequence[Fault]) -> None:
        """Count claims that are not imported."""
        self.left_out += len(faults)
        if self.each is not None:
            for fault in faults:
                self.each(fault)
        self.found.add(faults)

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            **self.counts, "notes": self.notes(), "left_out": self.left_out, "remembered": self.remembered,
            "voided": {"count": len(self.voided), "first": self.voided[:LISTED_MAX]},
            "acknowledged": self.acknowledged.facts(),
            "different": {
                "count": len(self.different), "first": [one._asdict() for one in self.different[:LISTED_MAX]],
            },
        }  # fmt: skip

    def notes(self) -> list[str]:
        """Return what the files change or repeat, in sentences."""
        notes = self.acknowledged.notes()
        for count, noun, rest in (
            (self.remembered, "existing claim", "with new facts for matching its remittances."),
            (self.counts["of_other_files"], "claim", "from another import with equal charges, not posted again."),
            (self.counts["replacements"], "replacement", "of an earlier claim."),
            (self.counts["older"], "claim", "in an older copy, which changes nothing."),
            (self.acknowledged.unknown, "acknowledgment", "without a usable status."),
        ):
            notes += [f"{counted(count, noun)} {rest}"] if count else []
        return notes

    def warnings(self) -> list[str]:
        """Return what a user should know, in sentences."""
        counts, found = self.counts, []
        if self.voided:
            found.append(
                f"{counted(len(self.voided), 'claim')} voided at the payer: {listed(self.voided)}. No balance changes. "
                "Check each claim by hand."
            )
        if self.different:
            them = "it" if len(self.different) == 1 else "them"
            found.append(
                f"{counted(len(self.different), 'claim')} from another import with a different charge: "
                f"{listed(list(map(str, self.different)))}. Nothing of {them} is imported."
            )
        if paid := counts.get("patient_paid_cents"):
            found.append(
                f"The files mention {format_cents(paid)} paid by patients. Charges are imported, and payments are not."
            )
        return found + self.acknowledged.warnings()


def import_sent(run: ImportRun, files: Sequence[X12File]) -> tuple[Imported, SentClaims]:
    """Import the claims of the files, and the statuses of their 277CA. Raise what `load` raises."""
    session, practice_id, each = run.session, run.practice_id, run.options.each_problem
    lock_imports(session, practice_id)
    stages.open_stages(session, COPY, SENT_LINE, ACKNOWLEDGED, COVERAGE, GIVEN_NUMBER)
    sent, origin = SentClaims(each=each and (lambda fault: each(of_x12(fault)))), origin_of(files)
    sent.left_out = stage_claims(session, files, sent.found, each=sent.each, progress=run.progress)
    run.say("checking and loading")
    sent.acknowledged = read_acknowledgments(session, files)
    sent.leave_out(find_replaced(session, practice_id, origin, files))
    build_stages(session, practice_id)
    fit_to_known(session, practice_id)
    _describe(session, practice_id, sent, origin)
    find_status_changes(session, practice_id, sent.acknowledged)
    origins = dict.fromkeys(
        (stages.OFFICE, stages.PROVIDER, stages.PAYER, stages.PATIENT, stages.CLAIM, stages.LINE, stages.POSTING),
        origin,
    )
    today = practice_days.today(run.practice, now=run.now)
    done = load(
        run, origins, holds_back=HoldBack.TO_CORRECT,
        totals=Totals(today, has_dates=False, has_charges=True, only_charges=True),
        changed_later=[acknowledged_claims()] if sent.acknowledged.changed else (),
    )  # fmt: skip
    if not run.options.check_only:
        remember_sent(session, practice_id)
        remember_numbers(session, practice_id)
        apply_acknowledgments(session, practice_id, by=run.by, now=run.now)
    return done, sent


def _describe(session: Session, practice_id: int, sent: SentClaims, origin: SentOrigin) -> None:
    sent.counts = dict(session.execute(text(_COUNTS), {"practice_id": practice_id}).one()._mapping)
    sent.voided = list(session.scalars(text(_VOIDED)))
    for at, *different in session.execute(text(_DIFFERENT)):
        sent.different.append(OtherCharge(*different))
        origin.transaction(at).claims_held += 1
    sent.remembered = count_newer(session, practice_id)
