"""Read what a user or program asks to post: an entry on a line, a refund, a transfer of a credit, or a void."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from core import reading
from core.enums.ledger import GroupCode, PaidBy, Responsibility
from core.errors import BadInput
from core.money import CENTS_MAX


class BadEntry(BadInput):
    """The posting is not valid."""


def bad_entry(**faults: str) -> BadEntry:
    """Return the refusal that names each bad field and how to fix it."""
    return BadEntry(reading.join_faults(faults), faults=faults)


LineNumber = Annotated[
    int, Field(ge=1, le=32_767), BeforeValidator(reading.whole_number("write a whole number, such as 1"))
]
AmountCents = Annotated[int, Field(ge=1, le=CENTS_MAX), BeforeValidator(reading.whole_number(reading.WHOLE_CENTS))]


def _without_nul(value: Any) -> Any:
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("remove the NUL character")
    return value


def _required_note(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise ValueError("give the reason")
    return _without_nul(value.strip())


RequiredNote = Annotated[
    str,
    Field(max_length=reading.NOTE_CHARACTERS_MAX, description="The reason, kept with the posting"),
    BeforeValidator(_required_note),
]


class _Dated(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    posted_on: Annotated[
        reading.Day | None, Field(description="Posting date; null means today in the practice's time zone")
    ] = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read it from JSON. Raise `BadEntry` naming each bad field and how to fix it."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise bad_entry(**reading.faults_by_path(error)) from None


class _Entry(_Dated):
    line: LineNumber
    amount_cents: AmountCents  # for a payment or an adjustment, this lowers the balance
    note: Annotated[str, Field(max_length=reading.NOTE_CHARACTERS_MAX)] = ""


class Payment(_Entry):
    """A payment received."""

    kind: Literal["payment"]
    responsibility: Responsibility  # whose balance it lowers
    paid_by: PaidBy


class Adjustment(_Entry):
    """A reduction by contract or rule."""

    kind: Literal["adjustment"]
    responsibility: Responsibility
    group_code: GroupCode
    reason_code: Annotated[str, Field(pattern=r"^[A-Z]{0,2}\d{1,3}$")]  # CARC


class Transfer(_Entry):
    """A move of a balance from one responsibility to the other."""

    kind: Literal["transfer"]
    responsibility: Responsibility  # whose balance it lowers


class Void(_Dated):
    """The reversal of an entry."""

    note: RequiredNote


class Refund(_Dated):
    """The refund of a credit."""

    line: LineNumber
    responsibility: Annotated[Responsibility, Field(description="Whose credit")]
    amount_cents: Annotated[AmountCents, Field(description="At most the credit")]
    paid_to: Annotated[PaidBy, Field(description="Who gets the refund")]
    note: RequiredNote


class Place(BaseModel):
    """A line and responsibility with a balance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    claim_id: Annotated[
        str | None, Field(max_length=200, description="Null: the same claim"), BeforeValidator(_without_nul)
    ] = None
    line: LineNumber
    responsibility: Responsibility


class CreditTransfer(_Dated):
    """The transfer of a credit to another balance of the same patient."""

    line: LineNumber
    responsibility: Annotated[Responsibility, Field(description="Whose credit")]
    amount_cents: Annotated[AmountCents, Field(description="At most the credit, and at most the balance that it pays")]
    to: Place
    note: RequiredNote


Entry = Annotated[Payment | Adjustment | Transfer, Field(discriminator="kind")]
_CURES: Final = {"reason_code": "write the CARC, such as 45"}
_ENTRY_ADAPTER: Final[TypeAdapter[Payment | Adjustment | Transfer]] = TypeAdapter(Entry)


def parse_entry(given: Mapping[str, Any]) -> Payment | Adjustment | Transfer:
    """Read an entry from JSON. Raise `BadEntry` naming each bad field and how to fix it."""
    try:
        return _ENTRY_ADAPTER.validate_python(given)
    except ValidationError as error:
        found = reading.faults_by_path(error, skip=1)  # the first part of a field path is the kind
        raise bad_entry(**{field or "kind": _CURES.get(field, message) for field, message in found.items()}) from None
