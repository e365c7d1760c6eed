"""Guess a mapping from the headers and first rows of a file. What is uncertain becomes a question."""

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.errors import BadInput, or_raise
from core.intake.mapping import text_file
from core.intake.mapping.amounts import cents_or_none, surplus_below_zero
from core.intake.mapping.date_formats import DateFormat, describe_readings, possible_formats
from core.intake.mapping.guessed import Guess, GuessedColumn, once
from core.intake.mapping.mapping import Mapping, Problem
from core.intake.mapping.office_file import HEADER_ROWS, FileRow, OfficeFile, header_names
from core.intake.mapping.targets import (
    ADJUSTMENT_FIELDS,
    MONEY_FIELDS,
    PAYMENT_FIELDS,
    TARGETS,
    Field,
    Kind,
    field_of_header,
)
from core.intake.mapping.words import PAYERS_SHOWN_MAX, describe_payer_classes, meaning
from core.intake.mapping.workbook import CELLS_MAX
from core.intake.parsing.lines import UnreadableFile

SAMPLE_ROWS: Final = 2_000
_FITTING_PERCENT: Final = 50  # of a column's values must fit the field; the others are reported as faults
_WORDS_SHOWN_MAX: Final = 10
_REPEATED: Final = re.compile(r" \(\d+\)$")  # `header_names` adds it to a repeated name


class NoHeader(BadInput):
    """The file has no row of column names, such as Claim #, Patient, DOS, Ins Bal. Add one."""


class UnreadableOfficeFile(BadInput):
    """The file cannot be read."""

    code = "unreadable_file"


def guess_mapping(path: Path, *, today: dt.date, sheet: str | None = None, cells_max: int = CELLS_MAX) -> Guess:
    """Guess the mapping of a file. Raise `NoSuchFile`, `UnreadableOfficeFile` and `NoHeader`."""
    try:
        file = OfficeFile(path, cells_max=cells_max)
        chosen, rows, questions = _choose_sheet(file, sheet)
    except UnreadableFile as stop:
        sentence = f"{path.name}, line {stop.line}: {stop.cure}{'' if stop.cure.endswith('?') else '.'}"
        raise UnreadableOfficeFile(sentence, line=stop.line, cure=stop.cure) from None
    header_at = or_raise(_header_index(rows), NoHeader)
    at, fields = rows[header_at]
    names = header_names(fields)
    values = {
        name: [row[index].strip() for _, row in rows[header_at + 1 :] if index < len(row) and row[index].strip()]
        for index, name in enumerate(names)
        if name
    }
    columns, more = _assign(values, today)
    questions += more
    draft, notes = _describe(file, chosen, columns, values, questions, today)
    if header_at:
        notes.insert(0, f"Row {at:,} contains the column names. The rows above it are not imported.")
    questions += draft.problems()
    shown = [GuessedColumn(name, columns.get(name), _example(columns.get(name), values[name])) for name in values]
    headers = {field: header for header, field in columns.items() if TARGETS[field].kind is Kind.WORD}
    seen = {field: list(dict.fromkeys(values[header])) for field, header in headers.items()}
    amounts = (name for name, samples in values.items() if samples and cents_or_none(samples[0]) is not None)
    below = {name: surplus_below_zero(values[name]) for name in amounts}
    payers = _payers(draft, values)
    return Guess(draft, at, shown, once(questions), notes, seen, file.sheets, payers, below)


def _payers(draft: Mapping, values: dict[str, list[str]]) -> list[str]:
    """Return the first payers in the file, unless a column gives their classes."""
    headers = draft.headers()
    if Field.PAYER_CLASS in headers:
        return []
    columns = [headers[field] for field in (Field.PRIMARY_PAYER, Field.SECONDARY_PAYER) if field in headers]
    names = dict.fromkeys(" ".join(name.split()) for header in columns for name in values[header])
    return list(names)[:PAYERS_SHOWN_MAX]


