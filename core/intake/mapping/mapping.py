"""A mapping: what each column in an office's file means, and how its values are written."""

from collections.abc import Mapping as Dict
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from core import reading
from core.enums.claims import BILLING_STATUSES, ClaimStatus, ClaimType, Hold
from core.enums.ledger import GroupCode, Responsibility
from core.enums.practices import PayerClass
from core.errors import BadInput
from core.intake.mapping.date_formats import DateFormat
from core.intake.mapping.targets import ADJUSTMENT_FIELDS, PAYMENT_FIELDS, TARGETS, Field, Kind

COLUMNS_MAX: Final = 500
WORDS_MAX: Final = 1_000  # whose meaning is defined, for one field
TEXT_MAX: Final = 200  # characters of a header, a value or a constant
NO_CLAIM_STATUS: Final = (
    "No claim status is imported. The rules for claims in process at a payer and for rejected claims cannot protect "
    "these claims. A denied claim is recognized only by its denial date."
)
NO_PAYMENT_DATE: Final = (
    "No date of payments and adjustments is imported. Those of new claims are posted on the date of service, and later "
    "ones on the day of the import. The rule for recent payments knows no other date."
)
NO_DENIAL_DATE: Final = (
    "an insurance balance and no denial date. The rule for denied claims in the appeal window cannot protect"
)

Text = Annotated[str, StringConstraints(max_length=TEXT_MAX, pattern=r"^[^\x00]*$")]

OUR_WORDS: Final[dict[Field, tuple[str, ...] | None]] = {
    Field.PAYER_CLASS: tuple(PayerClass),
    Field.PRIMARY_STATUS: tuple(ClaimStatus),
    Field.SECONDARY_STATUS: tuple(ClaimStatus),
    Field.CLAIM_TYPE: tuple(ClaimType),
    Field.HOLD: tuple(Hold),
    Field.RESPONSIBILITY: tuple(Responsibility),
    Field.DENIAL_GROUP: tuple(GroupCode),
    Field.BILLING_STATUS: None,  # the standard ones and the practice's own
}
"""Our words, which a file's words can mean. None allows any word."""


class BadMapping(BadInput):
    """The mapping is not valid."""


class Problem(NamedTuple):
    """Why a mapping cannot be used: a code, and a sentence with the fix."""

    code: str
    sentence: str
    field: Field | None = None  # the field that a question is about


