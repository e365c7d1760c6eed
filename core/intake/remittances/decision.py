"""What is decided for an answer: an outcome, its reasons, and the postings."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from core.enums.ledger import PaidBy, PostingKind, Responsibility
from core.enums.remittances import Outcome
from core.intake.remittances import reasons
from core.intake.remittances.posting_table import Rules
from core.money import format_cents


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


class Sums(NamedTuple):
    """What postings do, in positive cents."""

    payments: int = 0
    adjustments: int = 0
    transferred: int = 0  # to the patient
    reversed: int = 0

    @classmethod
    def of(cls, postings: Iterable[NewPosting]) -> Self:
        """Add up the postings."""
        sums: Counter[PostingKind] = Counter()
        for one in postings:
            if one.kind is not PostingKind.TRANSFER or one.responsibility is Responsibility.PATIENT:
                sums[one.kind] += one.amount_cents
        return cls(
            -sums[PostingKind.PAYMENT], -sums[PostingKind.ADJUSTMENT], sums[PostingKind.TRANSFER],
            sums[PostingKind.REVERSAL],
        )  # fmt: skip

    def in_words(self) -> list[str]:
        """Return each sum that is not zero, such as "payments $70.00"."""
        named = zip(("payments", "adjustments", "to the patient", "reversed"), self, strict=True)
        return [f"{words} {format_cents(cents)}" for words, cents in named if cents]


@dataclass(frozen=True)
class Context:
    """What is the same for all answers of a remittance."""

    rules: Rules
    held_because: Sequence[str] = ()  # why the whole remittance is held
    date_problem: str | None = None  # why nothing may be posted on its date
    warnings: Sequence[str] = ()  # of the whole remittance
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
    planned: list[NewPosting] = field(default_factory=list)  # what a held answer would post, if nothing held it

    @classmethod
    def of(cls, codes: list[str], context: Context, postings: list[NewPosting], **more: object) -> "Decision":
        """Hold the answer if a code does, or post it."""
        if postings and context.date_problem:
            codes = [*codes, context.date_problem]
        unique = list(dict.fromkeys(codes))
        if reasons.holding(unique, accepts=context.accepts):
            held = {**more, "reverses": None, "planned": postings}
            return cls(Outcome.HELD, unique, **held)  # type: ignore[arg-type]
        unique += [code for code in context.warnings if code not in unique]
        outcome = Outcome.WARNED if unique else Outcome.POSTED
        return cls(outcome, unique, postings, **more, planned=postings)  # type: ignore[arg-type]


@dataclass
class LineMoney:
    """What one of our lines gets from an answer, in cents that lower the balance."""

    number: int
    paid: int = 0
    posted: list[tuple[str, str, int]] = field(default_factory=list)  # group, reason, cents
    transferred: int = 0  # from the insurance to the patient; below zero: back

    @property
    def insurance_cents(self) -> int:
        """Return what lowers the insurance balance."""
        return self.paid + sum(cents for *_, cents in self.posted) + self.transferred
