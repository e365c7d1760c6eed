"""What is wrong with a file, said so that whoever made it can put it right."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from core.errors import Refusal

FAULTS_MAX: Final = 100  # enough to see what is wrong everywhere; the rest is mostly the same again
HIDDEN: Final = "(hidden)"  # names, births and numbers of people are never repeated
_VALUE_CHARACTERS_MAX: Final = 60


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where, with which value, and what to do. `line` counts from 1, the header being 1."""

    file: str
    cure: str
    line: int | None = None
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        """In one line, as `file, line 3, column amount, value "1,234.56": what to do`."""
        where = [self.file]
        if self.line is not None:
            where.append(f"line {self.line}")
        if self.column is not None:
            where.append(f"column {self.column}")
        if self.value is not None:
            where.append(f"value {self.value if self.value == HIDDEN else _quoted(self.value)}")
        return f"{', '.join(where)}: {self.cure}"


class ImportRefused(Refusal):
    """Nothing was imported."""

    code = "import_refused"
    http_status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, faults: list[Fault]) -> None:
        """The message holds the number of faults only, so that it may be logged; the faults may not."""
        count = f"at least {FAULTS_MAX} faults" if len(faults) >= FAULTS_MAX else f"{len(faults)} faults"
        self.faults = sorted(faults, key=lambda fault: (fault.file, fault.line or 0))
        super().__init__(f"Nothing was imported: {'1 fault' if len(faults) == 1 else count}.")


class Faults:
    """The faults found so far. The hundredth ends the search: `add` raises `ImportRefused`."""

    def __init__(self) -> None:
        self._found: list[Fault] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._found)

    def add(self, fault: Fault) -> None:
        """Keep one more."""
        self._found.append(fault)
        if len(self._found) >= FAULTS_MAX:
            self.refuse_if_any()

    def refuse_if_any(self) -> None:
        """Raise `ImportRefused` with what was found."""
        if self._found:
            raise ImportRefused(self._found)


def _quoted(value: str) -> str:
    shown = value if len(value) <= _VALUE_CHARACTERS_MAX else value[:_VALUE_CHARACTERS_MAX] + "…"
    # What steers a terminal is shown as its number.
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in shown) + '"'
