"""The feed's columns: their names, what a cell holds, and which of them one browser hides."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.claims.feed import CAN_SETTLE, FeedRow, SortBy
from core.models.claims import ClaimStatus, ClaimType
from core.money import plain_cents
from webui.shared.labels import Pill, clock_time, date, words

COOKIE: Final = "feed_hidden"  # hidden columns by key, so that a page without JavaScript agrees
COOKIE_SECONDS: Final = 365 * 24 * 3600

ELIGIBILITY_PILLS: Final = {
    CAN_SETTLE: Pill("Can settle", "check", "good"),
    "already_settled": Pill("Already settled", "check", ""),
    "balance_mismatch": Pill("Balance mismatch", "alert", "bad"),
    "on_hold": Pill("On hold", "lock", "warn"),
    "future_service": Pill("Future service", "clock", "warn"),
    "credit_insurance": Pill("Insurance credit", "alert", "warn"),
    "credit_patient": Pill("Patient credit", "alert", "warn"),
    "credit_line": Pill("Credit on a line", "alert", "warn"),
    "in_process": Pill("In process", "dots", "warn"),
    "secondary_pending": Pill("Secondary pending", "dots", "warn"),
    "recent_payment": Pill("Recent payment", "clock", "warn"),
    "write_off_off": Pill("Status only", "info", ""),
    "nothing_due": Pill("Nothing due", "info", ""),
}
# What the filter's fields choose from, besides what the practice has.
FILTER_CHOICES: Final[Mapping[str, Any]] = {
    "eligibilities": [(code, pill.word) for code, pill in ELIGIBILITY_PILLS.items()],
    "claim_types": [(kind.value, words(kind)) for kind in ClaimType],
    "claim_statuses": [(status.value, words(status)) for status in ClaimStatus],
}
# One or two words for each rule, also for those that only a preview asks.
SHORT_WORDS: Final = {
    **{code: pill.word for code, pill in ELIGIBILITY_PILLS.items()},
    "already_in_status": "Already in this status",
    "already_reversed": "Already reversed",
    "changed_since_preview": "Changed since the preview",
    "in_other_job": "In another open job",
    "late_payment": "Paid since",
    "medicare_cost_share": "Cost sharing",
    "touched_since": "Changed since",
}


@dataclass(frozen=True)
class Column:
    """One column; `text` is what a file says in it."""

    key: str  # a field of FeedRow
    name: str
    text: Callable[[Any], str]
    sort: SortBy | None = None
    is_money: bool = False


def _service(row: FeedRow) -> str:
    return f"{date(row.service_date)} {clock_time(row.service_time)}".strip()


def _own(name: str) -> Callable[[FeedRow], str]:
    return lambda row: getattr(row, name) or ""


def _day(name: str) -> Callable[[FeedRow], str]:
    return lambda row: date(getattr(row, name)) if getattr(row, name) else ""


def _payer_status(payer: str | None, status: ClaimStatus) -> str:
    # A status without its insurance is a leftover that no rule reads.
    return "" if payer is None or status is ClaimStatus.NONE else words(status)


def _money(key: str, name: str, sort: SortBy | None = None) -> Column:
    def text(row: FeedRow) -> str:
        cents = getattr(row, key)
        return "" if cents is None else plain_cents(cents)

    return Column(key, name, text, sort, is_money=True)


COLUMNS: Final = (
    Column("claim_id", "Claim ID", _own("claim_id"), SortBy.CLAIM),
    Column("patient_name", "Patient", _own("patient_name"), SortBy.PATIENT),
    Column("service_date", "Date of Service", _service, SortBy.DATE),
    Column("office", "Office", _own("office")),
    Column("supervising_provider", "Supervising Provider", _own("supervising_provider")),
    Column("billing_provider", "Billing Provider", _own("billing_provider")),
    _money("billed", "Billed"),
    _money("allowed", "Allowed"),
    _money("adjustment", "Adjmt"),
    _money("primary_paid", "Ins 1 Paid"),
    _money("secondary_paid", "Ins 2 Paid"),
    _money("patient_paid", "Pt Paid"),
    _money("written_off", "Written Off"),
    _money("insurance_due", "Ins Bal", SortBy.INSURANCE_DUE),
    _money("patient_due", "Pt Bal", SortBy.PATIENT_DUE),
    _money("total_due", "Total Bal", SortBy.TOTAL_DUE),
    _money("expected", "Exp Reimbr"),
    Column("primary_payer", "Ins 1", _own("primary_payer")),
    Column("primary_status", "Ins 1 Status", lambda row: _payer_status(row.primary_payer, row.primary_status)),
    Column("secondary_payer", "Ins 2", _own("secondary_payer")),
    Column("secondary_status", "Ins 2 Status", lambda row: _payer_status(row.secondary_payer, row.secondary_status)),
    Column("first_edi_on", "First EDI", _day("first_edi_on")),
    Column("last_edi_on", "Last EDI", _day("last_edi_on")),
    Column("service_codes", "Service", _own("service_codes")),
    Column("billing_status", "Billing Status", _own("billing_status")),
    Column("eligibility", "Eligibility", lambda row: ELIGIBILITY_PILLS[row.eligibility].word),
)
ALWAYS: Final = frozenset({"claim_id"})  # it opens the claim
# Until somebody chooses: so few that what one decides by, the balances, is in sight on a laptop.
HIDDEN_AT_FIRST: Final = frozenset(
    {
        "supervising_provider",
        "allowed",
        "adjustment",
        "secondary_paid",
        "written_off",
        "expected",
        "secondary_payer",
        "secondary_status",
        "first_edi_on",
        "last_edi_on",
    }
)
_KEYS: Final = frozenset(column.key for column in COLUMNS)


def shown(hidden: Collection[str]) -> Sequence[Column]:
    """The columns that are not hidden, in their order."""
    return [column for column in COLUMNS if column.key in ALWAYS or column.key not in hidden]


def hidden_of(cookie: str | None) -> frozenset[str]:
    """What the cookie hides; keys of other versions are passed over."""
    if cookie is None:
        return HIDDEN_AT_FIRST
    return _KEYS.intersection(cookie.split(".")) - ALWAYS


def cookie_of(shown_keys: Collection[str]) -> str:
    """The cookie where exactly these are shown."""
    return ".".join(column.key for column in COLUMNS if column.key not in ALWAYS and column.key not in shown_keys)
