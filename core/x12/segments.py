"""Split an X12 file into segments, block by block, so that memory does not grow with the file.

Each interchange declares its own delimiters. Line ends may follow segments, cut elements, or be the terminator.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

from core.x12.delimiters import ISA_START, BadDelimiters, BadIsa, Delimiters, read_isa
from core.x12.problems import Fault, FileRefused, Problem

_BLOCK_BYTES: Final = 65_536
_SEGMENT_BYTES_MAX: Final = 65_536
FILE_BYTES_MAX: Final = 1 << 30
_HEADER_BYTES: Final = 1_200  # enough for any ISA segment
_BLANK: Final = " \t\r\n\x1a"  # allowed between interchanges; old systems end a file with Ctrl-Z


class Batch(NamedTuple):
    """Some complete segments of one interchange. `first` is the number of the first segment in the file, from 1."""

    first: int
    delimiters: Delimiters
    segments: list[str]


class SegmentReader:
    """Reads the segments of a file. Faults outside of segments go to `report`."""

    def __init__(self, binary: BinaryIO, file: str, report: Callable[[Fault], None]) -> None:
        self._binary, self._file, self._report = binary, file, report
        self._text = ""  # read, but not used yet
        self._offset = 0  # the bytes of the file before `_text`
        self._blank = _BLANK  # with the last terminator, which may be doubled
        self._count = 0  # segments so far

    def batches(self) -> Iterator[Batch]:
        """Yield all segments. Raise `FileRefused`."""
        first = True
        while self._find_interchange(first=first):
            first = False
            yield from self._interchange()

    def refuse(self, problem: Problem, *, detail: str = "", byte: int | None = None) -> FileRefused:
        """Return the refusal of the whole file at the current place."""
        place = self._offset + 1 if byte is None else byte
        return FileRefused(Fault(problem, self._file, byte=place, detail=detail))

    def _fill(self) -> bool:
        """Read another block. Return False at the end of the file."""
        block = self._binary.read(_BLOCK_BYTES)
        if b"\0" in block:
            raise self.refuse(Problem.NUL_BYTE, byte=self._offset + len(self._text) + block.index(b"\0") + 1)
        self._text += block.decode("latin-1")  # a character for each byte; see `in_letters`
        if self._offset + len(self._text) > FILE_BYTES_MAX:
            raise self.refuse(Problem.LARGE_FILE)
        return bool(block)

    def _drop(self, count: int) -> None:
        """Remove used characters."""
        self._offset += count
        self._text = self._text[count:]

    def _find_interchange(self, *, first: bool) -> bool:
        """Move to the next ISA segment. Return False if there is none."""
        begins, stray = self._offset, ""
        while (found := ISA_START.search(self._text)) is None and self._fill():
            if len(self._text) > _SEGMENT_BYTES_MAX:
                if first:
                    break
                stray = stray or self._text[:-_HEADER_BYTES].strip(self._blank)
                self._drop(len(self._text) - _HEADER_BYTES)
        if found is None and first:
            start = f"it begins with byte 0x{ord(self._text[0]):02X}" if self._text else "it is empty"
            raise self.refuse(Problem.NO_ISA, detail=start)
        skipped = len(self._text) if found is None else found.start()
        if stray or self._text[:skipped].strip(self._blank):
            self._report(Fault(Problem.TEXT_BEFORE if first else Problem.TEXT_OUTSIDE, self._file, byte=begins + 1))
        self._drop(skipped)
        while found and len(self._text) < _HEADER_BYTES and self._fill():
            pass
        return found is not None

    def _interchange(self) -> Iterator[Batch]:
        """Yield the segments of one interchange, from ISA to IEA."""
        try:
            isa, delimiters, length = read_isa(self._text)
        except BadIsa:
            raise self.refuse(Problem.BAD_ISA) from None
        except BadDelimiters:
            raise self.refuse(Problem.BAD_DELIMITERS) from None
        self._drop(length)
        self._blank = _BLANK + delimiters.terminator
        yield self._batch(delimiters, [delimiters.element.join(isa)])
        open_ = True
        while open_:
            segments, open_ = self._next_segments(delimiters)
            if segments:
                yield self._batch(delimiters, segments)

    def _batch(self, delimiters: Delimiters, segments: list[str]) -> Batch:
        first = self._count + 1
        self._count += len(segments)
        return Batch(first, delimiters, segments)

    def _next_segments(self, delimiters: Delimiters) -> tuple[list[str], bool]:
        """Return the complete segments at hand, and whether the interchange may have more."""
        terminator = delimiters.terminator
        # A terminator before the text lets one pattern find a boundary at its start too.
        text = terminator + delimiters.without_line_ends(self._text)
        end = text.rfind(terminator)
        if boundary := delimiters.interchange_boundary.search(text):
            is_end = boundary[0].rstrip(delimiters.element).endswith("IEA")
            close = text.find(terminator, boundary.end()) if is_end else boundary.start()
            if close >= 0:
                self._drop(delimiters.place_with_line_ends(self._text, close - 1) + 1 if close else 0)
                return _split(text[:close], terminator), False
        if end == 0 and len(self._text) > _SEGMENT_BYTES_MAX:
            raise self.refuse(Problem.LONG_SEGMENT)
        self._drop(self._text.rfind(terminator) + 1)
        segments = _split(text[:end], terminator)
        if segments or self._fill():
            return segments, True
        return self._last_segment(delimiters), False

    def _last_segment(self, delimiters: Delimiters) -> list[str]:
        """Return what follows the last terminator of the file, if it is the end of the interchange."""
        last = delimiters.without_line_ends(self._text).strip(_BLANK)
        if last:
            self._report(Fault(Problem.UNFINISHED_SEGMENT, self._file, byte=self._offset + len(self._text)))
        self._drop(len(self._text))
        return [last] if last.startswith(f"IEA{delimiters.element}") else []


def in_letters(elements: list[str], component: str) -> list[str]:
    """Return the elements of a segment in the letters of its sender. No letter takes a byte that is a separator."""
    return [component.join(map(_in_letters, element.split(component))) for element in elements]


def _in_letters(text: str) -> str:
    """Return a text of which each character is a byte of the file.

    X12 names no encoding. UTF-8 is known by its form. All else is Windows-1252, as in CSV files.
    """
    octets = text.encode("latin-1")
    for encoding in ("utf-8", "windows-1252"):
        with contextlib.suppress(UnicodeDecodeError):
            return octets.decode(encoding)
    return text


def _split(text: str, terminator: str) -> list[str]:
    """Return the segments, without empty ones: a doubled terminator ends nothing. Remove spaces before them."""
    segments = text.split(terminator)
    if f"{terminator} " in text or f"{terminator}\t" in text:
        segments = [segment.lstrip(" \t") for segment in segments]
    return list(filter(None, segments))
