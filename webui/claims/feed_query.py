"""The feed's address: read what was typed into the fields as a filter, and write it back in short form."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode

from core.claims.claim_filter import BadFilter, ClaimFilter
from core.claims.feed import DEFAULT_SORT, ELIGIBILITY, PAGE_CLAIMS_MAX, Sort
from core.enums.claims import AgeBasis, AgeBucket, ClaimStatus, ClaimType
from core.enums.ledger import GroupCode
from core.money import BadAmount, format_plain_amount, parse_amount

PATIENT_KEY: Final = "patient_key"  # stands for the patient's name in an address
PAGE_SIZES: Final = (50, 100, PAGE_CLAIMS_MAX)
TEXT_CHARACTERS_MAX: Final = 200
DAYS_MAX: Final = 40_000
CENTS_KEYS: Final = (
    "amount",
    *(f"{side}_due_{end}" for side in ("insurance", "patient", "total") for end in ("min", "max")),
)
MULTI_VALUE_KEYS: Final = frozenset(
    {
        "billing_status", "claim_status", "office", "billing_provider", "supervising_provider", "patient_id",
        "eligibility", "age_bucket",
    }
)  # fmt: skip

_DAYS_KEYS: Final = ("age_min_days", "age_max_days", "no_answer_min_days")
_COUNT_KEYS: Final = ("statements_sent_min", "statements_sent_max")
_NUMBER_KEYS: Final = (*_DAYS_KEYS, *_COUNT_KEYS)
COUNT_MAX: Final = 999
_DATE: Final = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})|(\d{4})-(\d{2})-(\d{2})")
_YES_NO_KEYS: Final = ("has_primary", "has_secondary", "on_hold", "in_job")
_YES_OR_NO: Final = {"true": True, "false": False}  # as in the API's address
_LEGACY_YES_NO: Final = {"yes": "true", "no": "false"}  # in addresses that users saved


class BadField(Exception):
    """What is wrong with one field, in words."""


def _text(typed: str) -> str:
    if len(typed) > TEXT_CHARACTERS_MAX:
        raise BadField(f"Shorten this to {TEXT_CHARACTERS_MAX} characters.")
    if "\x00" in typed:
        raise BadField("This contains a character that can’t be used here. Retype the text.")
    return typed


def _date(typed: str) -> str:
    match = _DATE.fullmatch(typed)
    if match is None:
        raise BadField("Enter the date as MM/DD/YYYY, such as 08/28/2021.")
    month, day, year = match.group(1, 2, 3) if match.group(1) else match.group(5, 6, 4)
    if len(year) == len("26"):
        year = f"20{year}"
    try:
        return dt.date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        raise BadField(f"{typed} is not a valid date. Enter it as MM/DD/YYYY, such as 08/28/2021.") from None


def _cents(typed: str) -> str:
    try:
        return format_plain_amount(parse_amount(typed))
    except BadAmount:
        raise BadField("Enter dollars and cents, such as 50.00. Use a minus sign for a credit.") from None


def _days(typed: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}", typed) or int(typed) > DAYS_MAX:
        raise BadField(f"Enter a whole number of days, 0 to {DAYS_MAX:,}.")
    return str(int(typed))


def _count(typed: str) -> str:
    if not re.fullmatch(r"[0-9]{1,3}", typed):
        raise BadField(f"Enter a whole number, 0 to {COUNT_MAX}.")
    return str(int(typed))


def _one_of(known: Iterable[str]) -> Callable[[str], str]:
    choices = frozenset(known)

    def read(typed: str) -> str:
        if typed not in choices:
            raise BadField("Choose one from the list.")
        return typed

    return read


def _yes_or_no(typed: str) -> str:
    return _one_of(_YES_OR_NO)(_LEGACY_YES_NO.get(typed, typed))


_PARSERS: Final[Mapping[str, Callable[[str], str]]] = {
    "billing_status": _text,
    "claim_status": _one_of(ClaimStatus),
    "claim_type": _one_of(ClaimType),
    "office": _text,
    "billing_provider": _text,
    "supervising_provider": _text,
    "payer": _text,
    "payer_id": _text,
    "primary_payer_id": _text,
    "patient": _text,
    PATIENT_KEY: _text,
    # These have no field of their own: a link, a search or a schedule sets them.
    "patient_id": _text,
    "claim_id": _text,
    "claim_id_part": _text,
    "claim_id_prefix": _text,
    "from": _date,
    "to": _date,
    **dict.fromkeys(CENTS_KEYS, _cents),
    "age_bucket": _one_of(AgeBucket),
    "age_basis": _one_of(AgeBasis),
    **dict.fromkeys(_DAYS_KEYS, _days),
    "last_payment_before": _date,
    **dict.fromkeys(_COUNT_KEYS, _count),
    "last_statement_before": _date,
    "denied_from": _date,
    "denied_to": _date,
    "denial_group": _one_of(GroupCode),
    "denial_carc": _text,
    **dict.fromkeys(("last_answer_from", "last_answer_to"), _date),
    **dict.fromkeys(("last_answer_status", "payer_claim_number"), _text),
    **dict.fromkeys(_YES_NO_KEYS, _yes_or_no),
    "eligibility": _one_of(ELIGIBILITY),
}
FILTER_KEYS: Final = frozenset(_PARSERS) - {PATIENT_KEY}
STANDARD_VIEW: Final = 0
_RANGES: Final = (
    *((f"{side}_due_min", f"{side}_due_max", "min") for side in ("insurance", "patient", "total")),
    ("age_min_days", "age_max_days", "min"),
    ("from", "to", "from"),
    ("statements_sent_min", "statements_sent_max", "min"),
    ("denied_from", "denied_to", "from"),
    ("last_answer_from", "last_answer_to", "from"),
)


@dataclass(frozen=True)
class FeedQuery:
    """A request to the feed: a filter (None if a field is faulty), an order, a page."""

    typed: Mapping[str, Sequence[str]]  # what the fields show again
    filter: ClaimFilter | None
    faults: Mapping[str, str] = field(default_factory=dict)  # messages by field; "" for the address itself
    sort: Sort = DEFAULT_SORT
    limit: int = PAGE_SIZES[0]
    cursor: str | None = None
    view: int | None = None  # whose columns to show; `STANDARD_VIEW` for none

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Read an address or a form. Faults are kept by field, and everything typed is kept."""
        typed: dict[str, list[str]] = {}
        other: dict[str, str] = {}
        faults: dict[str, str] = {}
        for key, value in pairs:
            if key not in _PARSERS:
                other[key] = value
            elif value.strip():
                before = typed.get(key, []) if key in MULTI_VALUE_KEYS else []
                typed[key] = [*before, _parse_field(key, value.strip(), faults)]
        faults |= _empty_range_errors(typed, faults)
        if PATIENT_KEY in typed and "patient" not in typed:
            faults["patient"] = "This link no longer works for the patient. Enter the name again."
        sort, limit = _parse_sort_and_limit(other, faults)
        read = None if faults else ClaimFilter.of(_filter_arguments(typed))
        view = int(other["view"]) if re.fullmatch(r"[0-9]{1,18}", other.get("view", "")) else None
        return cls(typed, read, faults, sort, limit, other.get("cursor") or None, view)

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Read what follows the question mark."""
        return cls.of(cls.pairs_of(text))

    @staticmethod
    def pairs_of(text: str) -> list[tuple[str, str]]:
        """Split what follows the question mark."""
        return parse_qsl(text, keep_blank_values=True)

    def refused(self, words: str) -> Self:
        """Return the same query with a fault of the address itself and no result."""
        return replace(self, filter=None, faults={**self.faults, "": words}, cursor=None)

    @property
    def filter_text(self) -> str:
        """Return the filter as it appears in an address, with a key for the patient's name.

        The selection is stored under this name.
        """
        assert self.faults or "patient" not in self.typed or PATIENT_KEY in self.typed, "the filter would be wider"
        return self._encoded(without="patient")

    def text(self, **changes: str | int | None) -> str:
        """Return the address's query string with `changes` to order and page, without defaults."""
        return "&".join(filter(None, (self.filter_text, self._list_text(changes))))

    @property
    def body_filter(self) -> str:
        """Return the filter for the body of a form, with the patient's name."""
        return self._encoded(without=PATIENT_KEY)

    def body(self, **changes: str | int | None) -> str:
        """Return the filter, order and page for the body of a form."""
        return "&".join(filter(None, (self._encoded(without=""), self._list_text(changes))))

    def _encoded(self, *, without: str) -> str:
        keys = [key for key in _PARSERS if key != without]
        return urlencode([(key, value) for key in keys for value in self.typed.get(key, ())])

    def _list_text(self, changes: Mapping[str, str | int | None]) -> str:
        parts: dict[str, Any] = {
            "sort": str(self.sort), "limit": self.limit, "cursor": self.cursor, "view": self.view, **changes
        }  # fmt: skip
        usual = {"sort": str(DEFAULT_SORT), "limit": PAGE_SIZES[0]}
        return urlencode(
            [(key, str(part)) for key, part in parts.items() if part is not None and part != usual.get(key)]
        )

    def narrowed_to(self, key: str, value: str | None) -> str:
        """Return the query string of the first page with this value of one filter key, or without the key."""
        typed = {**self.typed, key: [value] if value else []}
        return replace(self, typed=typed).text(cursor=None)

    def first(self, key: str) -> str:
        """Return what one field shows, with dates as the practice writes them."""
        value = next(iter(self.typed.get(key, ())), "")
        if _PARSERS[key] is _date and key not in self.faults:
            return f"{dt.date.fromisoformat(value):%m/%d/%Y}" if value else ""
        return value


