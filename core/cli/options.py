"""Options that commands share: numbers, dates and filters."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click

from core import reading
from core.errors import BadInput
from core.money import UNLIMITED_WORD, parse_amount, parse_limit


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


class MoneyType(click.ParamType[int]):
    """An amount in dollars, as cents."""

    def __init__(self, name: str, parse: Callable[[str], int]) -> None:
        """Store what reads the amount. It raises `BadInput` with the cure."""
        self.name, self._parse = name, parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return cents, or fail with the value and the cure."""
        try:
            return value if isinstance(value, int) else self._parse(str(value))
        except BadInput as fault:
            self.fail(f"{str(value)[:40]!r}. {fault.message}", param, ctx)


class Choice(click.Choice[str]):
    """One of some words. Earlier names of a word are accepted too, but not shown."""

    def __init__(self, words: Iterable[str], earlier: Mapping[Any, str]) -> None:
        """Store the words, and the word that replaces each earlier name."""
        super().__init__([*words])
        self._earlier = earlier

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word, or fail with all words once. `click` would call an argument by its words and list them."""
        try:
            return super().convert(str(self._earlier.get(value, value)), param, ctx)
        except click.BadParameter as fault:
            if isinstance(param, click.Argument) and param.name and param.metavar is None:
                fault.param_hint = f"'{param.name.upper()}'"
            raise


FILE_FORMATS: Final = ("csv", "xlsx")
JOB: Final = RecordNumber("job", where="to find it, open the Jobs page")
IMPORT: Final = RecordNumber("import", where="to find it, open the Import page")
DAY: Final = DateType()
DOLLARS: Final = MoneyType("dollars", parse_amount)
LIMIT: Final = MoneyType("limit", parse_limit)
LIMIT_OPTION: Final[Any] = {"metavar": f"AMOUNT|{UNLIMITED_WORD}", "type": LIMIT}
job_argument = click.argument("job", type=JOB)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def choice(values: Iterable[str], *others: str, earlier: Mapping[Any, str] = MappingProxyType({})) -> Choice:
    """Return the type of an option or argument that takes one of the values."""
    return Choice([*map(str, values), *others], earlier)


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
