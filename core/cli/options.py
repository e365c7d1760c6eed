"""Options that commands share: numbers, dates and filters."""

from enum import StrEnum
from pathlib import Path
from typing import Final

import click

from core import reading
from core.money import BadAmount, parse_amount


class RecordNumber(click.ParamType[int]):
    """The number of a job, schedule, run, exclusion or token."""

    def __init__(self, of: str, *, where: str) -> None:
        """Store what the number identifies, and how to find it, as the end of a sentence."""
        self.name, self._where = of, where

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with the cure."""
        found = reading.number(str(value))
        if not found:
            self.fail(f"{str(value)[:40]!r} is not a valid {self.name} number; {self._where}.", param, ctx)
        return found


class DateType(click.ParamType[str]):
    """A date, which the API accepts as YYYY-MM-DD."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check YYYY-MM-DD."""
        try:
            return reading.day(value).isoformat()
        except ValueError as fault:
            self.fail(f"{fault}.", param, ctx)


class DollarsType(click.ParamType[int]):
    """An amount in dollars, as cents."""

    name = "dollars"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return cents, or fail with the cure."""
        try:
            return parse_amount(str(value))
        except BadAmount as fault:
            self.fail(fault.message, param, ctx)


FILE_FORMATS: Final = ("csv", "xlsx")
JOB: Final = RecordNumber("job", where="to find it, open the Jobs page")
IMPORT: Final = RecordNumber("import", where="to find it, open the Import page")
DAY: Final = DateType()
DOLLARS: Final = DollarsType()
job_argument = click.argument("job", type=JOB)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def choice(values: type[StrEnum], *others: str) -> click.Choice[str]:
    """Return the type of an option that takes one of the values."""
    return click.Choice([*(one.value for one in values), *others])


def required_format(path: Path) -> str:
    """Return the format in a path. Raise `UsageError` for any other."""
    form = path.suffix.removeprefix(".").lower()
    if form not in FILE_FORMATS:
        raise click.UsageError(f"--output {path} must end in {' or '.join(f'.{one}' for one in FILE_FORMATS)}.")
    return form


def file_format(path: Path | None, form: str | None) -> str:
    """Return a file's format: the given one, the one in the path, or CSV. Raise `UsageError` if the two differ."""
    ending = path.suffix.removeprefix(".").lower() if path else ""
    form = form or (ending if ending in FILE_FORMATS else FILE_FORMATS[0])
    if ending in FILE_FORMATS and ending != form:
        raise click.UsageError(f"--output {path} ends in .{ending}, but --format is {form}. Change one of them.")
    return form


time_zone_option = click.option(
    "--time-zone", metavar="ZONE", help="Time zone for a new practice.  [default: America/New_York]"
)