def _parse_field(key: str, value: str, faults: dict[str, str]) -> str:
    try:
        return _PARSERS[key](value)
    except BadField as fault:
        faults[key] = str(fault)
        return value


def _empty_range_errors(typed: Mapping[str, list[str]], faults: Mapping[str, str]) -> dict[str, str]:
    """Return faults for ranges that end before they begin, which match nothing and are always mistakes."""
    found = {}
    for least, most, words in _RANGES:
        if least in typed and most in typed and least not in faults and most not in faults:
            low, high = _comparable(least, typed[least][-1]), _comparable(most, typed[most][-1])
            if low > high:
                found[most] = f"This is below the “{words}” value, so no claim can match."
    return found


def _comparable(key: str, value: str) -> Any:
    return parse_amount(value) if key in CENTS_KEYS else int(value) if key in _NUMBER_KEYS else value


def _parse_sort_and_limit(other: dict[str, str], faults: dict[str, str]) -> tuple[Sort, int]:
    sort = DEFAULT_SORT
    try:
        sort = Sort.of(other.get("sort", str(DEFAULT_SORT)))
    except BadFilter:
        faults[""] = "The feed can’t be sorted by this. Choose a column."
    sizes = {str(size): size for size in PAGE_SIZES}
    limit = sizes.get(other.get("limit") or str(PAGE_SIZES[0]), 0)
    if not limit:
        limit = PAGE_SIZES[0]
        faults[""] = f"A page can show {', '.join(map(str, PAGE_SIZES[:-1]))} or {PAGE_SIZES[-1]} claims."
    unknown = other.keys() - {"sort", "limit", "cursor", "view", "counts", "totals"}
    if unknown:
        # A typo in an address must not show every claim.
        faults[""] = f"Unknown filter in the address: {', '.join(sorted(name[:40] for name in unknown))}."
    return sort, limit


def _filter_arguments(typed: Mapping[str, list[str]]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key, values in typed.items():
        if key == PATIENT_KEY:
            continue
        if key in CENTS_KEYS:
            given[f"{key}_cents"] = parse_amount(values[-1])
        elif key in _NUMBER_KEYS:
            given[key] = int(values[-1])
        elif key in _YES_NO_KEYS:
            given[key] = _YES_OR_NO[values[-1]]
        else:
            given[key] = values if key in MULTI_VALUE_KEYS else values[-1]
    return given