def _choose_sheet(file: OfficeFile, sheet: str | None) -> tuple[str | None, list[FileRow], list[Problem]]:
    """Return the sheet that has a header, with its first rows. If several sheets do, add a question."""
    if not file.is_workbook:
        return None, file.first_rows(None, SAMPLE_ROWS), []
    if sheet is not None and sheet not in file.sheets:
        raise UnreadableFile(f'there is no sheet "{sheet}"; the sheets are {", ".join(file.sheets)}', 1)
    found = {name: file.first_rows(name, SAMPLE_ROWS) for name in ([sheet] if sheet else file.sheets)}
    fitting = [name for name, rows in found.items() if _header_index(rows) is not None]
    if not fitting:
        raise NoHeader
    questions = []
    if len(fitting) > 1:
        listed = ", ".join(f'"{name}"' for name in fitting)
        questions.append(Problem("two_sheets", f"More than one sheet contains claims: {listed}. Choose one of them."))
    return (fitting[0] if len(file.sheets) > 1 else None), found[fitting[0]], questions


def _header_index(rows: Sequence[FileRow]) -> int | None:
    """Return the index of the row with the most names of fields, if it has three or more."""

    def named(index: int) -> int:
        found = (field_of_header(name) for name in header_names(rows[index][1]) if name)
        return len({field for field, _ in (one for one in found if one is not None)})

    best = max(range(min(len(rows), HEADER_ROWS)), key=named, default=None)
    return best if best is not None and named(best) >= 3 else None  # noqa: PLR2004  claim, date, balance


def _assign(values: dict[str, list[str]], today: dt.date) -> tuple[dict[str, Field], list[Problem]]:
    """Assign each field the column with the best header, if its values fit. A tie between columns is a question."""
    wanted: dict[Field, list[tuple[int, str]]] = {}
    for header, samples in values.items():
        found = field_of_header(_REPEATED.sub("", header))
        if found is not None and _fits(found[0], samples, today):
            wanted.setdefault(found[0], []).append((found[1], header))
    columns: dict[str, Field] = {}
    questions = []
    for field, scored in wanted.items():
        best = max(score for score, _ in scored)
        headers = [header for score, header in scored if score == best]
        if len(headers) > 1:
            listed = " or ".join(f'"{header}"' for header in headers)
            questions.append(Problem("two_columns", f"{TARGETS[field].label} may be {listed}. Choose one.", field))
        else:
            columns[headers[0]] = field
    return columns, questions


def _fits(field: Field, samples: Sequence[str], today: dt.date) -> bool:
    if TARGETS[field].kind is Kind.MONEY:
        fitting = sum(1 for value in samples if cents_or_none(value) is not None)
    elif TARGETS[field].kind is Kind.DATE:
        fitting = sum(1 for value in samples if possible_formats([value], today=today))
    else:
        return True
    return fitting * 100 >= len(samples) * _FITTING_PERCENT


def _describe(
    file: OfficeFile,
    sheet: str | None,
    columns: dict[str, Field],
    values: dict[str, list[str]],
    questions: list[Problem],
    today: dt.date,
) -> tuple[Mapping, list[str]]:
    """Return the mapping with the formats of its values, and notes on the evidence."""
    notes: list[str] = []
    headers = {field: header for header, field in columns.items()}
    dates = _date_formats(headers, values, questions, notes, today)
    if file.encoding.name == text_file.WINDOWS_1252:
        notes.append(f"The file is read as Windows-1252: {file.encoding.evidence}.")
    below = {
        group: sum(surplus_below_zero(values[headers[field]]) for field in group if field in headers) > 0
        for group in (PAYMENT_FIELDS, ADJUSTMENT_FIELDS)
    }
    money = [value for field in MONEY_FIELDS if field in headers for value in values[headers[field]]]
    repeats = Field.CLAIM in headers and len(set(values[headers[Field.CLAIM]])) < len(values[headers[Field.CLAIM]])
    has_line = Field.LINE in headers or (Field.PROCEDURE_CODE in headers and repeats)
    if Field.PAYER_CLASS not in headers and Field.PRIMARY_PAYER in headers:
        notes.append(describe_payer_classes(values[headers[Field.PRIMARY_PAYER]]))
    for group, words in ((PAYMENT_FIELDS, "Payments"), (ADJUSTMENT_FIELDS, "Adjustments")):
        if below[group]:
            notes.append(f"{words} appear as negative numbers, such as -10.00.")
    return Mapping(
        rows="line" if has_line else "claim",
        sheet=sheet,
        encoding="windows-1252" if file.encoding.name == text_file.WINDOWS_1252 else "utf-8",
        columns=columns,
        not_imported=[name for name in values if name not in columns],
        dates=dates,
        words=_words(headers, values, questions),
        payments_below_zero=below[PAYMENT_FIELDS],
        adjustments_below_zero=below[ADJUSTMENT_FIELDS],
        credit_words=any(value.upper().endswith(("CR", "DR")) for value in money),
    ), notes


