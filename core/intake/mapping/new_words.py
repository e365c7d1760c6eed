"""The values of a file that a saved mapping does not know, and the questions about them."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from core.counting import counted
from core.intake.loading.staged_checks import NO_SUCH_STATUS
from core.intake.mapping.field_readers import UNKNOWN_WORD
from core.intake.mapping.mapped_file import MappedFile
from core.intake.mapping.mapping import Mapping, Problem
from core.intake.mapping.targets import Field
from core.intake.parsing.faults import Fault, Faults, Mistake

ASKED_MAX: Final = 50  # with more, the column probably means something else

NewWords = dict[Field, Counter[str]]  # the number of rows of each value


def are_all_new_words(mistakes: Sequence[Mistake]) -> bool:
    """Return whether giving each value a meaning would fix every mistake."""
    cures = [one.first[0].cure for one in mistakes]
    return all(cure == UNKNOWN_WORD or cure.startswith(NO_SUCH_STATUS) for cure in cures)


def find_new_words(path: Path, mapping: Mapping, *, statuses: Collection[str], today: dt.date) -> NewWords:
    """Return the values without a meaning, with their number of rows. `statuses` are the practice's billing statuses.

    Raise `ImportRefused` if the file cannot be read.
    """
    found: NewWords = {}
    spellings: dict[tuple[Field, str], str] = {}  # the first spelling of each value, because letter case is ignored
    fields = list(mapping.columns.values())
    given = {_key(word) for word in mapping.words.get(Field.BILLING_STATUS, {})}

    def add(field: Field, word: str) -> None:
        found.setdefault(field, Counter())[spellings.setdefault((field, _key(word)), word)] += 1

    def see(fault: Fault) -> None:
        if fault.cure == UNKNOWN_WORD and fault.column in mapping.columns and fault.value is not None:
            add(mapping.columns[fault.column], " ".join(fault.value.split()))

    file = MappedFile(path, mapping, today=today, faults=Faults(each=see))
    place = fields.index(Field.BILLING_STATUS) if Field.BILLING_STATUS in fields else None
    for row in file.rows(file.format):
        status = None if place is None else row.values[place]
        if status is not None and status not in statuses and _key(status) not in given:
            add(Field.BILLING_STATUS, status)
    return found


def questions(words: NewWords, mapping: Mapping) -> list[Problem]:
    """Return a question for each value."""
    headers = mapping.headers()
    return [
        Problem(
            "unknown_word",
            f"What does “{word[:40]}” mean? It is in {counted(count, 'row')} of the “{headers[field]}” column.",
            field,
        )
        for field, counts in words.items()
        for word, count in counts.items()
    ]


def _key(word: str) -> str:
    return " ".join(word.split()).casefold()
