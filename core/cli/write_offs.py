"""`settle write-offs`: files of write-offs for the practice-management system."""

import secrets
from pathlib import Path
from typing import Any, Final

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.counting import counted
from core.enums.exports import STANDARD, Column, DateFormat, Sign
from core.money import format_cents

FILE: Final = options.RecordNumber("file", where="to find it, run `settle write-offs files`")

_output_option = click.option(
    "--output", "path", metavar="PATH", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write, or - for standard output.",
)  # fmt: skip
_format_option = click.option(
    "--format", "form", type=options.choice(options.FILE_FORMATS), help="File format.  [default: from PATH, else csv]"
)
_layout_option = click.option("--layout", default=STANDARD, show_default=True, metavar="NAME", help="Layout.")


@click.group("write-offs")
def write_offs() -> None:
    """Save write-offs and reversals to files for your practice-management system."""


def _wrote(path: Path | None) -> str:
    return f"Wrote {path}." if path else ""


@user_command(_wrote, group=write_offs, json_too=False)
@click.option("--job", type=options.JOB, help="Only this job.")
@click.option("--from", "posted_from", type=options.DAY, metavar="YYYY-MM-DD", help="First posting date.")
@click.option("--through", "posted_through", type=options.DAY, metavar="YYYY-MM-DD", help="Last posting date.")
@click.option("--new", "unsent", is_flag=True, help="Only write-offs and reversals that are not in a sent file yet.")
@_layout_option
@_format_option
@_output_option
def download(api: Api, path: Path | None, form: str | None, unsent: bool, **wanted: Any) -> Path | None:
    """Save write-offs and reversals to a file. Nothing is marked as sent."""
    form = options.file_format(path, form)
    target = None if path == Path("-") else path or Path(f"write-offs.{form}")
    api.download(f"/postings.{form}", target, unsent="true" if unsent else None, **wanted)
    return target


def _describe(file: dict[str, Any]) -> str:
    return (
        f"{file['id']}  {formats.moment(file['sent_at'])} by {file['sent_by']}, {file['layout']}: "
        f"{counted(file['write_offs'], 'write-off')} {format_cents(file['written_off_cents'])}, "
        f"{counted(file['reversals'], 'reversal')} {format_cents(file['reversed_cents'])}"
    )


@user_command(_describe, group=write_offs)
@_layout_option
def send(api: Api, layout: str) -> Any:
    """Mark all new write-offs and reversals as sent.

    The command creates a new file. To save the file, run `settle write-offs file`.
    """
    return api.post("/posting-files", {"layout": layout}, key=secrets.token_urlsafe(16))


@user_command(_wrote, group=write_offs, json_too=False)
@click.argument("file", type=FILE)
@_format_option
@_output_option
def file(api: Api, file: int, path: Path | None, form: str | None) -> Path | None:
    """Save a file that was marked as sent. You get the same postings each time."""
    form = options.file_format(path, form)
    target = None if path == Path("-") else path or Path(f"write-offs-file-{file}.{form}")
    api.download(f"/posting-files/{file}/write-offs.{form}", target)
    return target


@user_command(
    lambda found: "\n".join(map(_describe, found["posting_files"])) or "No file has been marked as sent.",
    group=write_offs,
)
def files(api: Api) -> Any:
    """List the files that were marked as sent, newest first."""
    return api.get_all("/posting-files", "posting_files")


def _describe_layout(layout: dict[str, Any]) -> str:
    columns = ", ".join(one["heading"] or one["column"] for one in layout["columns"])
    return f"{layout['name']}: {columns} ({layout['date_format']}, write-offs {layout['sign']})"


@user_command(lambda found: "\n".join(map(_describe_layout, found["layouts"])), group=write_offs)
def layouts(api: Api) -> Any:
    """List the layouts."""
    return api.get("/posting-layouts")


@user_command(_describe_layout, name="save-layout", group=write_offs)
@click.argument("name")
@click.option("--column", "columns", multiple=True, required=True, metavar="COLUMN[=HEADING]",
              help=f"A column, in file order: {', '.join(Column)}. "
              "For fixed text, write text=HEADING=TEXT.")  # fmt: skip
@click.option("--dates", "date_format", type=options.choice(DateFormat), help="Date format.")
@click.option("--sign", type=options.choice(Sign), help="Sign of a write-off's amount.")
@click.option("--totals/--no-totals", "totals_row", default=True, help="Add a totals row.")
def save_layout(api: Api, name: str, columns: tuple[str, ...], **given: Any) -> Any:
    """Save a layout as NAME. It replaces an earlier layout with that name."""
    parts = [[*column.split("=", 2), "", ""] for column in columns]
    layout = {
        "columns": [{"column": column, "heading": heading, "text": text} for column, heading, text, *_ in parts],
        **{key: value for key, value in given.items() if value is not None},
    }
    return api.post("/posting-layouts", {"name": name, "layout": layout})


@user_command(lambda name: f"Layout {name} is deleted.", name="delete-layout", group=write_offs)
@click.argument("name")
def delete_layout(api: Api, name: str) -> Any:
    """Delete a layout. Files already sent keep their layout."""
    found = [one for one in api.get("/posting-layouts")["layouts"] if one["name"].casefold() == name.casefold()]
    if not found or found[0]["id"] is None:
        raise click.UsageError(f"The practice has no saved layout named {name[:60]}.")
    api.send("DELETE", f"/posting-layouts/{found[0]['id']}")
    return found[0]["name"]


COMMANDS = [write_offs]
