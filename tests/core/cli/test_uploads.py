"""`settle import upload` and `show` print what the page of an import shows."""

import json
import threading
from pathlib import Path

import pytest
from click.testing import Result

from core.intake.csv.csv_template import write_template
from tests import own_export
from tests.core.cli.conftest import Typed
from tests.core.cli.test_user_commands import BILLER, one_step
from tests.factories import GivenPractice
from tests.x12_files import PLAIN, claim_loop, interchange, sent_file, whole_remittance


@pytest.fixture
def files(typed: Typed, practice: GivenPractice) -> Path:
    """Write the files of the template, next to one that is not part of the format."""
    folder = Path("files")
    write_template(folder)
    (folder / "notes.csv").write_text("x\n")
    return folder


def work(typed: Typed, practice: GivenPractice, *words: object) -> str:
    """Type a command of imports while a worker does one step. Return what it prints."""
    return result_of(typed, practice, *words).stdout


def result_of(typed: Typed, practice: GivenPractice, *words: object) -> Result:
    worker = threading.Thread(target=one_step, args=(practice,))
    worker.start()
    result = typed("import", *words, by=BILLER)
    worker.join()
    return result


def test_an_upload_prints_the_first_claims_the_rows_and_the_ignored_file(
    typed: Typed, practice: GivenPractice, files: Path
) -> None:
    printed = work(typed, practice, "upload", files, "--expect-total", "232.40")

    assert "First claims in the files:\n  claim 184146026, patient P-1, 03/04/2025: charges $150.00" in printed
    assert "Rows read: " in printed
    assert "claims.csv 2" in printed
    assert "Batch Settle's format has no file with this name: notes.csv." in printed
    assert printed.index("settle import confirm 1\n") < printed.index("add --accept-difference.")
    assert typed("import", "show", "1").stdout == printed


def test_a_folder_gives_its_x12_files_by_their_content(typed: Typed, practice: GivenPractice) -> None:
    folder = Path("sent")
    folder.mkdir()
    (folder / "claims.0105").write_text(PLAIN.write(sent_file(claim_loop())))
    (folder / "readme.txt").write_text("ISA and GS\n")

    (folder / ".DS_Store").write_bytes(b"\0")

    result = result_of(typed, practice, "upload", folder)

    assert "Skipped, because these files are neither CSV nor X12: .DS_Store, readme.txt.\n" in result.stderr
    printed = result.stdout
    assert "claims.0105 1" in printed
    assert "First claims in the files:\n  claim A1, patient W1, 01/02/2026: charges $100.00" in printed
    Path("era.835").write_text(PLAIN.write(interchange([whole_remittance(2)])))
    printed = work(typed, practice, "upload", "era.835")
    assert "New: 1 remittance.\nRemittances:\n  Payments of posted answers " in printed
    assert "Control totals" not in printed


def test_an_upload_without_a_claim_status_prints_the_warning(typed: Typed, practice: GivenPractice) -> None:
    Path("ar.csv").write_bytes(own_export.csv_file(own_export.rows_of(1)))
    Path("mapping.json").write_text(json.dumps(own_export.MAPPING))

    printed = work(typed, practice, "upload", "ar.csv", "--mapping", "mapping.json")

    assert "Warning: No claim status is imported. " in printed


def test_the_errors_of_an_upload_are_written_as_csv(typed: Typed, practice: GivenPractice, files: Path) -> None:
    postings = files / "postings.csv"
    postings.write_text(postings.read_text().replace("-88.00", "NaN"))

    refused = work(typed, practice, "upload", files)
    listed = typed("import", "list", "1", "errors")

    assert "Nothing was imported. " in refused
    assert "To list every location, run: settle import list 1 errors\n" in refused
    assert listed.stdout.splitlines()[1].startswith("postings.csv,3,amount,NaN,")


def test_an_upload_with_only_corrections_names_the_option_that_posts_them(
    typed: Typed, practice: GivenPractice, files: Path
) -> None:
    work(typed, practice, "upload", files)
    imported = work(typed, practice, "confirm", "1")
    postings = files / "postings.csv"
    postings.write_text(postings.read_text().replace("-88.00", "-87.00"))

    checked = work(typed, practice, "upload", files)
    corrected = work(typed, practice, "confirm", "2", "--post-corrections")

    assert "Import 1 is imported.\nNew: 2 claims" in imported
    assert "Import 2 is ready to import.\nNo new rows.\n" in checked
    assert checked.count("settle import confirm") == 1
    assert "To post the corrections, run: settle import confirm 2 --post-corrections\n" in checked
    assert "1 correction posted." in corrected
