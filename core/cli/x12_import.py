"""`settle import x12`: import X12 files on the server."""

from pathlib import Path

import click

from core.cli import options, practices
from core.cli.import_options import Asked, import_options
from core.cli.import_session import run_import
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
def x12_(files: tuple[Path, ...], asked: Asked) -> None:
    """Import claims (837P, 837I), claim acknowledgments (277CA) or remittances (835) from X12 files.

    Each charge is posted once, however often the claim was sent. `settle x12 check` shows what is in a file.
    """
    run_import(import_x12, files, asked)
