"""Layouts of write-off files: what is valid, saved by name, and how a file follows them."""

from typing import Any

import pytest

from core.access.permissions import Actor
from core.errors import NotAllowed
from core.exports import layouts, sent_files
from core.exports.layouts import BadLayout, BuiltInLayout, Layout, NoSuchLayout
from core.exports.postings import PostingsFilter
from tests.factories import GivenPractice, Line, a_practice

TEBRA = {
    "columns": [
        {"column": "claim_id", "heading": "Claim #"},
        {"column": "text", "heading": "Type", "text": "ADJ"},
        {"column": "amount", "heading": "Amt"},
        {"column": "posting_date", "heading": "Date"},
    ],
    "date_format": "M/D/YYYY",
    "sign": "positive",
}


def test_a_file_has_the_columns_order_words_dates_and_sign_of_its_layout(practice: GivenPractice) -> None:
    practice.claim("00017", Line(12_00, 0))
    practice.settle()
    practice.act(layouts.save, "for Tebra", Layout.of(TEBRA))

    with practice.sessions() as session:
        whole = "".join(map(str, sent_files.draw(session, practice.id, PostingsFilter(), "For  tebra", "csv")))

    assert whole.lstrip("\ufeff").splitlines() == [
        "Claim #,Type,Amt,Date",
        "00017,ADJ,12.00,11/23/2026",
        "Total,,12.00,",
    ]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"columns": []}, "columns: must not be empty"),
        ({"columns": [{"column": "balance"}]}, "columns.0.column: must be one of claim_id"),
        ({"columns": [{"column": "line"}, {"column": "line"}]}, "two columns have the heading “Line”"),
        ({"columns": [{"column": "text"}]}, "give every column a heading"),
        ({"columns": [{"column": "line", "heading": "a\nb"}]}, "remove the line breaks"),
        ({"columns": [{"column": "line", "heading": "x" * 61}]}, "at most 60 characters"),
        ({"date_format": "DD.MM.YYYY"}, "date_format: must be one of MM/DD/YYYY"),
        ({"sign": "plus"}, "sign: must be one of negative, positive"),
        ({"totals_row": "yes"}, "totals_row: write true or false"),
        ({"color": 1}, "color: is unknown"),
    ],
)
def test_a_layout_that_is_not_valid_is_refused_by_its_place(changed: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadLayout) as refused:
        Layout.of({**TEBRA, **changed})

    assert fault in refused.value.message


def test_a_saved_layout_replaces_the_one_of_the_same_name(practice: GivenPractice) -> None:
    first = practice.act(layouts.save, "for Tebra", Layout.of(TEBRA))
    second = practice.act(layouts.save, "For Tebra", Layout.of({**TEBRA, "sign": "negative"}))

    assert second.id == first.id
    assert [one.name for one in practice.do(layouts.list_layouts, practice.id)][2:] == ["For Tebra"]
    assert practice.do(layouts.find, practice.id, "for tebra").layout.sign == "negative"
    with pytest.raises(BuiltInLayout):
        practice.act(layouts.save, "standard", Layout.of(TEBRA))
    with pytest.raises(BadLayout):
        practice.act(layouts.save, " ", Layout.of(TEBRA))


def test_a_deleted_layout_and_one_of_another_practice_are_not_found(practice: GivenPractice, approver: Actor) -> None:
    saved = practice.act(layouts.save, "Ours", Layout.of(TEBRA))
    other = a_practice(practice.sessions, name="Harbor")

    with pytest.raises(NoSuchLayout):
        other.act(layouts.remove, saved.id)
    with pytest.raises(NotAllowed):
        practice.act(layouts.remove, saved.id, by=approver)
    practice.act(layouts.remove, saved.id)
    with pytest.raises(NoSuchLayout, match="Standard, Batch Settle postings"):
        practice.do(layouts.find, practice.id, "Ours")
