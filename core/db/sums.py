"""Sums of cents in SQL."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, func


def sum_cents(cents: Any, where: ColumnElement[bool] | None = None) -> ColumnElement[int]:
    """Return the sum of a bigint column as bigint, 0 if there is nothing to sum. Too large a sum is an error.

    `func.sum` returns numeric, which is slower and needs more memory.
    """
    total = func.sum_cents(cents, type_=BigInteger)
    return total if where is None else total.filter(where)
