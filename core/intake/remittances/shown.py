"""An answer as a user sees it. A held one is decided again, and its token lets the user post only what was shown."""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy.orm import Session

from core.enums.remittances import Outcome
from core.intake.remittances import queries, reasons, stored
from core.intake.remittances.answers import Answer, AnswerLine
from core.intake.remittances.batches import Run
from core.intake.remittances.compare import MatchedClaim, describe_details
from core.intake.remittances.decide_again import decide_again
from core.intake.remittances.decision import Decision, Sums
from core.intake.remittances.our_claim import OurClaim
from core.intake.remittances.queries import AnswerRow
from core.intake.remittances.reasons import Finding, Why
from core.models.practices import Practice
from core.models.remittances import Remittance, RemittanceClaim

_TOKEN_CHARACTERS: Final = 16  # so that a user can type it after `settle remittances post`


@dataclass(frozen=True)
class AnswerDetails:
    """An answer with its lines. A held one has what it would post now, and the token of all that."""

    answer: AnswerRow
    lines: list[AnswerLine]
    why: list[Why]
    sums: Sums = field(default_factory=Sums)
    token: str = ""
    claim: MatchedClaim | None = None  # of a held answer, to compare it with

    @property
    def has_actions(self) -> bool:
        """Return whether something was decided for an adjustment."""
        return any(one.action for line in self.lines for one in line.adjustments)

    @property
    def is_held(self) -> bool:
        """Return whether a user may decide it."""
        return self.answer.outcome is Outcome.HELD

    @property
    def blocking(self) -> list[str]:
        """Return the codes that no user may accept."""
        return reasons.holding(self.answer.reasons, accepts=True) if self.is_held else []

    @property
    def may_post(self) -> bool:
        """Return whether a user may post it, perhaps with another posting date."""
        return self.is_held and all(code in reasons.OF_DATE for code in self.blocking)

    @property
    def accepted(self) -> list[str]:
        """Return the codes that a user accepts by posting."""
        held = reasons.holding(self.answer.reasons) if self.is_held else []
        return [code for code in held if code not in self.blocking]


def show(session: Session, practice_id: int, remittance_id: int, ordinal: int, *, now: dt.datetime) -> AnswerDetails:
    """Return an answer. Nothing is changed or locked. Raise `NotFound`."""
    found = queries.find_answer(session, practice_id, remittance_id, ordinal)
    row = session.get_one(RemittanceClaim, (practice_id, remittance_id, ordinal))
    remittance = session.get_one(Remittance, (practice_id, remittance_id))
    faults = [Finding(*one) for one in (*remittance.faults, *row.faults)]
    if found.outcome is not Outcome.HELD:
        lines = queries.list_lines(session, practice_id, remittance_id, ordinal)
        return AnswerDetails(found, lines, reasons.explain_decided(found.reasons, faults))
    run = Run(session, session.get_one(Practice, practice_id), None, now, is_check=True)
    answer, claim, decision = decide_again(run, row, accepts=True)
    found = replace(
        found, claim=claim.external_id if claim else None, role=decision.role, reasons=decision.reasons
    )  # fmt: skip
    token = token_of(answer, claim, decision)
    details = describe_details(session, remittance, answer, claim, decision)
    why = reasons.explain(decision.reasons, faults, details)
    matched = MatchedClaim.of(session, practice_id, claim) if claim else None
    return AnswerDetails(found, stored.lines_of(answer), why, Sums.of(decision.planned), token, matched)


def token_of(answer: Answer, claim: OurClaim | None, decision: Decision) -> str:
    """Return a digest of the claim, the reasons, the actions and the postings, but not of the posting date."""
    shown = [
        claim.id if claim else None, [code for code in decision.reasons if code not in reasons.OF_DATE],
        [(one.group, one.reason, one.cents, one.action) for one in answer.adjustments], decision.planned,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:_TOKEN_CHARACTERS]
