"""The feed's columns: names, cell content, and which ones are hidden at first."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.claims.age_buckets import BUCKETS, LABELS
from core.claims.export import Cell
from core.claims.feed import CAN_SETTLE, FeedRow, Sort, SortBy
from core.enums.claims import AgeBasis, AgeBucket, ClaimStatus, ClaimType
from core.enums.ledger import GroupCode
from core.enums.practices import SELF_PAY
from core.money import format_plain_amount
from core.x12 import code_labels
from webui.shared.labels import Pill, clock_time, date, words

ELIGIBILITY_PILLS: Final = {
    CAN_SETTLE: Pill("Can settle", "check", "good"),
    "already_settled": Pill("Already settled", "check", ""),
    "balance_mismatch": Pill("Balance mismatch", "alert", "bad"),
    "on_hold": Pill("On hold", "lock", "warn"),
    "future_service": Pill("Future service", "clock", "warn"),
    "credit_insurance": Pill("Insurance credit", "alert", "warn"),
    "credit_patient": Pill("Patient credit", "alert", "warn"),
    "credit_line": Pill("Service line credit", "alert", "warn"),
    "held_answer": Pill("Answer held", "alert", "warn"),
    "in_process": Pill("In process", "dots", "warn"),
    "rejected": Pill("Rejected", "alert", "warn"),
    "not_submitted": Pill("Never submitted", "alert", "warn"),
    "secondary_pending": Pill("Secondary pending", "dots", "warn"),
    "in_appeal_window": Pill("Can be appealed", "clock", "warn"),
    "recent_payment": Pill("Recent payment", "clock", "warn"),
    "too_few_statements": Pill("Too few statements", "clock", "warn"),
    "recent_statement": Pill("Recent statement", "clock", "warn"),
    "write_off_off": Pill("Status change only", "info", ""),
    "nothing_due": Pill("Nothing to write off", "info", ""),
}
AGE_BASIS_NAMES: Final[Mapping[str, str]] = {
    AgeBasis.SERVICE: "Date of service",
    AgeBasis.FIRST_BILL: "First bill (date of service if none)",
}
# The choices of the filter's fields, besides the practice's own names.
FILTER_CHOICES: Final[Mapping[str, Any]] = {
    "eligibilities": [(code, pill.word) for code, pill in ELIGIBILITY_PILLS.items()],
    "age_choices": [(bucket.key.value, f"{bucket.label} days") for bucket in BUCKETS],
    "age_bases": [(basis.value, AGE_BASIS_NAMES[basis]) for basis in AgeBasis if basis is not AgeBasis.SERVICE],
    "claim_types": [(kind.value, words(kind)) for kind in ClaimType],
    "denial_groups": [(group.value, f"{group.value}: {words(group)}") for group in GroupCode],
    "answer_statuses": [(code, code_labels.labeled(code, "status")) for code in code_labels.STATUS_LABELS],
    "claim_statuses": [(status.value, words(status)) for status in ClaimStatus],
}
# A short label for each rule, including rules that only a preview checks.
SHORT_LABELS: Final = {
    **{code: pill.word for code, pill in ELIGIBILITY_PILLS.items()},
    "already_in_status": "Already in this status",
    "already_reversed": "Already reversed",
    "changed_since_preview": "Changed since the preview",
    "in_other_job": "Already in an unfinished job",
    "late_payment": "Reversed by payments",
    "medicare_cost_share": "Cost sharing",
    "cost_share_note": "Cost sharing: no note",
    "over_small_balance": "Over small-balance limit",
    "touched_since": "Changed later",
    "later_posting": "Later posting",
}


@dataclass(frozen=True)
class Column:
    """One column. `text` returns the cell for a file."""

    key: str  # a field of FeedRow
    name: str
    text: Callable[[Any], str]
    sort: SortBy
    is_money: bool = False
    is_date: bool = False
    spoken: str = ""  # the name without abbreviations
    ends: tuple[str, str] = ("A to Z", "Z to A")  # the ascending and the descending order

    def cell(self, row: FeedRow) -> Cell:
        """Return the cell for a file: a text, an amount in cents, or a date."""
        value = getattr(row, self.key) if self.is_money or self.is_date else None
        if value is None:
            return self.text(row)
        return value if isinstance(value, dt.date) else int(value)


def _service(row: FeedRow) -> str:
    return f"{date(row.service_date)} {clock_time(row.service_time)}".strip()


def _text_column(name: str) -> Callable[[FeedRow], str]:
    return lambda row: getattr(row, name) or ""


def _date_column(name: str) -> Callable[[FeedRow], str]:
    return lambda row: date(getattr(row, name)) if getattr(row, name) else ""


def _number(name: str) -> Callable[[FeedRow], str]:
    return lambda row: "" if getattr(row, name) is None else str(getattr(row, name))


def _denial(row: FeedRow) -> str:
    return code_labels.adjustment(row.denial_group, row.denial_carc) if row.denial_carc else ""


def _answer_status(row: FeedRow) -> str:
    return code_labels.labeled(row.last_answer_status, "status") if row.last_answer_status else ""


def _payer_status(payer: str | None, status: ClaimStatus) -> str:
    # A status without an insurance is a leftover that no rule reads.
    return "" if payer is None or status is ClaimStatus.NONE else words(status)


def _money_column(key: str, name: str, sort: SortBy, spoken: str = "") -> Column:
    def text(row: FeedRow) -> str:
        cents = getattr(row, key)
        return "" if cents is None else format_plain_amount(cents)

    return Column(key, name, text, sort, is_money=True, spoken=spoken, ends=("smallest first", "largest first"))


def _dates(key: str, name: str, sort: SortBy, text: Callable[[FeedRow], str] | None = None) -> Column:
    return Column(key, name, text or _date_column(key), sort, is_date=True, ends=("oldest first", "newest first"))


COLUMNS: Final = (
    Column("claim_id", "Claim ID", _text_column("claim_id"), SortBy.CLAIM),
    Column("patient_name", "Patient", _text_column("patient_name"), SortBy.PATIENT),
    _dates("service_date", "Date of Service", SortBy.DATE, _service),
    Column(
        "age_bucket",
        "Age",
        lambda row: LABELS[AgeBucket(row.age_bucket)],
        SortBy.AGE,
        ends=("newest first", "oldest first"),
    ),
    Column(
        "age_days", "Age (Days)", _number("age_days"), SortBy.AGE, spoken="age", ends=("newest first", "oldest first")
    ),
    Column("billing_status", "Billing Status", _text_column("billing_status"), SortBy.BILLING_STATUS),
    Column(
        "eligibility",
        "Write-off Check",
        lambda row: ELIGIBILITY_PILLS[row.eligibility].word,
        SortBy.ELIGIBILITY,
        ends=("claims that can settle first", "claims that can settle last"),
    ),
    _money_column("insurance_due", "Ins Bal", SortBy.INSURANCE_DUE, "insurance balance"),
    _money_column("patient_due", "Pt Bal", SortBy.PATIENT_DUE, "patient balance"),
    _money_column("total_due", "Total Bal", SortBy.TOTAL_DUE, "total balance"),
    _money_column("billed", "Billed", SortBy.BILLED),
    _money_column("written_off", "Written Off", SortBy.WRITTEN_OFF),
    Column("office", "Office", _text_column("office"), SortBy.OFFICE),
    Column("billing_provider", "Billing Provider", _text_column("billing_provider"), SortBy.BILLING_PROVIDER),
    Column(
        "supervising_provider",
        "Supervising Provider",
        _text_column("supervising_provider"),
        SortBy.SUPERVISING_PROVIDER,
    ),
    _money_column("allowed", "Allowed", SortBy.ALLOWED),
    _money_column("adjustment", "Adjmt", SortBy.ADJUSTMENT, "adjustment"),
    _money_column("primary_paid", "Ins 1 Paid", SortBy.PRIMARY_PAID, "insurance 1 paid"),
    _money_column("secondary_paid", "Ins 2 Paid", SortBy.SECONDARY_PAID, "insurance 2 paid"),
    _money_column("patient_paid", "Pt Paid", SortBy.PATIENT_PAID, "patient paid"),
    _money_column("expected", "Exp Reimbr", SortBy.EXPECTED, "expected reimbursement"),
    Column("primary_payer", "Ins 1", lambda row: row.primary_payer or SELF_PAY, SortBy.PRIMARY_PAYER),
    Column(
        "primary_status",
        "Ins 1 Status",
        lambda row: _payer_status(row.primary_payer, row.primary_status),
        SortBy.PRIMARY_STATUS,
    ),
    Column("secondary_payer", "Ins 2", _text_column("secondary_payer"), SortBy.SECONDARY_PAYER),
    Column(
        "secondary_status",
        "Ins 2 Status",
        lambda row: _payer_status(row.secondary_payer, row.secondary_status),
        SortBy.SECONDARY_STATUS,
    ),
    _dates("first_edi_on", "First EDI", SortBy.FIRST_EDI),
    _dates("last_edi_on", "Last EDI", SortBy.LAST_EDI),
    _dates("last_statement_on", "Last Statement", SortBy.LAST_STATEMENT),
    Column(
        "statements_sent",
        "Statements Sent",
        _number("statements_sent"),
        SortBy.STATEMENTS_SENT,
        ends=("fewest first", "most first"),
    ),
    _dates("denied_on", "Denied", SortBy.DENIED),
    Column("denial_carc", "Denial Code", _denial, SortBy.DENIAL),
    _dates("last_answer_on", "Last Answer", SortBy.LAST_ANSWER),
    Column("last_answer_status", "Answer Status", _answer_status, SortBy.ANSWER_STATUS),
    Column(
        "no_answer_days",
        "Days Unanswered",
        _number("no_answer_days"),
        SortBy.NO_ANSWER,
        spoken="days without an answer",
        ends=("fewest first", "most first"),
    ),
    Column(
        "payer_claim_number",
        "Payer Claim #",
        _text_column("payer_claim_number"),
        SortBy.PAYER_CLAIM_NUMBER,
        spoken="payer’s claim number",
    ),
    Column("service_codes", "Service", _text_column("service_codes"), SortBy.SERVICE),
)
_BY_SORT: Final = {column.sort: column for column in COLUMNS}
RECENT_ENDS: Final = ("newest first, future dates last", "future dates first, then oldest first")
COLUMN_BY_KEY: Final = {column.key: column for column in COLUMNS}
ALWAYS_SHOWN: Final = frozenset({"claim_id"})  # it opens the claim
# The default, few enough that the balances are visible on a laptop.
HIDDEN_BY_DEFAULT: Final = frozenset(
    {
        "age_days",
        "supervising_provider",
        "allowed",
        "adjustment",
        "secondary_paid",
        "expected",
        "secondary_payer",
        "secondary_status",
        "first_edi_on",
        "last_edi_on",
        "last_statement_on",
        "statements_sent",
        "denied_on",
        "denial_carc",
        "last_answer_on",
        "last_answer_status",
        "no_answer_days",
        "payer_claim_number",
    }
)


def order_words(sort: Sort) -> str:
    """Return the order in words, as a screen reader says it."""
    column = _BY_SORT[SortBy.DATE if sort.by is SortBy.RECENT else sort.by]
    ends = RECENT_ENDS if sort.by is SortBy.RECENT else column.ends
    return f"sorted by {column.spoken or column.name.lower()}, {ends[sort.descending]}"
