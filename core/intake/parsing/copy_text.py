"""Write rows as the text that PostgreSQL's COPY reads."""

from collections.abc import Iterable
from typing import Any, Final

_NULL: Final = "\\N"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_field(value: Any) -> str:
    """Return a text, a whole number, a date or a time as one field."""
    return _NULL if value is None else str(value).translate(_ESCAPES)


def copy_rows(rows: Iterable[Iterable[str]]) -> str:
    """Return the rows, whose fields are from `copy_field`."""
    return "".join(["\t".join(fields) + "\n" for fields in rows])
