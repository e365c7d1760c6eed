"""A posting as a correction shows it: its values, and its effect in words."""

import datetime as dt
from typing import Final, NamedTuple

from core.enums.ledger import PostingKind
from core.money import format_cents

REFUND: Final = "refund"  # a payment above zero, as files write it


class Entry(NamedTuple):
    """The values of a posting."""

    line: int
    responsibility: str
    kind: str
    amount_cents: int  # positive raises the balance
    paid_by: str | None
    group_code: str | None
    reason_code: str | None
    posted_on: str

    @property
    def kind_in_file(self) -> str:
        """Return the kind as files write it."""
        return REFUND if self.kind == PostingKind.PAYMENT and self.amount_cents > 0 else self.kind

    def to_post(self, *, is_new: bool) -> str:
        """Return the posting with its effect in words, for people."""
        amount = format_cents(abs(self.amount_cents))
        if is_new and self.kind != PostingKind.TRANSFER:
            return f"new {self.named} of {amount} {self._place()}"
        effect = f"raises the balance by {amount}" if self.amount_cents > 0 else f"lowers the balance by {amount}"
        return f"{self.named} that {effect} {self._place()}"

    def __str__(self) -> str:
        """Return the values in one line, for people."""
        is_payment = self.kind == PostingKind.PAYMENT
        amount = f"of {format_cents(abs(self.amount_cents))}" if is_payment else format_cents(self.amount_cents)
        return f"{self.named} {amount} {self._place()}"

    @property
    def named(self) -> str:
        """Return the kind with its payer or codes, such as "payment by primary" or "CO-45 adjustment"."""
        codes = f"{self.group_code}-{self.reason_code} " if self.group_code and self.reason_code else ""
        by = "" if not self.paid_by else f" {'to' if self.kind_in_file == REFUND else 'by'} {self.paid_by}"
        return f"{codes}{self.kind_in_file}{by}"

    def _place(self) -> str:
        return f"({self.responsibility}, line {self.line}, {dt.date.fromisoformat(self.posted_on):%m/%d/%Y})"
