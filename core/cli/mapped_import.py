"""`settle import file`: show a guessed mapping for the practice's own export, and import the export."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from core.cli import context, database, mapping_output, options, practices
from core.cli.import_options import Asked, import_options
from core.cli.import_session import run_import
from core.errors import BadInput
from core.intake.mapping.guess import guess_mapping
from core.intake.mapping.guessed import Guess
from core.intake.mapping.import_file import import_file
from core.intake.mapping.mapping import BadMapping, Mapping
from core.intake.mapping.saved_fit import only_fitting, read_through
from core.intake.mapping.saved_mappings import find_mapping_by_name, list_mappings, save_mapping
from core.models.import_mappings import ImportMapping
from core.practices import practice_queries
from core.practices.practice_queries import NoSuchPractice

_path = click.Path(path_type=Path)


class MappingNotConfirmed(BadInput):
    """Nothing was imported. Check the mapping above. Then run the command again with --yes."""


class OpenQuestions(BadInput):
    """Nothing was imported. Answer the questions with --set, or write the mapping to a file and correct it there."""


@click.command("file")
@click.argument("file", metavar="FILE", type=_path)
@click.option("--practice", "practice_name", metavar="NAME", required=True, help="The practice to import into.")
@practices.create_option
@options.time_zone_option
@click.option("--mapping", "mapping_name", metavar="NAME", help="A saved mapping, or a JSON file.")
@click.option("--sheet", metavar="NAME", help="The sheet in the workbook.")
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True,
    help='Correct the mapping: "columns.Ins Bal=insurance_balance", dates.service_date=MM/DD/YYYY, rows=line.',
)  # fmt: skip
@click.option("--save-mapping", "save_as", metavar="NAME", help="Save this import's mapping under a name.")
@click.option("--write-mapping", "write_to", type=_path, metavar="FILE", help="Write the mapping and import nothing.")
@click.option("--yes", is_flag=True, help="Import with the guessed mapping without asking.")
@import_options
@options.json_option
def file_(
    file: Path,
    mapping_name: str | None,
    sheet: str | None,
    settings: Sequence[str],
    save_as: str | None,
    write_to: Path | None,
    yes: bool,
    asked: Asked,
) -> None:
    """Import your own export (CSV or XLSX).

    The file has one row for each claim or service line.

    Without --mapping, the command uses the saved mapping that fits the file's columns, if exactly one does. Otherwise,
    it guesses which column is which. It shows what it uses and asks you to confirm.
    """
    if asked.options.check_only and save_as is not None:
        raise click.UsageError("--check saves nothing. Remove --check or --save-mapping.")
    mapping, has_questions = _choose(file, asked.practice_name, mapping_name, sheet, settings)
    if write_to is not None:
        write_to.write_text(json.dumps(mapping.as_json(), indent=2) + "\n", encoding="utf-8")
        click.echo(f"The mapping is in {write_to}.", err=True)
        return
    if has_questions:
        raise OpenQuestions
    if mapping_name is None and not yes and not _user_agrees():
        raise MappingNotConfirmed
    mapping.require_usable()

    def save(session: Session) -> None:
        if save_as is not None:
            practice = practice_queries.find_by_name(session, asked.practice_name)
            save_mapping(session, practice.id, name=save_as, mapping=mapping, by=None, now=context.utc_now())

    run_import(import_file, file, asked, mapping=mapping, gives_totals=True, also=save)
    if save_as is not None and not asked.as_json:
        click.echo(f"Saved the mapping as {save_as}.")


def _choose(
    file: Path, practice: str, name: str | None, sheet: str | None, settings: Sequence[str]
) -> tuple[Mapping, bool]:
    """Return the named mapping, or show and return one that fits or is guessed; and whether questions remain."""
    if name is not None:
        return _corrected(_named(practice, name), sheet, settings), False
    guess = guess_mapping(file, today=context.utc_now().date(), sheet=sheet)
    saved = None if settings else _fitting(practice, guess)
    if saved is not None:
        click.echo(f"The file has the columns of the saved mapping {saved.name}, so it is used.", err=True)
        guess = read_through(guess, Mapping.of(saved.mapping))
    mapping = _corrected(guess.mapping, sheet, settings)
    left = [one.header for one in guess.columns if one.header not in mapping.columns]
    mapping = mapping.model_copy(update={"not_imported": left})
    for line in mapping_output.guess_lines(guess):
        click.echo(line, err=True)
    questions = guess.open_questions(mapping)
    for question in questions:
        click.echo(f"Question: {question.sentence}", err=True)
    return mapping, bool(questions)


def _fitting(practice: str, guess: Guess) -> ImportMapping | None:
    """Return the only saved mapping of the practice that fits the file."""
    with database.sessions() as sessions, sessions() as session:
        try:
            practice_id = practice_queries.find_by_name(session, practice).id
        except NoSuchPractice:
            return None
        return only_fitting(guess, list_mappings(session, practice_id))


def _user_agrees() -> bool:
    return sys.stdin.isatty() and click.confirm("Import with this mapping?", err=True)


def _named(practice: str, name: str) -> Mapping:
    """Return the mapping in the JSON file `name`, or the practice's mapping called `name`."""
    if name.endswith(".json"):
        return read_mapping_file(name)
    with database.sessions() as sessions, sessions() as session:
        try:
            practice_id = practice_queries.find_by_name(session, practice).id
        except NoSuchPractice as missing:
            raise NoSuchPractice(f"{missing.message} A saved mapping belongs to an existing practice.") from None
        return Mapping.of(find_mapping_by_name(session, practice_id, name).mapping)


def read_mapping_file(name: str) -> Mapping:
    """Return the mapping in a JSON file. Raise `BadMapping`."""
    try:
        return Mapping.of(Path(name).read_text(encoding="utf-8"))
    except OSError:
        raise BadMapping(f"{name} cannot be read.") from None


def _corrected(mapping: Mapping, sheet: str | None, settings: Sequence[str]) -> Mapping:
    """Return the mapping with --sheet and each --set applied. An empty value removes the key."""
    given: dict[str, Any] = mapping.as_json()
    if sheet is not None:
        given["sheet"] = sheet
    for setting in settings:
        key, equals, value = setting.rpartition("=")
        part, _, name = key.partition(".")
        if not equals or not part:
            raise BadMapping(f'Write "{setting}" as KEY=VALUE, such as rows=line.')
        inside = given
        if name:
            inside = given.setdefault(part, {})
            if part == "words":
                field, _, name = name.partition(".")
                inside = inside.setdefault(field, {})
        if value or not name:
            inside[name or part] = value
        else:
            inside.pop(name, None)
    return Mapping.of(given)
