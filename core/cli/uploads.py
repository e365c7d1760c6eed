"""Imports by a signed-in user, through the API: `settle import upload`, `show`, `map`, `list`, `confirm`, `discard`."""

import secrets
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from core.cli import options
from core.cli.client import Api
from core.cli.import_answer import print_import
from core.cli.import_session import progress_bar
from core.cli.mapped_import import read_mapping_file
from core.cli.user_command import user_command
from core.intake.synthea.synthea_import import Payments
from core.intake.uploads.x12_files import is_x12

POLL_SECONDS: Final = 0.5
_WORKING: Final = ("staged", "checking", "importing")
_import_argument = click.argument("import_id", metavar="IMPORT", type=options.IMPORT)


@user_command(print_import, succeeds=lambda answer: answer["status"] == "ready")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--expect-total", type=options.DOLLARS, metavar="DOLLARS", help="The A/R total to compare the balances with."
)
@click.option("--mapping", metavar="NAME", help="The saved mapping for your own export, or a JSON file.")
@click.option("--synthea-payments", "payments", type=options.choice(Payments), help="Which Synthea payments to import.")
@click.option("--skip-empty-claims", is_flag=True, help="Skip Synthea's claims without transactions.")
def upload(
    api: Api,
    files: tuple[Path, ...],
    expect_total: int | None,
    mapping: str | None,
    payments: str | None,
    skip_empty_claims: bool,
) -> Any:
    """Upload files and show what an import would add.

    FILE is your own export (CSV or XLSX), a CSV file in Batch Settle's format, an X12 file, a zip file, or a folder of
    CSV or X12 files.
    Nothing is imported until `settle import confirm`.
    """
    paths = [path for given in files for path in (_files_of(given) if given.is_dir() else [given])]
    body: dict[str, Any] = {
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in paths],
        "options": {"payments": payments or Payments.ALL.value, "skip_empty_claims": skip_empty_claims},
        "expected_total_cents": expect_total,
        "mapping": _mapping(mapping),
    }
    made = api.post("/imports", body, key=secrets.token_urlsafe(16))
    for index, path in enumerate(paths):
        click.echo(f"Uploading {path.name} …", err=True)
        with path.open("rb") as file:
            for piece, content in enumerate(iter(partial(file.read, made["piece_bytes"]), b"")):
                api.put_bytes(f"/imports/{made['id']}/files/{index}/pieces/{piece}", content)
    return _wait(api, api.post(f"/imports/{made['id']}/check"))


@user_command(print_import)
@_import_argument
def show(api: Api, import_id: int) -> Any:
    """Show an import with the totals from its check."""
    return api.get(f"/imports/{import_id}")


@user_command(print_import, succeeds=lambda answer: answer["status"] == "imported")
@_import_argument
@click.option("--accept-difference", is_flag=True, help="Import even if the A/R total differs from the expected total.")
@click.option("--take-changes", is_flag=True, help="Also apply changes to existing records.")
@click.option("--post-corrections", is_flag=True, help="Also post the corrections for changed postings.")
def confirm(api: Api, import_id: int, **accepted: bool) -> Any:
    """Import the checked files, all or nothing."""
    return _wait(api, api.post(f"/imports/{import_id}/confirm", accepted))


@user_command(print_import, name="map", succeeds=lambda answer: answer["status"] == "ready")
@_import_argument
@click.argument("mapping", metavar="NAME")
def map_(api: Api, import_id: int, mapping: str) -> Any:
    """Choose the mapping of an import.

    NAME is a saved mapping or a JSON file. It replaces the mapping that the import has, if any.
    """
    return _wait(api, api.send("PUT", f"/imports/{import_id}/mapping", body={"mapping": _mapping(mapping)}))


@user_command(lambda _: "", name="list", json_too=False)
@_import_argument
@click.argument("what", type=options.choice(["differences", "corrections", "new-postings", "errors"]))
def list_(api: Api, import_id: int, what: str) -> Any:
    """Print what a check found, as CSV.

    Choose the changes to existing records (differences), the corrections, the new postings on existing claims, or the
    errors with what is left out, differs or is unusual. Each place of an error has a row.
    """
    return api.download(f"/imports/{import_id}/{'faults' if what == 'errors' else what}.csv", None)


@user_command(print_import)
@_import_argument
def discard(api: Api, import_id: int) -> Any:
    """Discard an import and delete its files."""
    return api.post(f"/imports/{import_id}/discard")


def _files_of(folder: Path) -> list[Path]:
    """Return the CSV files, by their names, and the X12 files, by their content."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    kept = [path for path in files if path.suffix == ".csv" or is_x12(path)]
    if skipped := ", ".join(path.name for path in files if path not in kept):
        click.echo(f"Skipped, because these files are neither CSV nor X12: {skipped}.", err=True)
    return kept


def _wait(api: Api, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the import once no worker is working on it. Show the progress on a terminal."""
    with progress_bar() as tell:
        while answer["status"] in _WORKING:
            if tell is not None:
                tell(answer["phase"] or answer["status_words"], answer["phase_done"], answer["phase_total"])
            time.sleep(POLL_SECONDS)
            answer = api.get(f"/imports/{answer['id']}")
    return answer


def _mapping(given: str | None) -> Any:
    """Return the content of a JSON file, or the name of a saved mapping."""
    return read_mapping_file(given).as_json() if given and given.endswith(".json") else given


UPLOAD_COMMANDS: Final = (upload, show, map_, list_, confirm, discard)
