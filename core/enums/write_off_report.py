"""The columns of the write-offs report, and what it is grouped by."""

from enum import StrEnum
from typing import Final


class Column(StrEnum):
    """An amount of the report."""

    WRITTEN_OFF = "written_off"
    REVERSED = "reversed"
    RECOVERED = "recovered"
    REPLACED = "adjusted_later"
    NET = "net"
    CHARGES = "charges"


COLUMN_NAMES: Final = {
    Column.WRITTEN_OFF: "Written off",
    Column.REVERSED: "Reversed",
    Column.RECOVERED: "Recovered",
    Column.REPLACED: "Adjusted later",
    Column.NET: "Net written off",
    Column.CHARGES: "Charges",
}


class Dimension(StrEnum):
    """What the report can be grouped by, in the order of its columns."""

    MONTH = "month"
    REASON = "reason"
    PAYER_CLASS = "payer_class"
    PAYER = "payer"
    PROVIDER = "provider"
    PERSON = "person"


DIMENSION_NAMES: Final = {
    Dimension.MONTH: "Month",
    Dimension.REASON: "Reason",
    Dimension.PAYER_CLASS: "Payer class",
    Dimension.PAYER: "Payer",
    Dimension.PROVIDER: "Provider",
    Dimension.PERSON: "Written off by",
}
