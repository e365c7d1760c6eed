"""Print a guessed mapping: each column with its meaning, what was concluded from the values, and the questions."""

from core.intake.mapping.guessed import Guess
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.targets import TARGETS

_HEADER_WIDTH = 28
_LABEL_WIDTH = 26


def guess_lines(guess: Guess) -> list[str]:
    """Return the lines to print. They show no patient's name and no date of birth."""
    rows = "service line" if guess.mapping.rows == "line" else "claim"
    lines = [f"The column names are in line {guess.header_row}. There is one row for each {rows}."]
    for column in guess.columns:
        label = TARGETS[column.field].label if column.field else "not imported"
        written = guess.mapping.dates.get(column.field) if column.field else None
        example = f"{column.example}  ({written})" if written else column.example
        lines.append(f"  {column.header:<{_HEADER_WIDTH}} {label:<{_LABEL_WIDTH}} {example}".rstrip())
    lines += mapping_lines(guess.mapping)
    lines += guess.notes
    lines += (f"Warning: {warning}" for warning in guess.mapping.warnings())
    return lines


def mapping_lines(mapping: Mapping) -> list[str]:
    """Return what the mapping adds to its columns: constants and the meaning of words."""
    lines = [f'{TARGETS[field].label} is "{text}" for every row.' for field, text in mapping.constants.items()]
    for field, words in mapping.words.items():
        meant = "; ".join(f'"{word}" means {ours or "no value"}' for word, ours in words.items())
        if meant:
            lines.append(f"{TARGETS[field].label}: {meant}.")
    return lines
