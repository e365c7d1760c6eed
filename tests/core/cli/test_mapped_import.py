"""`settle import file`, as typed: the office's own file comes in without a script."""

import json
from pathlib import Path

import pytest

from core.cli.import_answer import print_import
from tests.core.cli.conftest import Typed
from tests.core.intake.mapping.conftest import HEADER, ROWS


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_guessed_mapping_is_shown_saved_and_used_again(settle: Typed, tmp_path: Path) -> None:
    file = write(tmp_path / "ar.csv", *ROWS)

    asked = settle("import", "file", file, "--practice", "Lakeside")
    first = settle("import", "file", file, "--practice", "Lakeside", "--yes", "--save-mapping", "our export")
    again = settle("import", "file", file, "--practice", "Lakeside", "--mapping", "our export")

    assert asked.exit_code == 1
    assert "Ins Bal                      Insurance balance          100.00" in asked.stderr
    assert "Example Ann" not in asked.output
    assert "Nothing was imported. Check the mapping above." in asked.stderr
    assert first.exit_code == 0, first.output
    assert "added 1 office, 1 provider, 1 payer, 2 patients, 2 claims, 2 lines, 3 postings" in first.stdout
    assert "Insurance balance                                $120.00" in first.stdout
    assert "Saved the mapping as our export." in first.stdout
    assert "Warning: No claim status is imported." in asked.stderr
    assert "Warning: No claim status is imported." in first.stdout
    assert again.stdout.splitlines()[-1] == "Nothing new: Lakeside already has all 2 claims."


def test_a_question_is_answered_on_the_command_line_or_in_a_file(settle: Typed, tmp_path: Path) -> None:
    file = write(tmp_path / "ar.csv", ROWS[0].replace("03/14", "03/04"))
    mapping = tmp_path / "mapping.json"

    asked = settle("import", "file", file, "--practice", "Lakeside", "--yes")
    written = settle("import", "file", file, "--practice", "Lakeside", "--write-mapping", mapping)
    answered = settle(
        "import", "file", file, "--practice", "Lakeside", "--yes", "--set", "dates.service_date=MM/DD/YYYY"
    )
    given = json.loads(mapping.read_text()) | {"dates": {"service_date": "MM/DD/YYYY"}}
    mapping.write_text(json.dumps(given))
    by_file = settle("import", "file", file, "--practice", "Lakeside", "--mapping", mapping)

    assert asked.exit_code == 1
    assert 'Date of service ("DOS") can be read as MM/DD/YYYY or DD/MM/YYYY' in asked.stderr
    assert (written.exit_code, answered.exit_code, by_file.exit_code) == (0, 0, 0), answered.output
    assert "Nothing new" in by_file.stdout


def test_a_mapping_of_another_name_lists_those_that_exist(settle: Typed, tmp_path: Path) -> None:
    file = write(tmp_path / "ar.csv", *ROWS)
    settle("import", "file", file, "--practice", "Lakeside", "--yes", "--save-mapping", "our export")

    refused = settle("import", "file", file, "--practice", "Lakeside", "--mapping", "ours")

    assert refused.exit_code == 1
    assert refused.stderr.strip() == "This practice has no mapping with that name. The mappings are: our export."


def test_a_fault_names_the_offices_own_row_and_header(settle: Typed, tmp_path: Path) -> None:
    file = write(tmp_path / "ar.csv", ROWS[0], ROWS[1].replace("20.00", "20.005"))

    refused = settle("import", "file", file, "--practice", "Lakeside", "--yes")

    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[-2:] == [
        (
            'ar.csv, line 3, column Ins Bal, value "20.005": the amount has more than two decimals, and an import '
            "never rounds; write two decimals"
        ),
        "Nothing was imported: 1 error.",
    ]


def test_the_saved_mapping_that_fits_is_named_and_used(settle: Typed, tmp_path: Path) -> None:
    file = write(tmp_path / "ar.csv", ROWS[0].replace("03/14", "03/04") + ",0", header=f"{HEADER},Adj")
    first = settle(
        "import", "file", file, "--practice", "Lakeside", "--yes", "--set", "dates.service_date=MM/DD/YYYY",
        "--set", "columns.Adj=", "--save-mapping", "our export",
    )  # fmt: skip
    assert first.exit_code == 0, first.output

    asked = settle("import", "file", file, "--practice", "Lakeside")
    again = settle("import", "file", file, "--practice", "Lakeside", "--yes")

    assert "The file has the columns of the saved mapping our export, so it is used." in asked.stderr
    assert "Check the mapping above" in asked.stderr
    assert again.exit_code == 0, again.output
    assert "Nothing new" in again.stdout


def test_an_uploaded_file_with_a_new_value_says_how_to_answer(capsys: pytest.CaptureFixture[str]) -> None:
    question = "What does “Plan B” mean? It is in 1 row of the “Hold” column."
    answer = {
        "id": "7", "status": "needs_mapping", "status_words": "waiting for its mapping", "refused_words": None,
        "options": {"mapping": {"columns": {}}, "mapping_name": "ours", "mapping_recognized": True},
        "report": {"guess": {"columns": [], "questions": [{"sentence": question}]}},
    }  # fmt: skip

    print_import(answer)

    assert capsys.readouterr().out.splitlines() == [
        "Import 7 is waiting for its mapping.",
        "The file has the columns of the saved mapping ours, so the import used it.",
        f"Question: {question}",
        "Answer on this import's page, or add the values to the mapping and send it again:",
        "  settle import map 7 NAME",
    ]
