"""What is decided for an answer: an outcome, its reasons, and the postings."""

from dataclasses import dataclass, field
from typing import NamedTuple

from core.intake.remittances import reasons
from core.intake.remittances.posting_table import Rules
from core.models.ledger import PaidBy, PostingKind, Responsibility
from core.models.remittances import Outcome


class NewPosting(NamedTuple):
    """A posting to make. Positive cents raise the balance."""

    line: int
    responsibility: Responsibility
    kind: PostingKind
    amount_cents: int
    paid_by: PaidBy | None = None
    group_code: str | None = None
    reason_code: str | None = None
    reverses_id: int | None = None


@dataclass(frozen=True)
class Context:
    """What is the same for all answers of a remittance."""

    rules: Rules
    held_because: str | None = None  # why the whole remittance is held
    date_problem: str | None = None  # why nothing may be posted on its date
    warnings: tuple[str, ...] = ()  # of the whole remittance
    accepts: bool = False  # a person posts it in spite of what may be accepted


@dataclass
class Decision:
    """What is decided."""

    outcome: Outcome
    reasons: list[str]
    postings: list[NewPosting] = field(default_factory=list)
    role: PaidBy | None = None
    denial: tuple[str, str] | None = None  # group and reason
    reverses: tuple[int, int] | None = None  # remittance and ordinal of the answer that it reverses

    @classmethod
    def of(cls, codes: list[str], context: Context, postings: list[NewPosting], **more: object) -> "Decision":
        """Hold the answer if a code does, or post it."""
        if postings and context.date_problem:
            codes = [*codes, context.date_problem]
        unique = list(dict.fromkeys(codes))
        if reasons.holding(unique, accepts=context.accepts):
            return cls(Outcome.HELD, unique, **{**more, "reverses": None})  # type: ignore[arg-type]
        unique += [code for code in context.warnings if code not in unique]
        return cls(Outcome.WARNED if unique else Outcome.POSTED, unique, postings, **more)  # type: ignore[arg-type]


@dataclass
class LineMoney:
    """What one of our lines gets from an answer, in cents that lower the balance."""

    number: int
    paid: int = 0
    posted: list[tuple[str, str, int]] = field(default_factory=list)  # group, reason, cents
    transferred: int = 0  # from the insurance to the patient

    @property
    def insurance_cents(self) -> int:
        """Return what lowers the insurance balance."""
        return self.paid + sum(cents for *_, cents in self.posted) + self.transferred
