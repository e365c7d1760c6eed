"""Exported files, and filters saved by name."""

import csv
import io

import pytest

from core.claims import export, saved_filters
from core.claims.saved_filters import BadFilterName, FilterNameTaken
from core.db.engine import transaction
from core.errors import NotAllowed, NotFound
from core.models.people import Role
from tests.factories import NOW, GivenPractice, a_practice


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =cmd()", "＝1+1", "|calc", "%x"])
def test_a_formula_is_exported_as_text(name: str) -> None:
    assert export.escape_formula(name) == f"'{name}"


@pytest.mark.parametrize("name", ["Ana", "O'Neil", "", "مريم", "1=1", "😀", "a-b"])
def test_an_ordinary_name_is_exported_unchanged(name: str) -> None:
    assert export.escape_formula(name) == name


def test_an_export_is_written_in_pieces_and_reads_back_unchanged() -> None:
    rows = [(str(n), 'a "quoted", name\nin two lines') for n in range(1_201)]

    pieces = list(export.csv_pieces(("number", "name"), rows))

    assert len(pieces) == -(-1_201 // export.ROWS_PER_PIECE)
    file = "".join(pieces).encode()
    assert file.startswith("\ufeffnumber".encode())
    assert file.count("\ufeff".encode()) == 1
    assert list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline=""))) == [["number", "name"], *map(list, rows)]


def test_a_saved_filter_belongs_to_its_practice(practice: GivenPractice) -> None:
    other = a_practice(practice.sessions, name="Hillside")
    with transaction(practice.sessions) as session:
        query = "total_due_max=25.00"
        saved_filters.save(session, name="  Small   balances ", query=query, by=practice.biller, now=NOW)

    with practice.sessions() as session:
        saved = saved_filters.list_saved_filters(session, practice.id)
        assert [(it.name, it.query) for it in saved] == [("Small balances", "total_due_max=25.00")]
        assert saved_filters.list_saved_filters(session, other.id) == []
        with pytest.raises(NotFound):
            saved_filters.remove(session, saved[0].id, by=other.biller, now=NOW)


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b"])
def test_a_filter_needs_a_name(practice: GivenPractice, name: str) -> None:
    with practice.sessions() as session, pytest.raises(BadFilterName):
        saved_filters.save(session, name=name, query="", by=practice.biller, now=NOW)


def test_a_user_cannot_replace_or_remove_a_colleagues_filter(practice: GivenPractice) -> None:
    colleague = practice.person("colleague@lakeside.example", Role.BILLER)
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    with practice.sessions() as session:
        saved_filters.save(session, name="Mine", query="a=1", by=practice.biller, now=NOW)
        with pytest.raises(FilterNameTaken):
            saved_filters.save(session, name="Mine", query="a=2", by=colleague, now=NOW)
        mine = saved_filters.list_saved_filters(session, practice.id)[0]
        with pytest.raises(NotAllowed):
            saved_filters.remove(session, mine.id, by=colleague, now=NOW)
        saved_filters.remove(session, mine.id, by=admin, now=NOW)
        assert saved_filters.list_saved_filters(session, practice.id) == []
