"""Read a CSV file line by line, each line on its own, so that a stray quote cannot swallow rows."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

LINE_BYTES_MAX: Final = 1_000_000  # a longer "line" is no CSV and is never read into memory
_BLOCK_BYTES: Final = 131_072  # some thousand rows; larger blocks are not faster
_HEADER_ROWS: Final = 20  # rows searched for the header
_BOM: Final = b"\xef\xbb\xbf"
OPEN_QUOTE: Final = (
    "a quote opens here and does not close on this line; remove the quote, double it, or write the value on one line"
)


class UnreadableFile(Exception):
    """The file cannot be read from this line on."""

    def __init__(self, cure: str, line: int) -> None:
        self.cure = cure
        self.line = line


class BadLine(Exception):
    """A line cannot be split into fields. The text is the fix."""


class Block(NamedTuple):
    """Some complete lines of a file, except that a line over the limit is cut off."""

    first: int  # the number of its first line, from 1
    begins: int  # how many bytes of the file come before it
    lines: bytes


def first_rows(binary: BinaryIO) -> list[tuple[int, list[str]]]:
    """Return the first non-empty rows with their line numbers. Raise `UnreadableFile`."""
    rows: list[tuple[int, list[str]]] = []
    for number, text in read_lines(binary):
        try:
            fields = split_fields(text)
        except BadLine as bad:
            if not rows:
                raise UnreadableFile(str(bad), number) from None
            break  # reported when the rows are read
        if any(map(str.strip, fields)):
            rows.append((number, fields))
        if len(rows) == _HEADER_ROWS:
            break
    return rows


def read_blocks(binary: BinaryIO) -> Iterator[Block]:
    """Yield the file in blocks of lines. Memory does not grow with the length of the file or of a line."""
    first, begins = 1, 0
    while block := binary.read(_BLOCK_BYTES):
        if not block.endswith(b"\n"):
            block += binary.readline(LINE_BYTES_MAX)
        yield Block(first, begins, block)
        first += block.count(b"\n")
        begins += len(block)


def read_lines(binary: BinaryIO, *, first: int = 1, begins: int = 0) -> Iterator[tuple[int, str]]:
    """Yield the lines as text, numbered from `first`. Raise `UnreadableFile` at the first byte that is not UTF-8.

    `begins` is how many bytes of the file come before them.
    """
    position = begins
    number = first - 1
    while line := binary.readline(LINE_BYTES_MAX):
        number += 1
        if len(line) == LINE_BYTES_MAX:
            raise UnreadableFile("the line is longer than a million bytes; is this a CSV file?", number)
        text = line.removeprefix(_BOM) if number == 1 else line
        position += len(line) - len(text)
        try:
            yield number, text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                f"byte {position + error.start + 1} of the file (0x{text[error.start]:02X}, byte {error.start + 1} of "
                "its line) is not UTF-8; save the file as UTF-8",
                number,
            ) from None
        position += len(text)


def lines_of(block: Block) -> Iterator[tuple[int, str]]:
    """Yield the block's lines as text, with their numbers. Raise `UnreadableFile`."""
    return read_lines(io.BytesIO(block.lines), first=block.first, begins=block.begins)


def count_lines(path: Path) -> int:
    """Count the lines without reading them, including a last one without a line end."""
    count, last = 0, b"\n"
    with path.open("rb") as binary:
        while block := binary.read(LINE_BYTES_MAX):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


def split_fields(text: str, delimiter: str = ",") -> list[str]:
    """Return the fields of one line. Raise `BadLine` if they cannot be split."""
    bare = text.rstrip("\r\n")
    if "\0" in bare:
        raise BadLine("the line contains a NUL byte; the file is damaged or is not text")
    if "\r" in bare:
        raise BadLine("a carriage return (CR) is inside the line; end lines only with LF or CRLF")
    if '"' not in bare:
        return bare.split(delimiter)
    try:
        return next(csv.reader((bare,), delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise BadLine(OPEN_QUOTE) from None
        if "field larger" in str(error):
            raise BadLine("a field is longer than 131,072 characters; is a closing quote missing?") from None
        raise BadLine("put quotes around a value that contains a quote, and double the inner quote") from None
