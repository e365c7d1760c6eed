"""A set of internal claim ids as one array parameter."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, any_, bindparam, cast, func, true
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import UserDefinedType


class _BigintArray(UserDefinedType[str]):
    """A bigint[] in PostgreSQL's own notation: `{1,2,3}`."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name in SQL."""
        return "BIGINT[]"


@dataclass(frozen=True)
class ClaimIds:
    """Ids in PostgreSQL's array notation, so that a thousand ids pass through without being parsed."""

    array: str = "{}"
    size: int = 0

    def __len__(self) -> int:
        return self.size

    @staticmethod
    def of(
        claim_id: ColumnElement[int] | InstrumentedAttribute[int], picked: ColumnElement[bool] | None = None
    ) -> tuple[Any, Any]:
        """Return the two columns of a query that gives the ids of its rows, or of its `picked` rows."""
        where = true() if picked is None else picked
        array = func.array_agg(claim_id).filter(where)
        return func.coalesce(cast(array, Text), "{}"), func.count(claim_id).filter(where)


def is_in(column: Any, name: str) -> ColumnElement[bool]:
    """Return, as SQL, whether `column` is one of the ids in the statement's parameter `name`, a `ClaimIds.array`."""
    # Text with a cast would be parsed for every row.
    ids: Any = bindparam(name, type_=_BigintArray())
    condition: ColumnElement[bool] = column == any_(ids)
    return condition
