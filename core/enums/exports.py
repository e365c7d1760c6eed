"""The columns, dates and signs of write-off files."""

from enum import StrEnum
from typing import Final

STANDARD: Final = "Standard"  # the layout that every practice has


class Column(StrEnum):
    """A value that a column in the file can contain."""

    CLAIM_ID = "claim_id"
    PATIENT_ID = "patient_id"
    PATIENT = "patient"
    SERVICE_DATE = "service_date"
    LINE = "line"
    PROCEDURE_CODE = "procedure_code"
    RESPONSIBILITY = "responsibility"
    AMOUNT = "amount"
    POSTING_DATE = "posting_date"
    KIND = "kind"
    REASON = "reason"
    ADJUSTMENT_CODE = "adjustment_code"
    GL_ACCOUNT = "gl_account"
    JOB = "job"
    USER = "user"
    POSTING_ID = "posting_id"
    REVERSES_POSTING_ID = "reverses_posting_id"
    IMPORT_ID = "import_id"  # the posting ID with a prefix, so that it differs from the IDs in other import files
    TEXT = "text"  # the same text in every row, or none


class DateFormat(StrEnum):
    """How a file writes dates. An XLSX file contains real dates and displays them in this format."""

    US = "MM/DD/YYYY"
    US_BARE = "M/D/YYYY"
    US_SHORT = "MM/DD/YY"
    ISO = "YYYY-MM-DD"
    COMPACT = "YYYYMMDD"


class Sign(StrEnum):
    """How the file writes a write-off's amount. A reversal has the opposite sign."""

    NEGATIVE = "negative"  # as in the ledger: it lowers the balance
    POSITIVE = "positive"
