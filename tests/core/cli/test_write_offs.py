"""`settle write-offs` and `settle reason`."""

import csv
import io
from pathlib import Path

import pytest

from core.db.engine import Sessions
from core.enums.people import Role
from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, Line, a_practice

BILLER, ADMIN = "biller@lakeside.example", "admin@lakeside.example"


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """Create a claim that a job settled."""
    given = a_practice(sessions)
    given.claim("0017", Line(10_00, 5_00))
    given.person(ADMIN, Role.ADMIN)
    given.settle()
    return given


def test_new_write_offs_are_sent_once_in_a_layout_of_ones_own(typed: Typed, practice: GivenPractice) -> None:
    columns = ["--column", "claim_id=Claim #", "--column", "amount", "--column", "text=Type=ADJ"]
    saved = typed("write-offs", "save-layout", "for Tebra", *columns, "--sign", "positive", "--no-totals", by=BILLER)
    assert saved.stdout == "for Tebra: Claim #, amount, Type (MM/DD/YYYY, write-offs positive)\n"

    sent = typed("write-offs", "send", "--layout", "for tebra")
    assert sent.stdout.endswith("for Tebra: 2 write-offs $15.00, 0 reversals $0.00\n")
    assert typed("write-offs", "files").stdout == sent.stdout
    assert typed("write-offs", "send").stderr == ("There are no new write-offs or reversals to send.\n")

    assert typed("write-offs", "file", "1").stdout == "Wrote write-offs-file-1.csv.\n"
    rows = list(csv.reader(io.StringIO(Path("write-offs-file-1.csv").read_text(encoding="utf-8-sig"))))
    assert rows == [["Claim #", "Amount", "Type"], ["0017", "10.00", "ADJ"], ["0017", "5.00", "ADJ"]]
    assert typed("write-offs", "delete-layout", "For Tebra").stdout == "Layout for Tebra is deleted.\n"
    assert "no saved layout named Standard" in typed("write-offs", "delete-layout", "Standard").stderr


def test_write_offs_are_downloaded_without_marking_them(typed: Typed, practice: GivenPractice) -> None:
    for given in (["--new"], ["--job", "1"], ["--from", "2026-11-23", "--through", "2026-11-23"]):
        shown = typed("write-offs", "download", *given, "--output", "-", by=BILLER).stdout
        assert len(shown.splitlines()) == 4, given
    assert typed("write-offs", "download", "--output", "book.xlsx").stdout == "Wrote book.xlsx.\n"
    assert Path("book.xlsx").read_bytes().startswith(b"PK")
    assert typed("write-offs", "download", "--job", "9").stderr == "There is no such job in this practice.\n"


def test_reasons_are_added_changed_and_retired(typed: Typed, practice: GivenPractice) -> None:
    added = typed("reason", "add", "Hardship", "--kind", "charity", "--adjustment-code", "HD", by=ADMIN)
    assert added.stdout == "hardship  Hardship (charity), adjustment code HD\n"
    changed = typed("reason", "change", "hardship", "--gl-account", "4711")
    assert changed.stdout == "hardship  Hardship (charity), adjustment code HD, GL account 4711\n"
    assert typed("reason", "retire", "hardship").stdout.endswith(", retired\n")
    assert "hardship" not in typed("reason", "list").stdout
    assert "hardship" in typed("reason", "list", "--all").stdout
    typed("reason", "restore", "hardship")

    practice.claim("2", Line(0, 1_00))
    preview = typed("preview", "--claim", "2", "--reason", "hardship", by=BILLER)
    assert "Reason: Hardship." in preview.stdout
    refused = typed("preview", "--claim", "2", "--reason", "spite")
    assert refused.stderr.startswith("reason: give one of administrative, bad_debt")
