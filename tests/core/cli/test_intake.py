"""`settle import` and `settle sample`, as typed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.cli import main
from core.settings import settings


class Typed:
    """The command, typed against one database."""

    def __call__(self, *words: str | Path) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def settle(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    """`settle` on this test's database."""
    monkeypatch.setenv("SETTLE_DATABASE_URL", database_url)
    settings.cache_clear()
    yield Typed()
    settings.cache_clear()


def test_from_the_template_to_a_practice_and_again(settle: Typed, tmp_path: Path) -> None:
    folder = tmp_path / "files"

    assert settle("import", "csv", "--template", folder).exit_code == 0
    first = settle("import", "csv", folder, "--practice", "Lakeside")
    again = settle("import", "csv", folder, "--practice", "Lakeside")

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "2 claims, 3 lines, 7 postings" in first.stdout
    assert again.stdout == "Nothing new: Lakeside has all 2 claims already.\n"


def test_faults_are_said_one_a_line_and_the_exit_code_is_1(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path / "files")
    postings = tmp_path / "files" / "postings.csv"
    postings.write_text(postings.read_text(encoding="utf-8").replace("-88.00", "NaN"), encoding="utf-8")

    refused = settle("import", "csv", tmp_path / "files", "--practice", "Lakeside")

    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr.splitlines() == [
        (
            'postings.csv, line 3, column amount, value "NaN": write dollars and cents with digits and a point only, '
            "such as 1234.56"
        ),
        "Nothing was imported: 1 fault.",
    ]


def test_a_template_overwrites_nothing(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path)

    again = settle("import", "csv", "--template", tmp_path)

    assert again.exit_code == 1
    assert "claims.csv" in again.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("import", "csv"),
        ("import", "csv", "here"),
        ("import", "csv", "here", "--practice", "P", "--template", "there"),
        ("import", "synthea", "here"),
        ("sample", "--practice", "P", "--claims", "0"),
        ("sample", "--claims", "5"),
    ],
)
def test_wrong_use_is_exit_code_2(settle: Typed, words: tuple[str, ...]) -> None:
    assert settle(*words).exit_code == 2


@pytest.mark.parametrize("kind", ["csv", "synthea"])
def test_a_folder_that_is_not_there_is_refused(settle: Typed, tmp_path: Path, kind: str) -> None:
    refused = settle("import", kind, tmp_path / "nowhere", "--practice", "Lakeside")

    assert refused.exit_code == 1
    assert refused.stderr == f"{tmp_path}/nowhere is not a folder.\n"


def test_an_unknown_time_zone_is_refused(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path)

    refused = settle("import", "csv", tmp_path, "--practice", "Lakeside", "--time-zone", "America/Nowhere")

    assert refused.exit_code == 1
    assert "A time zone is named as in the IANA list" in refused.stderr


def test_a_sample_says_what_it_made_and_is_not_made_twice(settle: Typed) -> None:
    first = settle("sample", "--claims", "25", "--practice", "Sample", "--seed", "4")
    again = settle("sample", "--claims", "25", "--practice", "Sample", "--seed", "4")

    assert (first.exit_code, first.stdout) == (0, "Sample has 25 claims.\n")
    assert (again.exit_code, again.stderr) == (1, "There already is a practice of this name.\n")
