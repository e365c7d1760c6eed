"""The options that the imports share, and the files that they write on request."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import IO, Any, TypeVar

import click
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.claims.export import escape_formula
from core.cli import options, practices
from core.intake.loading.corrections import FILE_COLUMNS, Correction
from core.intake.loading.differences import DIFFERENCE_COLUMNS, Difference
from core.intake.loading.imported import ImportOptions
from core.intake.parsing.faults import FAULT_COLUMNS, Faults

_Command = TypeVar("_Command", bound=Callable[..., Any])
# A byte order mark, so that Excel reads UTF-8. Opened at the first row, so that an empty list creates no file.
_file = click.File("w", encoding="utf-8-sig", lazy=True)


@dataclass(frozen=True)
class Asked:
    """What the user asked for besides the files."""

    practice_name: str
    create: bool  # the practice, if it does not exist
    time_zone: str | None
    as_json: bool
    options: ImportOptions
    faults: Faults
    email: str | None  # of the user who imports

    def actor(self, session: Session) -> Actor | None:
        """Return the user who imports, None for the command line. Raise `NotFound`."""
        return practices.find_actor(session, self.email, self.practice_name) if self.email else None


def all_faults_option(command: _Command) -> _Command:
    """Add `--all-faults`. The command gets `faults`, which writes each place to the file."""

    @click.option(
        "--all-faults", "faults", type=_file, metavar="FILE", callback=lambda _ctx, _param, file: _faults(file),
        help="Write every error, and all that is left out or differs, with its place to a CSV file.",
    )  # fmt: skip
    @wraps(command)
    def run(*args: Any, **given: Any) -> Any:
        return command(*args, **given)

    return run  # type: ignore[return-value]


def import_options(command: _Command) -> _Command:
    """Add the options of every claim import. The command gets them as `asked`, with its practice and its --json."""

    @click.option("--check", is_flag=True, help="Check the files and show the totals. Import nothing.")
    @click.option(
        "--expect-total", type=options.DOLLARS, metavar="DOLLARS",
        help="Refuse the import unless the files' A/R total is this amount.",
    )  # fmt: skip
    @click.option("--take-changes", is_flag=True, help="Also apply changes to existing records.")
    @click.option("--post-corrections", is_flag=True, help="Also post the corrections for changed postings.")
    @click.option(
        "--as", "email", metavar="EMAIL", help="The user to record for the import. Without it, no user is recorded."
    )
    @click.option("--all-differences", type=_file, metavar="FILE", help="Write every change to a CSV file.")
    @click.option(
        "--corrections", type=_file, metavar="FILE",
        help="Write the corrections for changed postings to a file for `settle import postings`.",
    )  # fmt: skip
    @all_faults_option
    @wraps(command)
    def run(
        check: bool, expect_total: int | None, take_changes: bool, post_corrections: bool, email: str | None,
        all_differences: Any, corrections: Any, faults: Faults, practice_name: str | None, create: bool,
        time_zone: str | None, as_json: bool, **given: Any,
    ) -> Any:  # fmt: skip
        options = ImportOptions(
            take_changes=take_changes,
            post_corrections=post_corrections,
            check_only=check,
            expected_total_cents=expect_total,
            each_difference=_difference_writer(all_differences),
            each_correction=_correction_writer(corrections),
            each_problem=faults.each,
        )
        asked = Asked(practice_name or "", create, time_zone, as_json, options, faults, email)
        return command(asked=asked, **given)

    return run  # type: ignore[return-value]


def _faults(file: IO[str] | None) -> Faults:
    if file is None:
        return Faults()
    write = _row_writer(file, FAULT_COLUMNS)
    return Faults(lambda fault: write(map(escape_formula, fault.cells())))


def _difference_writer(file: IO[str] | None) -> Callable[[Difference], None] | None:
    if file is None:
        return None
    write = _row_writer(file, DIFFERENCE_COLUMNS)
    return lambda one: write(one.cells(hide_private=True))


def _correction_writer(file: IO[str] | None) -> Callable[[Correction], None] | None:
    if file is None:
        return None
    write = _row_writer(file, FILE_COLUMNS)

    def write_correction(one: Correction) -> None:
        for row in one.rows():
            write(row)

    return write_correction


def _row_writer(file: IO[str], columns: Iterable[str]) -> Callable[[Iterable[str]], None]:
    """Return a function that writes a row. The first call opens the file and writes the header."""
    writer: Any = None

    def write(row: Iterable[str]) -> None:
        nonlocal writer
        if writer is None:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
        writer.writerow(row)

    return write
