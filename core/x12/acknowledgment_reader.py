"""Read the segments of a 277CA into claim statuses."""

from typing import Any, Final

from core.x12.acknowledgment import ClaimStatus, Status
from core.x12.delimiters import Delimiters
from core.x12.parties import read_nm1
from core.x12.problems import Problem
from core.x12.transaction_reader import TransactionReader

_LEVELS: Final = ("20", "21", "19", "22")
_PAD: Final = [""] * 12


class AcknowledgmentReader(TransactionReader):
    """Reads one 277CA."""

    ignored = ("AMT", "BHT", "DTP", "PER", "QTY", "SVC")

    def __init__(self, file: str, delimiters: Delimiters, records: list[Any], *, is_old: bool) -> None:
        super().__init__(file, delimiters, records, is_old=is_old)
        self._status: ClaimStatus | None = None
        self.takes = {
            "HL": self._take_loop, "NM1": self._take_party, "TRN": self._take_trace, "STC": self._take_status,
            "REF": self._take_reference,
        }  # fmt: skip

    def finish(self, _number: int) -> None:
        """End the last loop."""
        self._end_loop()

    def _take_loop(self, number: int, elements: list[str]) -> None:
        self._end_loop()
        elements += _PAD
        status = self._status = ClaimStatus(number, elements[3])
        self.claim_faults, self.claim_begins = status.faults, number
        if status.level not in _LEVELS:
            self.add(Problem.BROKEN_HIERARCHY, number, "HL03")

    def _take_party(self, number: int, elements: list[str]) -> None:
        party = read_nm1(elements)
        self._current(number, elements).parties.setdefault(party.role, party)

    def _take_trace(self, number: int, elements: list[str]) -> None:
        status = self._current(number, elements)
        if status.is_claim and status.trace:
            # A second claim of the same patient has no loop of its own.
            parties = status.parties
            self._end_loop()
            status = self._status = ClaimStatus(number, status.level, parties=parties)
            self.claim_faults, self.claim_begins = status.faults, number
        status.trace = [*elements, "", ""][2]

    def _take_status(self, number: int, elements: list[str]) -> None:
        status = self._current(number, elements)
        elements += _PAD
        codes = [tuple(code.split(self.component)) for code in (elements[1], elements[10], elements[11]) if code]
        if codes and len(codes[0]) == 1:
            self.add(Problem.WRONG_SEPARATOR, number, "STC01")
        charge = self.cents(number, elements, 4, needed=False)
        status.statuses.append(Status(codes, self.day(number, elements, 2), elements[3], charge))

    def _take_reference(self, number: int, elements: list[str]) -> None:
        elements += _PAD
        self._current(number, elements).references.append((elements[1], elements[2]))

    def _current(self, number: int, elements: list[str]) -> ClaimStatus:
        """Return the status of the current loop. A segment before the first loop is in the wrong place."""
        if self._status is None:
            self.add(Problem.MISPLACED_SEGMENT, number, elements[0])
            return ClaimStatus(number, "")
        return self._status

    def _end_loop(self) -> None:
        status = self._status
        if status is not None:
            if status.is_claim and not status.trace.strip():
                self.add(Problem.PLACEHOLDER_ID, status.segment, "TRN02")
            self.records.append(status)
        self._status = self.claim_begins = None
        self.claim_faults = self.faults