class Mapping(BaseModel):
    """How to read a file. The keys of `columns` are the file's own headers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: Literal["claim", "line"] = "claim"  # one row for each
    sheet: Text | None = None  # if the workbook has several
    encoding: Literal["utf-8", "windows-1252"] = "utf-8"  # UTF-16 and byte order marks are detected
    columns: dict[Text, Field] = {}
    not_imported: list[Text] = []  # headers of columns without a meaning; a file with any other header is new
    constants: dict[Field, Text] = {}  # the same value for every row
    dates: dict[Field, DateFormat] = {}
    words: dict[Field, dict[Text, Text]] = {}  # the file's word, and ours; an empty word means no value
    payer_classes: dict[Text, PayerClass] = {}  # by the payer's name as in the file
    payments_below_zero: bool = False  # a payment is written -10.00
    adjustments_below_zero: bool = False
    credit_words: bool = False  # 10.00 CR is -10.00
    post_difference: bool = False  # post what the columns do not explain as one adjustment

    @classmethod
    def of(cls, given: Dict[str, Any] | str) -> "Mapping":
        """Read a mapping from JSON. Raise `BadMapping` with each bad field."""
        try:
            return cls.model_validate_json(given) if isinstance(given, str) else cls.model_validate(given)
        except ValidationError as error:
            raise BadMapping(reading.join_faults(reading.faults_by_path(error))) from None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, omitting default values."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def headers(self) -> dict[Field, str]:
        """Return the header of each mapped field."""
        return {field: header for header, field in self.columns.items()}

    def has(self, *fields: Field) -> bool:
        """Return whether a column or a constant gives one of the fields."""
        return any(field in self.constants for field in fields) or any(
            field in fields for field in self.columns.values()
        )

    @property
    def identifies_lines(self) -> bool:
        """Return whether a later export of the claims shows which of its rows is which service line."""
        return self.rows == "claim" or self.has(Field.LINE)

    def warnings(self) -> list[str]:
        """Return what the import will lack with this mapping. It can be used anyway."""
        found = [] if self.has(Field.PRIMARY_STATUS, Field.SECONDARY_STATUS) else [NO_CLAIM_STATUS]
        is_undated = self.has(*PAYMENT_FIELDS, *ADJUSTMENT_FIELDS) and not self.has(Field.POSTING_DATE)
        return [*found, NO_PAYMENT_DATE] if is_undated else found

    def problems(self) -> list[Problem]:
        """Return what keeps the mapping from being used."""
        return [*_twice(self), *_missing(self), *_bad_words(self)]

    def require_usable(self) -> None:
        """Raise `BadMapping` with every problem."""
        found = self.problems()
        if found:
            raise BadMapping(" ".join(problem.sentence for problem in found), problems=[one.code for one in found])


def _twice(mapping: Mapping) -> list[Problem]:
    """Return fields that have two columns, or both a column and a constant."""
    found = []
    for field in Field:
        headers = [header for header, meant in mapping.columns.items() if meant is field]
        label = TARGETS[field].label
        if len(headers) > 1:
            listed = " and ".join(f'"{header}"' for header in headers)
            found.append(Problem("two_columns", f"The columns {listed} both mean {label}. Choose one."))
        if headers and field in mapping.constants:
            sentence = f'{label} has both the column "{headers[0]}" and a value for every row. Remove one.'
            found.append(Problem("column_and_constant", sentence))
    if len(mapping.columns) > COLUMNS_MAX:
        found.append(Problem("too_many_columns", f"Map at most {COLUMNS_MAX} columns."))
    return found


def _missing(mapping: Mapping) -> list[Problem]:
    """Return required fields without a column or a constant."""
    found = []
    mapped = set(mapping.columns.values())
    if Field.CLAIM not in mapped:
        found.append(Problem("no_claim_number", "Choose the column with the claim ID."))
    if Field.PATIENT_NAME not in mapped and not {Field.FIRST_NAME, Field.LAST_NAME} <= mapped:
        sentence = "Choose the column with the patient's name, or the columns with the last name and first name."
        found.append(Problem("no_patient_name", sentence))
    if not mapping.has(Field.SERVICE_DATE):
        found.append(Problem("no_service_date", "Choose the column with the date of service."))
    for field in Field:
        if TARGETS[field].kind is Kind.DATE and mapping.has(field) and field not in mapping.dates:
            label = TARGETS[field].label
            found.append(Problem("no_date_format", f"Choose the date format for {label}, such as MM/DD/YYYY."))
    one_id = mapping.has(Field.PRIMARY_PAYER_ID) != mapping.has(Field.SECONDARY_PAYER_ID)
    if one_id and mapping.has(Field.SECONDARY_PAYER) and mapping.has(Field.PRIMARY_PAYER):
        sentence = (
            "Map the ID columns for both payers, or for neither. With only one, the same payer would be created twice."
        )
        found.append(Problem("one_payer_id", sentence))
    found += _missing_money(mapping)
    return found


def _missing_money(mapping: Mapping) -> list[Problem]:
    """Return what is missing to know who owes how much."""
    both = mapping.has(Field.INSURANCE_BALANCE) and mapping.has(Field.PATIENT_BALANCE)
    one_of_total = mapping.has(Field.TOTAL_BALANCE) and mapping.has(Field.INSURANCE_BALANCE, Field.PATIENT_BALANCE)
    by_owner = mapping.has(Field.RESPONSIBILITY) and mapping.has(Field.TOTAL_BALANCE, Field.CHARGE)
    if not (both or one_of_total or by_owner):
        sentence = (
            "Choose the columns with the insurance balance and the patient balance. Or choose the total balance plus "
            "one more column: the insurance balance, the patient balance, or who owes the balance."
        )
        return [Problem("no_balance", sentence)]
    if mapping.has(*PAYMENT_FIELDS, *ADJUSTMENT_FIELDS) and not mapping.has(Field.CHARGE):
        sentence = (
            "If you map payments or adjustments, you must also map the charge. Choose the charge column, or clear the "
            "payment and adjustment columns."
        )
        return [Problem("no_charge", sentence)]
    return []


def _bad_words(mapping: Mapping) -> list[Problem]:
    """Return meanings that are not our words."""
    found = []
    for field, words in mapping.words.items():
        label = TARGETS[field].label
        if field not in OUR_WORDS:
            found.append(
                Problem("no_words", f"You can't define value meanings for {label}. Remove them from the mapping.")
            )
            continue
        if len(words) > WORDS_MAX:
            found.append(Problem("too_many_words", f"Define meanings for at most {WORDS_MAX:,} values of {label}."))
        allowed = OUR_WORDS[field]
        for word, ours in words.items():
            if ours and allowed is not None and ours not in allowed:
                sentence = f'{label}: "{word}" must mean one of these: {", ".join(allowed)}.'
                found.append(Problem("unknown_word", sentence))
    return found


STANDARD_STATUSES: Final = {status.casefold(): status for status in BILLING_STATUSES}