def _date_formats(
    headers: dict[Field, str],
    values: dict[str, list[str]],
    questions: list[Problem],
    notes: list[str],
    today: dt.date,
) -> dict[Field, DateFormat]:
    """Return the format of each date column.

    If several formats fit a column, use the one that is certain for another date column. Otherwise, ask.
    """
    found: dict[Field, list[DateFormat]] = {}
    for field, header in headers.items():
        if TARGETS[field].kind is Kind.DATE:
            good = [value for value in values[header] if possible_formats([value], today=today)]
            if good:
                found[field] = possible_formats(good, today=today)
    certain = {formats[0]: field for field, formats in found.items() if len(formats) == 1}
    dates = {}
    for field, formats in found.items():
        label = f'{TARGETS[field].label} ("{headers[field]}")'
        agreed = [one for one in formats if one in certain]
        shown = [] if TARGETS[field].private else values[headers[field]]
        if len(agreed) == 1:
            dates[field] = agreed[0]
            if len(formats) > 1:
                ordered = [agreed[0], *(one for one in formats if one != agreed[0])]
                notes.append(
                    f"The date format of {label} is a guess, because no day is above 12: {agreed[0]}, like "
                    f'"{headers[certain[agreed[0]]]}". Check it{_readings(shown, ordered, today)}.'
                )
        elif formats:
            sentence = (
                f"{label} can be read as {' or '.join(formats)}, because no day is above 12. Choose the date "
                f"format{_readings(shown, formats, today)}."
            )
            questions.append(Problem("ambiguous_date", sentence, field))
        else:
            sentence = (
                f"{label} mixes date formats. Use one date format in the whole column. Otherwise, month and day could "
                "be swapped."
            )
            questions.append(Problem("mixed_dates", sentence, field))
    return dates


def _readings(samples: Sequence[str], formats: Sequence[DateFormat], today: dt.date) -> str:
    """Return an example in each format, to add to a sentence. A birth date is private, so it shows none."""
    example = describe_readings(samples, formats, today=today)
    return f": {example}" if example else ""


def _words(
    headers: dict[Field, str], values: dict[str, list[str]], questions: list[Problem]
) -> dict[Field, dict[str, str]]:
    """Return what the words of each column usually mean. A word without a usual meaning is a question."""
    found: dict[Field, dict[str, str]] = {}
    for field, header in ((one, at) for one, at in headers.items() if TARGETS[one].kind is Kind.WORD):
        seen = dict.fromkeys(values[header])
        found[field] = {word: ours for word in seen if (ours := meaning(field, word)) is not None}
        unknown = [word for word in seen if word not in found[field]]
        if unknown:
            listed = ", ".join(f'"{word[:40]}"' for word in unknown[:_WORDS_SHOWN_MAX])
            label = f'{TARGETS[field].label} ("{header}")'
            questions.append(Problem("unknown_word", f"Choose what these values in {label} mean: {listed}.", field))
    return found


def _example(field: Field | None, samples: Sequence[str]) -> str:
    """Return an example to show. An unrecognized column may contain anything, so it shows none."""
    return samples[0][:40] if samples and field is not None and not TARGETS[field].private else ""
