"""What an import did with the remittances of its files."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.counting import counted
from core.enums.remittances import Outcome
from core.intake.remittances import reasons
from core.intake.remittances.decision import Sums
from core.intake.remittances.stored import Decided
from core.intake.remittances.survey import Transaction
from core.money import format_cents

_OUTCOME_WORDS: Final = {
    Outcome.POSTED.value: "posted",
    Outcome.WARNED.value: "posted with a warning",
    Outcome.HELD.value: "held",
    Outcome.IGNORED.value: "ignored",
    Outcome.NOTHING_TO_POST.value: "with nothing to post",
}


@dataclass
class TransactionResult:
    """What became of one 835. Sums are of what was posted, in cents that lower the balance."""

    file: str
    ordinal: int
    payer: str
    trace: str
    paid_on: dt.date | None
    paid_cents: int
    claims_cents: int
    provider_cents: int
    claims: int
    because: str = ""  # why it is refused or held, a code
    is_refused: bool = False
    payee_is_unchecked: bool = False  # the practice has no NPI or tax ID to compare
    recorded_on: dt.date | None = None  # the same content was recorded then, and nothing is done
    same_as: str = ""  # the file of this import that has the same content
    outcomes: Counter[str] = field(default_factory=Counter)
    paid_of: Counter[str] = field(default_factory=Counter)  # payments on claims (CLP04) by outcome, in cents
    held_reasons: Counter[str] = field(default_factory=Counter)
    payments_cents: int = 0
    adjustments_cents: int = 0
    transferred_cents: int = 0
    reversed_cents: int = 0

    @classmethod
    def of(cls, transaction: Transaction) -> "TransactionResult":
        """Return the result of a transaction of which nothing was done yet."""
        payment = transaction.payment
        return cls(
            transaction.path.name, transaction.ordinal, payment.payer.name if payment.payer else "", payment.trace,
            payment.paid_on, payment.paid_cents, transaction.claims_cents, transaction.provider_cents,
            transaction.claims,
        )  # fmt: skip

    def add(self, decided: Sequence[Decided]) -> None:
        """Count some answers."""
        for answer, _, decision in decided:
            self.outcomes[decision.outcome.value] += 1
            self.paid_of[decision.outcome.value] += answer.paid_cents
            if decision.outcome is Outcome.HELD:
                self.held_reasons.update(reasons.holding(decision.reasons))
            sums = Sums.of(decision.postings)
            self.payments_cents += sums.payments
            self.adjustments_cents += sums.adjustments
            self.transferred_cents += sums.transferred
            self.reversed_cents += sums.reversed

    def sentence(self) -> str:
        """Return what became of it in one line."""
        head = f"Remittance {self.trace} of {format_cents(self.paid_cents)}, {counted(self.claims, 'answer')}"
        if self.is_refused:
            return f"{head}: refused, {reasons.describe(self.because)}."
        if self.same_as:
            return f"{head}: {self.file} repeats it from {self.same_as}; nothing is posted again."
        if self.recorded_on is not None:
            return f"{head}: imported before, on {self.recorded_on:%m/%d/%Y}; nothing is posted again."
        counts = [f"{count:,} {_OUTCOME_WORDS[outcome]}" for outcome, count in sorted(self.outcomes.items())]
        why = [f"{reasons.describe(code)} ({count:,})" for code, count in sorted(self.held_reasons.items())]
        sums = Sums(self.payments_cents, self.adjustments_cents, self.transferred_cents, self.reversed_cents)
        cents = sums.in_words()
        parts = [", ".join(each) for each in (counts, cents) if each]
        parts = parts or ["nothing to post, provider adjustments only"]
        return f"{head}: {'; '.join(parts)}." + (f" Held because {'; '.join(why)}." if why else "")

    def audited(self) -> dict[str, Any]:
        """Return what the audit records, without what is zero."""
        facts = {
            "trace": self.trace, "payer": self.payer, "deposit_cents": self.paid_cents,
            "provider_adjustments_cents": self.provider_cents, "held_because": self.because,
            "answers": {_OUTCOME_WORDS[outcome]: count for outcome, count in self.outcomes.items()},
            "payments_cents": self.payments_cents, "adjustments_cents": self.adjustments_cents,
            "to_patient_cents": self.transferred_cents, "reversed_cents": self.reversed_cents,
        }  # fmt: skip
        return {name: fact for name, fact in facts.items() if fact or name == "deposit_cents"}

    def facts(self) -> dict[str, Any]:
        """Return it as JSON. It is the same in a check and in the import after it."""
        dates = {name: getattr(self, name) and getattr(self, name).isoformat() for name in ("paid_on", "recorded_on")}
        return {
            **vars(self),
            **dates,
            "outcomes": dict(self.outcomes),
            "paid_of": dict(self.paid_of),
            "held_reasons": dict(self.held_reasons),
        }


@dataclass
class RemittanceResult:
    """What became of all 835s of an import."""

    transactions: list[TransactionResult] = field(default_factory=list)
    posted_later: int = 0  # answers that were held and could be posted after another one
    answers_cents: int = 0  # what all posted answers raise the A/R by; below zero: lower
    write_offs_cents: int = 0  # write-offs that they reversed, less those that they restored

    @property
    def outcomes(self) -> Counter[str]:
        """Return how many answers have each outcome."""
        return sum((one.outcomes for one in self.transactions), Counter())

    @property
    def recorded(self) -> int:
        """Return how many transactions are new."""
        return sum(not one.is_refused and one.recorded_on is None for one in self.transactions)

    def notes(self) -> list[str]:
        """Return what became of each remittance, in sentences."""
        notes = [one.sentence() for one in self.transactions]
        if held := self.outcomes[Outcome.HELD.value]:
            notes.append(
                f"Held: {counted(held, 'answer')}. Nothing of a held answer is posted. After the import, match, post "
                "or ignore it on the Remittances page or with `settle remittances`."
            )
        if unchecked := sum(one.payee_is_unchecked for one in self.transactions):
            notes.append(
                f"Payee not checked: {counted(unchecked, 'remittance')}. The practice has no NPI or tax ID to compare. "
                "Import its claims (837) first."
            )
        if self.posted_later:
            notes.append(f"Posted: {counted(self.posted_later, 'answer')} held before, now that the reason is gone.")
        return notes

    def facts(self) -> dict[str, Any]:
        """Return it as JSON, without names of persons."""
        return {
            "transactions": [one.facts() for one in self.transactions],
            "outcomes": dict(self.outcomes),
            "posted_later": self.posted_later,
            "answers_cents": self.answers_cents,
            "write_offs_cents": self.write_offs_cents,
            "recorded": self.recorded,
            "notes": self.notes(),
        }
