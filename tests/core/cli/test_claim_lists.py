"""`settle preview --claims-from`: claim numbers from a file or from standard input."""

import json
from pathlib import Path

import pytest

from core.db.engine import Sessions
from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, Line, a_practice

BILLER = "biller@lakeside.example"
PREVIEW = ("preview", "--reason", "small_balance", "--claims-from")


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """A practice with three claims."""
    given = a_practice(sessions)
    given.alike(("00101", "102", "A 3"), Line(1_000, 0))
    return given


def test_a_file_of_numbers_is_previewed_and_the_others_are_listed(
    typed: Typed, practice: GivenPractice, tmp_path: Path
) -> None:
    (tmp_path / "may.csv").write_text("Claim #,Patient\n00101,Ann\n102,Lee\n101,Joe\nnope,Kim\n", encoding="utf-8")

    shown = typed(*PREVIEW, "may.csv", by=BILLER)

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith(
        "2 claim numbers not found:\n  101 (did you mean 00101?)\n  nope\nJob 1: 2 claims; 2 will move to Settled"
    )
    assert "Selection: 4 claim numbers from a list, 2 not found.\n" in shown.stdout
    assert "claim numbers not found" not in typed("show", "1").stdout


def test_numbers_are_read_from_standard_input(typed: Typed, practice: GivenPractice) -> None:
    shown = typed(*PREVIEW, "-", "--json", by=BILLER, input="Claim #\n00101\nA 3, 102\n9 9\n")

    job = json.loads(shown.stdout)
    assert job["counts"]["claims"] == 3
    assert [one["claim_number"] for one in job["not_found"]] == ["9 9"]


@pytest.mark.parametrize(
    ("words", "typed_in", "code", "shown"),
    [
        (("-",), "", 1, "The list contains no claim numbers."),
        (("-",), "1,45\n2,46\n", 1, "The list has 2 columns, and no heading says which one"),
        (("-",), b"\xff", 1, "Standard input is not UTF-8 text."),
        (("-",), "nope\n", 1, "None of these claim numbers was found in this practice."),
        (("-", "--claim", "102"), "102", 2, "Select claims with"),
        (("absent.csv",), "", 2, "does not exist"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(
    typed: Typed, practice: GivenPractice, words: tuple[str, ...], typed_in: str | bytes, code: int, shown: str
) -> None:
    refused = typed(*PREVIEW, *words, by=BILLER, input=typed_in)

    assert (refused.exit_code, refused.stdout) == (code, "")
    assert shown in refused.stderr
