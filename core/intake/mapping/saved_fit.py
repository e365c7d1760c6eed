"""Whether a saved mapping fits a file, and what it says about the file's columns."""

from collections.abc import Iterable
from dataclasses import replace

from core.intake.mapping.date_formats import DateFormat
from core.intake.mapping.guessed import Guess, GuessedColumn
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.targets import ADJUSTMENT_FIELDS, PAYMENT_FIELDS, TARGETS, Field
from core.models.import_mappings import ImportMapping


def only_fitting(guess: Guess, saved: Iterable[ImportMapping]) -> ImportMapping | None:
    """Return the saved mapping that fits the file, or None if none or several fit."""
    fitting = [one for one in saved if fits(Mapping.of(one.mapping), guess)]
    return fitting[0] if len(fitting) == 1 else None


def fits(saved: Mapping, guess: Guess) -> bool:
    """Return whether the file has exactly the columns of the saved mapping, and no value contradicts it."""
    headers, mapped = {one.header for one in guess.columns}, set(saved.columns)
    if not mapped <= headers <= mapped | set(saved.not_imported):
        return False
    is_sheet = saved.sheet == guess.mapping.sheet or [saved.sheet] == guess.sheets
    is_encoding = guess.mapping.encoding in ("utf-8", saved.encoding)
    guessed = guess.mapping.headers()
    return is_sheet and is_encoding and _signs_fit(saved, guess) and all(
        written in (saved.dates.get(field), DateFormat.YMD)  # this format is always accepted
        for field, written in guess.mapping.dates.items()
        if saved.columns.get(guessed[field]) is field
    )  # fmt: skip


def _signs_fit(saved: Mapping, guess: Guess) -> bool:
    """Return whether the file writes payments and adjustments with the sign that the mapping gives them.

    With the other sign, a payment would raise the balance.
    """
    groups = {PAYMENT_FIELDS: saved.payments_below_zero, ADJUSTMENT_FIELDS: saved.adjustments_below_zero}
    for fields, is_below in groups.items():
        headers = [header for header, field in saved.columns.items() if field in fields]
        surplus = sum(guess.surplus_below_zero.get(header, 0) for header in headers)
        if surplus and (surplus > 0) != is_below:
            return False
    return True


def read_through(guess: Guess, saved: Mapping) -> Guess:
    """Return what the saved mapping says about the file's columns, in place of the guess."""
    columns = []
    for one in guess.columns:
        field = saved.columns.get(one.header)
        is_shown = field is not None and not TARGETS[field].private
        columns.append(GuessedColumn(one.header, field, one.example if is_shown else ""))
    words = {field: list(saved.words[field]) for field in saved.columns.values() if field in saved.words}
    payers = list(dict.fromkeys((*saved.payer_classes, *guess.payers)))
    return replace(guess, mapping=saved, columns=columns, questions=[], notes=[], words=words, payers=payers)


def without_file(saved: Mapping) -> Guess:
    """Return what the saved mapping says about its own columns, in the order of our fields."""
    mapped = sorted(saved.columns, key=lambda header: list(Field).index(saved.columns[header]))
    others = [header for header in saved.not_imported if header not in saved.columns]
    columns = [GuessedColumn(header, saved.columns.get(header), "") for header in (*mapped, *others)]
    return read_through(Guess(saved, 0, columns, [], [], {}, [], []), saved)
