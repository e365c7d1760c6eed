"""`settle import x12`: import X12 files on the server."""

from pathlib import Path

import click

from core.cli import context, import_output, options, practices
from core.cli.import_options import Asked, import_options
from core.cli.import_session import import_session
from core.intake.uploads.x12_files import import_x12


@click.command("x12")
@click.argument(
    "files", metavar="FILE…", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--practice", "practice_name", metavar="NAME", required=True, help="The practice to import into.")
@practices.create_option
@options.time_zone_option
@import_options
@options.json_option
def x12_(
    files: tuple[Path, ...],
    practice_name: str,
    create: bool,
    time_zone: str | None,
    asked: Asked,
    as_json: bool,
) -> None:
    """Import claims (837P, 837I), claim acknowledgments (277CA) or remittances (835) from X12 files.

    Each charge is posted once, however often the claim was sent. `settle x12 check` shows what is in a file.
    """
    created = practices.may_create(practice_name, create=create)
    with import_session(asked.options) as (session, progress):
        imported = import_x12(
            session, files, practice_name=practice_name, time_zone=time_zone, now=context.utc_now(),
            by=asked.actor(session, practice_name), options=asked.options, faults=asked.faults, progress=progress,
        )  # fmt: skip
    import_output.print_import(imported, practice_name, asked=asked.options, created=created, as_json=as_json)
