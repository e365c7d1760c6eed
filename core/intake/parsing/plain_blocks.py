"""Turn blocks of rows without faults into COPY text, column by column, which is several times faster.

A block that may have a fault is left to the careful reader, which reads it row by row.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import repeat
from operator import itemgetter
from typing import Any, NamedTuple

from core.intake.parsing import fields
from core.intake.parsing.copy_text import copy_field, copy_rows
from core.intake.parsing.fields import BadField, Column, FileFormat
from core.intake.parsing.header import Header
from core.intake.parsing.lines import LINE_BYTES_MAX, Block
from core.intake.parsing.plain_rows import VALUES_MAX, Values


class _Texts(dict[str, str]):
    """The COPY text of a column's values by field, read when first looked up."""

    def __init__(self, column: Column) -> None:
        super().__init__()
        self._column = column
        self._values = Values(column)

    def of(self, column: Sequence[str]) -> Sequence[str]:
        """Return the text of each field. Raise `BadField`."""
        # Ids and amounts repeat too rarely for a lookup to pay off.
        if self._column.read is fields.external_id and fields.are_plain_ids(column):
            return column
        if self._column.read is fields.cents and fields.are_plain_amounts(column):
            return "\n".join(column).replace(".", "").split("\n")  # leading zeros do no harm
        return list(map(self.__getitem__, column))

    def __missing__(self, field: str) -> str:
        """Read the field and keep its text. Raise `BadField`."""
        text = copy_field(self._column.staged(self._values.read(field)))
        if len(self) == VALUES_MAX:
            self.clear()
        self[field] = text
        return text


class _Judged:
    """What a `Consistency` may use of a column's values: the sign of an amount, or the whole value."""

    def __init__(self, column: Column) -> None:
        self._is_amount = column.read is fields.cents
        self._values = Values(replace(column, read=lambda field: _sign(column.read(field))))

    def of(self, column: Sequence[str]) -> Iterable[Any]:
        """Return the value of each field. Raise `BadField`, perhaps later."""
        if self._is_amount and fields.are_plain_amounts(column):
            return map({"-": -1}.get, map(itemgetter(0), column), repeat(1))
        return map(self._values.__getitem__, column)


def _sign(value: Any) -> Any:
    return (value > 0) - (value < 0) if isinstance(value, int) else value


class PlainText(NamedTuple):
    """The rows of a block as COPY text."""

    text: str
    rows: int


class PlainBlocks:
    """Read the blocks of a file whose rows have as many fields as its header."""

    def __init__(self, header: Header, file: FileFormat) -> None:
        """Prepare the columns. A column that the file lacks is empty in every row."""
        self._header = header
        self._places = [place for place, _ in header.read]
        self._texts = [_Texts(column) for _, column in header.read]
        self._is_plain = header.width == len(header.fields) and not header.unnamed
        self._consistency = file.consistency
        judged = () if file.consistency is None else file.consistency.columns
        self._judged = [(n, _Judged(one)) for name in judged for n, one in enumerate(file.columns) if one.name == name]
        self._consistent: set[tuple[Any, ...]] = set()

    def text(self, block: Block) -> PlainText | None:
        """Return the rows, each with its line in front, or None if one needs a closer look."""
        if not self._is_plain or block.first <= self._header.at or len(block.lines) >= LINE_BYTES_MAX:
            return None
        try:
            in_file = _columns(block, len(self._header.fields))
            if self._header.fields[0] in in_file[0]:
                return None  # perhaps a repeated header
            empty = ("",) * len(in_file[0])
            columns = [empty if place is None else in_file[place] for place in self._places]
            texts = [texts.of(column) for texts, column in zip(self._texts, columns, strict=True)]
            if not self._are_consistent(columns):
                return None
        except (UnicodeDecodeError, csv.Error, ValueError, BadField):
            return None
        rows = len(in_file[0])
        lines = map(str, range(block.first, block.first + rows))
        return PlainText(copy_rows(zip(lines, *texts, strict=True)), rows)

    def _are_consistent(self, columns: list[Sequence[str]]) -> bool:
        """Return whether the values of each row fit together. Equal combinations are judged once."""
        if self._consistency is None:
            return True
        combinations = set(zip(*(judged.of(columns[n]) for n, judged in self._judged), strict=True))
        new = combinations - self._consistent
        if any(self._consistency.explain(*combination) for combination in new):
            return False
        if len(self._consistent) < VALUES_MAX:
            self._consistent |= new
        return True


def _columns(block: Block, width: int) -> list[Sequence[str]]:
    """Return the fields by column. Raise `ValueError` or `csv.Error` if a line needs a closer look."""
    text = block.lines.decode("utf-8")
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if "\r" in text or "\0" in text:
        raise ValueError
    text = text.removesuffix("\n")
    lines = text.count("\n") + 1
    if '"' not in text:
        # One list for the block, because millions of small ones keep the garbage collector busy. Each line end becomes
        # a field of its own, and must be where a row of `width` fields ends.
        fields_ = f"{text}\n".replace("\n", ",\n,").split(",")[:-1]
        if len(fields_) != lines * (width + 1) or fields_[width :: width + 1].count("\n") != lines:
            raise ValueError
        return [fields_[place :: width + 1] for place in range(width)]
    rows = list(csv.reader(text.split("\n"), strict=True))
    if len(rows) != lines or set(map(len, rows)) != {width}:  # a quote that does not close takes the next line too
        raise ValueError
    return list(zip(*rows, strict=True))
