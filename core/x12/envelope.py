"""Follow the envelope of each transaction, check its counts and control numbers, and pass its segments to a reader."""

import hashlib
from typing import Any, Final

from core.x12.acknowledgment_reader import AcknowledgmentReader
from core.x12.claim_reader import ClaimReader
from core.x12.delimiters import SEGMENT_MARK
from core.x12.envelope_records import (
    Closed,
    Group,
    Interchange,
    Kind,
    Opened,
    kind_of,
    read_group,
    read_interchange,
)
from core.x12.problems import Fault, Problem
from core.x12.remittance_reader import RemittanceReader
from core.x12.segments import Batch, in_letters
from core.x12.transaction_reader import Take, TransactionReader

_READERS: Final = {
    Kind.REMITTANCE: RemittanceReader,
    Kind.PROFESSIONAL: ClaimReader,
    Kind.INSTITUTIONAL: ClaimReader,
    Kind.ACKNOWLEDGMENT: AcknowledgmentReader,
}
_COUNT_DIGITS_MAX: Final = 10
_NO_GROUP: Final = Group(0, "", "", "", "")


class _Takes(dict[str, Take | None]):
    """The handler of each segment id; None for segments that are not needed."""

    def __init__(self, takes: dict[str, Take | None], unknown: Take | None) -> None:
        super().__init__(takes)
        self._unknown = unknown

    def __missing__(self, _segment_id: str) -> Take | None:
        return self._unknown


