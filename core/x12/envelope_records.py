"""The envelope of a transaction: its interchange (ISA), its functional group (GS), its start (ST) and its end (SE)."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from core.x12.problems import Fault, Reach
from core.x12.values import DAYS, NotADate

_CENTURY: Final = "20"  # ISA09 has two digits of the year
_GROUP_ELEMENTS: Final = 9
_SHORT_DAY_CHARACTERS: Final = 6  # YYMMDD, in version 4010
_HOUR_AND_MINUTE: Final = re.compile(r"([01][0-9]|2[0-3])([0-5][0-9])", re.ASCII)


class Kind(Enum):
    """What a transaction is."""

    REMITTANCE = "835"
    PROFESSIONAL = "837P"
    INSTITUTIONAL = "837I"
    ACKNOWLEDGMENT = "277CA"
    OTHER = "other"

    @property
    def words(self) -> str:
        """Return what it is, for people."""
        return _KIND_WORDS[self]


_KIND_WORDS: Final = {
    Kind.REMITTANCE: "835 remittance",
    Kind.PROFESSIONAL: "837P professional claims",
    Kind.INSTITUTIONAL: "837I institutional claims",
    Kind.ACKNOWLEDGMENT: "277CA claim acknowledgment",
    Kind.OTHER: "not read",
}


# The transaction set in ST01, and the guide in ST03 or GS08. Version 4010 has other guides than 5010.
_GUIDES: Final = {
    ("837", "X222"): Kind.PROFESSIONAL,
    ("837", "X098"): Kind.PROFESSIONAL,
    ("837", "X223"): Kind.INSTITUTIONAL,
    ("837", "X096"): Kind.INSTITUTIONAL,
    ("277", "X214"): Kind.ACKNOWLEDGMENT,
}
_VERSION_CHARACTERS: Final = 6
_GUIDE_CHARACTERS: Final = 4
_VERSION, _OLD_VERSION = "005010", "004010"


@dataclass(frozen=True, slots=True)
class Interchange:
    """An ISA segment."""

    segment: int
    sender_kind: str  # ISA05, such as 30 for a tax id, ZZ for any other id
    sender: str
    receiver_kind: str
    receiver: str
    date: dt.date | None
    control: str
    is_test: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A GS segment."""

    segment: int
    sender: str
    receiver: str
    control: str
    version: str
    sent_at: dt.datetime | None = None  # GS04 and GS05, in the sender's time zone


@dataclass(frozen=True, slots=True)
class Opened:
    """An ST segment: the records of the transaction follow, and then a `Closed`."""

    kind: Kind
    segment: int
    transaction_set: str
    control: str
    version: str
    interchange: Interchange
    group: Group

    @property
    def is_old(self) -> bool:
        """Return whether the version is 4010."""
        return self.version.startswith(_OLD_VERSION)

    @property
    def is_known(self) -> bool:
        """Return whether the version is 5010 or 4010."""
        return self.version.startswith((_VERSION, _OLD_VERSION))


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of a transaction. Nothing of it may be used before this is known."""

    opened: Opened
    segments: int
    faults: tuple[Fault, ...]  # the first ones of the transaction; its claims have their own
    faults_left_out: int
    digest: str  # of everything between ST and SE, regardless of delimiters and line ends

    @property
    def reach(self) -> Reach | None:
        """Return the worst consequence of its own faults."""
        return max((fault.problem.reach for fault in self.faults), default=None)

    @property
    def is_refused(self) -> bool:
        """Return whether the transaction cannot be trusted."""
        return self.reach is not None and self.reach >= Reach.REFUSED


def read_interchange(number: int, elements: Sequence[str]) -> Interchange:
    """Return the interchange of an ISA segment."""
    sender_kind, sender, receiver_kind, receiver, day = (element.strip() for element in elements[5:10])
    try:
        date = DAYS[_CENTURY + day]
    except NotADate:
        date = None
    is_test = elements[15] == "T"
    return Interchange(number, sender_kind, sender, receiver_kind, receiver, date, elements[13].strip(), is_test)


def read_group(number: int, elements: Sequence[str]) -> Group:
    """Return the group of a GS segment."""
    padded = [element.strip() for element in [*elements, *[""] * _GROUP_ELEMENTS]]
    return Group(number, padded[2], padded[3], padded[6], padded[8], _moment(padded[4], padded[5]))


def _moment(day: str, time: str) -> dt.datetime | None:
    """Return a date CCYYMMDD or YYMMDD with a time HHMM. Without a valid time, it is midnight."""
    try:
        date = DAYS[_CENTURY + day if len(day) == _SHORT_DAY_CHARACTERS else day]
    except NotADate:
        return None
    found = _HOUR_AND_MINUTE.match(time)
    return dt.datetime.combine(date, dt.time(int(found[1]), int(found[2])) if found else dt.time())


def kind_of(transaction_set: str, version: str) -> Kind:
    """Return what a transaction is, by ST01 and its guide, such as 005010X222A1."""
    if transaction_set == "835":
        return Kind.REMITTANCE
    guide = version[_VERSION_CHARACTERS:][:_GUIDE_CHARACTERS]
    return _GUIDES.get((transaction_set, guide), Kind.OTHER)
