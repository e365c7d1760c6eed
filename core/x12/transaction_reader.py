"""What the readers of the transaction types share: where faults go, and how amounts and dates are read."""

import datetime as dt
from collections.abc import Callable
from typing import Any, ClassVar, Final

from core.x12.adjustments import CAS_ELEMENTS_MAX, GROUPS, OLD_GROUP, Adjustment
from core.x12.delimiters import Delimiters
from core.x12.problems import Fault, Problem, Reach
from core.x12.values import CENTS, DAYS, NotADate, NotAnAmount

Take = Callable[[int, list[str]], None]  # a handler of one segment, with its number and its elements
CLAIM_SEGMENTS_MAX: Final = 10_000
_FAULTS_MAX: Final = 1_000  # kept for one claim or transaction


class TransactionReader:
    """Reads the segments of one transaction into records.

    `takes` has a method for each segment id that matters. Complete records go to the end of `records`.
    """

    ignored: ClassVar[tuple[str, ...]] = ()  # segment ids of the guide that are not needed

    def __init__(self, file: str, delimiters: Delimiters, records: list[Any], *, is_old: bool) -> None:
        self.file, self.component, self.is_old = file, delimiters.component, is_old
        self.records = records
        self.faults: list[Fault] = []  # of the transaction
        self.faults_left_out = 0
        self.takes: dict[str, Take | None] = {}
        self.claim_faults: list[Fault] = self.faults  # of the claim being read
        self.claim_begins: int | None = None  # the number of its first segment

    def is_too_large(self, number: int) -> bool:
        """Return whether the claim being read has too many segments at segment `number`."""
        return self.claim_begins is not None and number - self.claim_begins > CLAIM_SEGMENTS_MAX

    def finish(self, number: int) -> None:
        """Check what can only be known at the end. `number` is the SE segment's."""

    def add(self, problem: Problem, number: int, element: str = "", detail: str = "") -> None:
        """Add a fault to the current claim, or to the transaction if the fault concerns all of it."""
        fault = Fault(problem, self.file, number, element, detail=detail)
        faults = self.claim_faults if problem.reach <= Reach.CLAIM else self.faults
        if len(faults) < _FAULTS_MAX or problem.reach >= Reach.REFUSED:
            faults.append(fault)
        else:
            self.faults_left_out += 1

    def cents(self, number: int, elements: list[str], place: int, *, needed: bool = True) -> int:
        """Return the amount of an element in cents. Add a fault and return 0 if it is no amount."""
        is_given = place < len(elements) and elements[place]
        return (self.cents_or_none(number, elements, place) or 0) if is_given or needed else 0

    def cents_or_none(
        self, number: int, elements: list[str], place: int, *, problem: Problem | None = None
    ) -> int | None:
        """Return the amount of an element in cents. Add `problem`, or a fault, and return None if it is no amount."""
        text = elements[place] if place < len(elements) else ""
        element = f"{elements[0]}{place:02}"
        try:
            cents = CENTS[text]
        except NotAnAmount:
            self.add(problem or (Problem.BAD_AMOUNT if text else Problem.MISSING_AMOUNT), number, element)
            return None
        if text in CENTS.unusual:
            self.add(Problem.UNUSUAL_AMOUNT, number, element)
        return cents

    def cents_or(self, problem: Problem, number: int, elements: list[str], place: int) -> int:
        """Return the amount of an element in cents. Add `problem` and return 0 if it is no amount."""
        return self.cents_or_none(number, elements, place, problem=problem) or 0

    def adjustments(self, number: int, elements: list[str]) -> list[Adjustment]:
        """Return the adjustments of a CAS segment."""
        group = elements[1] if len(elements) > 1 else ""
        if group not in GROUPS and not (group == OLD_GROUP and self.is_old):
            self.add(Problem.OLD_GROUP if group == OLD_GROUP else Problem.UNKNOWN_GROUP, number, "CAS01")
        if len(elements) > CAS_ELEMENTS_MAX:
            self.add(Problem.MANY_ADJUSTMENTS, number, "CAS")
        found = []
        for place in range(2, len(elements), 3):
            reason, *rest = elements[place : place + 3]
            if not reason and not any(rest):
                continue  # a gap does not end the list
            if not reason:
                self.add(Problem.NO_REASON, number, f"CAS{place:02}")
            quantity = rest[1] if len(rest) > 1 else ""
            cents = self.cents_or_none(number, elements, place + 1)
            found.append(Adjustment(group, reason, cents or 0, quantity, is_unreadable=cents is None))
        return found

    def day(self, number: int, elements: list[str], place: int) -> dt.date | None:
        """Return the date of an element. Add a fault if it is present but no date."""
        text = elements[place] if place < len(elements) else ""
        if not text:
            return None
        try:
            return DAYS[text]
        except NotADate:
            self.add(Problem.BAD_DATE, number, f"{elements[0]}{place:02}")
            return None