class Envelope:
    """Where in the envelopes the file is. Events collect in `events` until they are taken."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.events: list[Any] = []
        self.has_readable = False  # whether any transaction is one that we read
        self._own: dict[str, Take | None] = {
            "ISA": self._take_isa, "GS": self._take_gs, "ST": self._take_st, "SE": self._take_se, "GE": self._take_ge,
            "IEA": self._take_iea,
        }  # fmt: skip
        self._outside = _Takes(self._own | {"TA1": None}, self._take_stray)
        self._takes = self._outside
        self._interchange: Interchange | None = None
        self._group: Group | None = None
        self._opened: Opened | None = None
        self._reader: TransactionReader | None = None
        self._groups = self._transactions = 0  # in the interchange, in the group
        self._batch: Batch | None = None

    def take(self, batch: Batch) -> None:
        """Read some segments."""
        self._batch, number, separator = batch, batch.first, batch.delimiters.element
        for segment in batch.segments:
            elements = segment.split(separator)
            if not segment.isascii():
                elements = in_letters(elements, batch.delimiters.component)
            take = self._takes[elements[0]]
            if take is not None:
                take(number, elements)
            number += 1
        if self._opened is not None:
            self._add_to_digest(number)
        if self._reader is not None and self._reader.is_too_large(number):
            self._reader.add(Problem.LARGE_CLAIM, number)
            self._reader.claim_begins = None
            self._takes = _Takes(self._own, None)

    def end(self) -> None:
        """Close what the end of the file leaves open."""
        batch = self._batch
        if batch is not None:
            self._close_interchange(batch.first + len(batch.segments) - 1, "the file ends")

    def _report(self, problem: Problem, number: int, element: str, detail: str = "") -> None:
        self.events.append(Fault(problem, self._file, number, element, detail=detail))

    def _take_isa(self, number: int, elements: list[str]) -> None:
        self._close_interchange(number, "ISA follows")
        self._interchange, self._groups = read_interchange(number, elements), 0

    def _take_gs(self, number: int, elements: list[str]) -> None:
        self._close_group(number, "GS follows")
        self._group, self._transactions = read_group(number, elements), 0
        self._groups += 1

    def _take_st(self, number: int, elements: list[str]) -> None:
        self._close_transaction(number, "ST follows")
        assert self._interchange is not None  # the segment reader begins each interchange with ISA
        assert self._batch is not None
        group = self._group or _NO_GROUP
        transaction_set, control, guide = [*elements[1:4], "", "", ""][:3]
        version = guide or group.version
        kind = kind_of(transaction_set, version)
        opened = Opened(kind, number, transaction_set, control, version, self._interchange, group)
        self._opened, self._digest, self._digest_from = opened, hashlib.sha256(), number + 1
        self._transactions += 1
        self.events.append(opened)
        reader_class = _READERS.get(kind, TransactionReader)
        reader = reader_class(self._file, self._batch.delimiters, self.events, is_old=opened.is_old)
        self._reader = reader
        if kind is Kind.OTHER:
            reader.add(Problem.OTHER_TRANSACTION, number, "ST01")
            self._takes = _Takes(self._own, None)
            return
        self.has_readable = True
        self._takes = _Takes(dict.fromkeys(reader.ignored) | reader.takes | self._own, self._take_unknown)
        if opened.is_old:
            reader.add(Problem.OLD_VERSION, number, "GS08")
        elif not opened.is_known:
            reader.add(Problem.UNKNOWN_VERSION, number, "GS08")
        if self._interchange.is_test:
            reader.add(Problem.TEST_FILE, self._interchange.segment, "ISA15")
        if self._group is None:
            reader.add(Problem.MISPLACED_SEGMENT, number, "ST", "no GS segment is before it")

    def _take_se(self, number: int, elements: list[str]) -> None:
        opened, reader = self._opened, self._reader
        if opened is None or reader is None:
            self._take_stray(number, elements)
            return
        counted = number - opened.segment + 1
        count, control = [*elements[1:3], "", ""][:2]
        if _number(count) != counted:
            reader.add(Problem.SEGMENT_COUNT, number, "SE01", f"counted {counted:,}")
        if not _is_same_control(control, opened.control):
            reader.add(Problem.SEGMENT_CONTROL, number, "SE02")
        reader.finish(number)
        self._release(number)

    def _take_ge(self, number: int, elements: list[str]) -> None:
        self._close_transaction(number, "GE follows")
        if self._group is None:
            self._take_stray(number, elements)
            return
        count, control = [*elements[1:3], "", ""][:2]
        if _number(count) != self._transactions:
            self._report(Problem.GROUP_COUNT, number, "GE01", f"counted {self._transactions:,}")
        if not _is_same_control(control, self._group.control):
            self._report(Problem.GROUP_CONTROL, number, "GE02")
        self._group = None

    def _take_iea(self, number: int, elements: list[str]) -> None:
        self._close_group(number, "IEA follows")
        if self._interchange is None:
            self._take_stray(number, elements)
            return
        count, control = [*elements[1:3], "", ""][:2]
        if _number(count) != self._groups:
            self._report(Problem.INTERCHANGE_COUNT, number, "IEA01", f"counted {self._groups:,}")
        if not _is_same_control(control, self._interchange.control):
            self._report(Problem.INTERCHANGE_CONTROL, number, "IEA02")
        self._interchange = None

    def _take_stray(self, number: int, _elements: list[str]) -> None:
        self._report(Problem.STRAY_SEGMENT, number, "")

    def _take_unknown(self, number: int, _elements: list[str]) -> None:
        assert self._reader is not None
        self._reader.add(Problem.UNKNOWN_SEGMENT, number)

    def _close_interchange(self, number: int, why: str) -> None:
        self._close_group(number, why)
        if self._interchange is not None:
            self._report(Problem.NO_INTERCHANGE_END, number, "IEA", why)
            self._interchange = None

    def _close_group(self, number: int, why: str) -> None:
        self._close_transaction(number, why)
        if self._group is not None:
            self._report(Problem.NO_GROUP_END, number, "GE", why)
            self._group = None

    def _close_transaction(self, number: int, why: str) -> None:
        if self._reader is not None:
            self._reader.add(Problem.TRUNCATED, number, "SE", why)
            self._release(number)

    def _release(self, number: int) -> None:
        """End the transaction at this segment."""
        opened, reader = self._opened, self._reader
        assert opened is not None
        assert reader is not None
        self._add_to_digest(number)
        segments, digest = number - opened.segment + 1, self._digest.hexdigest()
        self.events.append(Closed(opened, segments, tuple(reader.faults), reader.faults_left_out, digest))
        self._opened = self._reader = None
        self._takes = self._outside

    def _add_to_digest(self, number: int) -> None:
        """Add the segments of the transaction in this batch, up to `number`. Call it once for each batch."""
        batch = self._batch
        assert batch is not None
        body = batch.segments[max(self._digest_from - batch.first, 0) : max(number - batch.first, 0)]
        text = "".join(f"{segment}{SEGMENT_MARK}" for segment in body)
        self._digest.update(text.encode("latin-1").translate(batch.delimiters.neutral))


def _number(text: str) -> int:
    """Return a count, or -1 if it is none. Python refuses to read thousands of digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _COUNT_DIGITS_MAX else -1


def _is_same_control(one: str, other: str) -> bool:
    """Return whether control numbers are the same, whether padded with zeros or not."""
    return one.strip().lstrip("0") == other.strip().lstrip("0")
