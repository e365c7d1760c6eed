"""Read rows without faults fast. Most fields of a file repeat, so each value is read once and then looked up."""

from operator import getitem, itemgetter
from typing import Any, Final

from core.intake.parsing import spreadsheet
from core.intake.parsing.fields import BadField, Column
from core.intake.parsing.header import Header

VALUES_MAX: Final = 20_000  # of one column, so that memory does not grow with the file


class Values(dict[str, Any]):
    """The values of a column by field, read when first looked up."""

    def __init__(self, column: Column) -> None:
        super().__init__()
        self._column = column

    def __missing__(self, field: str) -> Any:
        """Read the field and keep its value. Raise `BadField`."""
        value = self.read(field)
        if len(self) == VALUES_MAX:
            self.clear()
        self[field] = value
        return value

    def read(self, field: str) -> Any:
        """Return the value of a field. Raise `BadField`."""
        bare = field.strip()
        if not bare and not self._column.optional:
            raise BadField
        if bare.startswith("#") and spreadsheet.error_in(bare):
            raise BadField
        return self._column.read(bare) if bare else self._column.empty


class PlainRows:
    """Read the rows of a file that have as many fields as its header. Any other row is left to the careful reader."""

    def __init__(self, header: Header) -> None:
        """Prepare the columns. If the file lacks one, no row is plain."""
        places = [place for place, _ in header.read if place is not None]
        self._values = [Values(column) for _, column in header.read]
        self._header = header.fields
        self._is_plain = len(places) == len(header.read) and not header.unnamed and header.width == len(header.fields)
        in_order = places == list(range(len(header.fields)))
        self._pick = None if in_order or len(places) < 2 else itemgetter(*places)  # noqa: PLR2004 – one is no tuple
        self._is_plain &= in_order or self._pick is not None

    def values(self, fields: list[str]) -> tuple[Any, ...] | None:
        """Return the values of a row without a fault, or None if the row needs a closer look."""
        if not self._is_plain or len(fields) != len(self._header) or fields == self._header:
            return None
        try:
            return tuple(map(getitem, self._values, fields if self._pick is None else self._pick(fields)))
        except BadField:
            return None
