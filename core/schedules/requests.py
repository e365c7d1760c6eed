"""The definition of a schedule without its mode. A new schedule only reports; settling requires CONFIRM."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from core.claims.claim_filter import ClaimFilter
from core.errors import BadInput
from core.money import CENTS_MAX, UNLIMITED_WORD
from core.reading import NOTE_CHARACTERS_MAX, checked_name, is_valid_note, join_faults, number

NAME_CHARACTERS_MAX: Final = 60
MAIL_TO_MAX: Final = 20  # addresses; use a mailing list for more
LATE_MINUTES_MAX: Final = 1_380  # 23 hours, so that a run is never late when the next is due
DEFAULT_LATE_MINUTES: Final = 240
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME: Final = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:00)?", re.ASCII)
# No character that could end a header or start a second address. Only ASCII, because not every server accepts more.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,180}[A-Za-z0-9])?")


class BadSchedule(BadInput):
    """Something in the schedule is not valid."""


def _time(value: Any) -> dt.time:
    if isinstance(value, dt.time):
        if value.second or value.microsecond or value.tzinfo:
            raise ValueError
        return value
    if not isinstance(value, str) or not _TIME.fullmatch(value.strip()):
        raise ValueError
    hour, minute = value.strip().split(":")[:2]
    return dt.time(int(hour), int(minute))


def parse_claims_cap(typed: str) -> int | str | None:
    """Read a cap on claims as typed: a whole number or "unlimited". Return None for anything else."""
    return UNLIMITED_WORD if typed.strip().lower() == UNLIMITED_WORD else number(typed)


_TimeText = Annotated[str, Field(pattern=rf"^\s*({_TIME.pattern})\s*$")]
Cap = Annotated[int, Field(ge=1, le=CENTS_MAX, strict=True)] | Literal["unlimited"]


# Fields whose columns have different names. Forms, programs and the audit log use the fields' names.
COLUMNS: Final = {"late_minutes": "grace_minutes"}
FIELDS: Final = {**{column: field for field, column in COLUMNS.items()}, "own_reason": "reason"}


class ScheduleRequest(BaseModel):
    """A schedule as entered: which claims, when, why, the caps, and who gets the report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    filter: dict[str, Any]
    local_time: Annotated[dt.time, BeforeValidator(_time, json_schema_input_type=_TimeText)]
    weekdays: tuple[Literal[WEEKDAYS], ...]  # type: ignore[valid-type]
    reason: Annotated[str, Field(min_length=1, max_length=100, description="Code of a write-off reason")]
    note: str = ""
    claims_max: Cap
    cents_max: Cap
    late_minutes: Annotated[int, Field(ge=1, le=LATE_MINUTES_MAX, strict=True)] = DEFAULT_LATE_MINUTES
    mail_to: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read a schedule from JSON. Raise `BadSchedule` with `faults` by field."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            faults: dict[str, str] = {}
            for fault in error.errors():
                field = str(fault["loc"][0]) if fault["loc"] else "schedule"
                faults.setdefault(field, _words(field, fault))
        # Raised outside of the `except`, because pydantic's error contains what was typed.
        raise BadSchedule(join_faults(faults), faults=faults)

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        return checked_name(" ".join(name.split()), ValueError, most=NAME_CHARACTERS_MAX)

    @field_validator("filter")
    @classmethod
    def _narrows(cls, given: dict[str, Any]) -> dict[str, Any]:
        try:
            found = ClaimFilter.of(given)
        except BadInput as bad:
            raise ValueError(bad.message) from None
        if found.selects_every_claim:
            raise ValueError("the filter is empty; give at least one key, because a schedule can't include every claim")
        return found.given()

    @field_validator("weekdays")
    @classmethod
    def _at_least_one(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        if not days:
            raise ValueError
        return tuple(day for day in WEEKDAYS if day in days)

    @field_validator("note")
    @classmethod
    def _fits(cls, note: str) -> str:
        if not is_valid_note(note, least=0):
            raise ValueError
        return note.strip()

    @field_validator("mail_to")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(dict.fromkeys(address.strip() for address in addresses if address.strip()))
        if len(cleaned) > MAIL_TO_MAX or not all(map(_ADDRESS.fullmatch, cleaned)):
            raise ValueError
        return cleaned


_CAP: Final = "enter a number, or the word unlimited"
_CURES: Final = {
    "name": f"enter a name of at most {NAME_CHARACTERS_MAX} characters",
    "filter": "use the same keys as the feed's filter",
    "local_time": "enter a time of day, hours and minutes, such as 02:30",
    "weekdays": f"choose at least one of {', '.join(WEEKDAYS)}",
    "reason": "choose one of the practice's write-off reasons, such as small_balance",
    "note": f"at most {NOTE_CHARACTERS_MAX} characters",
    "claims_max": f"{_CAP}; at least one claim",
    "cents_max": f"{_CAP}; at least one cent",
    "late_minutes": f"enter a number of minutes from 1 to {LATE_MINUTES_MAX:,} (23 hours)",
    "mail_to": f"enter e-mail addresses such as name@example.org, at most {MAIL_TO_MAX}",
}


def _words(field: str, fault: Mapping[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        return f"not a field of a schedule; the fields are {', '.join(ScheduleRequest.model_fields)}"
    message = str(fault.get("ctx", {}).get("error", "")) if fault["type"] == "value_error" else ""
    return message or _CURES.get(field, "is not valid")
