"""The guess of a mapping, and the questions that it leaves open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field as dataclass_field
from typing import Any

from core.intake.mapping.mapping import Mapping, Problem
from core.intake.mapping.targets import Field


@dataclass(frozen=True)
class GuessedColumn:
    """A column in the file and the field that it seems to be, or None. `example` is empty for names and birth dates."""

    header: str
    field: Field | None
    example: str


@dataclass(frozen=True)
class Guess:
    """A mapping to confirm or correct. It cannot be used until all `questions` are answered."""

    mapping: Mapping
    header_row: int
    columns: list[GuessedColumn]
    questions: list[Problem]
    notes: list[str]  # conclusions from the values, with the evidence
    words: dict[Field, list[str]]  # the distinct words in each column of words
    sheets: list[str]  # if the file is a workbook
    payers: list[str]  # if no column gives their classes, so that each is guessed from the name
    # By header: how many more amounts in the first rows are below zero than above.
    surplus_below_zero: dict[str, int] = dataclass_field(default_factory=dict)

    def open_questions(self, corrected: Mapping) -> list[Problem]:
        """Return the questions that the corrected mapping does not answer."""
        is_open: dict[str, Callable[[Any], bool]] = {
            "ambiguous_date": lambda field: field not in corrected.dates,
            "two_sheets": lambda _: corrected.sheet == self.mapping.sheet,
            "two_columns": lambda field: field is not None and not corrected.has(field),
            "unknown_word": lambda field: not set(self.words[field]) <= set(corrected.words.get(field, {})),
        }
        asked = (one for one in self.questions if one.code in is_open and is_open[one.code](one.field))
        return once((*asked, *corrected.problems()))

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "mapping": self.mapping.as_json(),
            "header_row": self.header_row,
            "columns": [vars(one) for one in self.columns],
            "questions": [one._asdict() for one in self.questions],
            "notes": self.notes,
            "words": self.words,
            "sheets": self.sheets,
            "payers": self.payers,
        }


def once(questions: Sequence[Problem]) -> list[Problem]:
    """Return the questions, leaving out any that only follow from another question."""
    is_date_asked = {one.code for one in questions} & {"ambiguous_date", "mixed_dates"}
    return [one for one in dict.fromkeys(questions) if not (is_date_asked and one.code == "no_date_format")]
