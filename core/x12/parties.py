"""Persons and organizations of a claim. Their printed form has no name and no id, so that no log shows one."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

Reference = tuple[str, str]  # a qualifier and its value
_NM1_MIN: Final = 10


@dataclass(slots=True)
class Party:
    """One NM1 or N1 segment with the references after it. `role` is its entity code, such as QC for the patient."""

    role: str
    name: str = field(default="", repr=False)  # a last name, or an organization
    first: str = field(default="", repr=False)
    middle: str = field(default="", repr=False)
    id_kind: str = ""
    id: str = field(default="", repr=False)
    born_on: dt.date | None = field(default=None, repr=False)
    references: list[Reference] = field(default_factory=list, repr=False)


def read_nm1(elements: Sequence[str]) -> Party:
    """Return the party of an NM1 segment."""
    if len(elements) < _NM1_MIN:
        elements = [*elements, *[""] * _NM1_MIN]
    return Party(elements[1], elements[3], elements[4], elements[5], elements[8], elements[9])


def read_n1(elements: Sequence[str]) -> Party:
    """Return the party of an N1 segment."""
    role, name, id_kind, id_ = [*elements[1:5], "", "", "", ""][:4]
    return Party(role, name, id_kind=id_kind, id=id_)


def full_name(party: Party) -> str:
    """Return the name of a person as "LAST, FIRST", or the name of an organization, on one line."""
    return ", ".join(filter(None, map(plain, (party.name, party.first))))


def plain(text: str) -> str:
    """Return the text on one line, without spaces at its ends."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return text.strip()


def plain_tax_id(text: str) -> str:
    """Return the digits of a tax ID, which may be written with a hyphen."""
    return re.sub("[^0-9]", "", text)
