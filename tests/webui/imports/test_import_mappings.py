"""The page of import mappings: guessed from an uploaded file, corrected, saved, deleted."""

import datetime as dt
import errno
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse

from core.intake.mapping.saved_mappings import list_mappings
from tests.core.intake.mapping.conftest import HEADER, ROWS
from tests.core.intake.mapping.samples import write_workbook
from tests.factories import GivenPractice
from tests.webui.conftest import Browser, page_text

PAGE = "/import-mappings"


def upload(browser: Browser, *rows: str, header: str = HEADER) -> TestResponse:
    content = "\n".join([header, *rows]).encode()
    return browser.post(f"{PAGE}/guess", on=PAGE, file=(io.BytesIO(content), "ar.csv"))


def sent(form: TestResponse, **changes: str) -> dict[str, str]:
    """Return the fields of the form as a browser sends them."""
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.text))
    for name, options in re.findall(r'<select [^>]*?name="([^"]+)"[^>]*>(.*?)</select>', form.text, re.DOTALL):
        chosen = re.search(r'value="([^"]*)"\s+selected', options)
        fields[name] = chosen[1] if chosen else ""
    fields.pop("csrf_token")
    fields["draft"] = "{}"
    return fields | changes


def texts(form: TestResponse) -> dict[str, str]:
    """Return the text fields of the form."""
    return dict(re.findall(r'<input name="(constant-\d+)" value="([^"]*)"', form.text))


def place(form: TestResponse, header: str) -> str:
    """Return the number of the column in the form."""
    found = re.search(rf'name="header-(\d+)" value="{re.escape(header)}"', form.text)
    assert found, header
    return found[1]


def test_a_mapping_is_guessed_corrected_and_saved(practice: GivenPractice, biller: Browser) -> None:
    form = upload(biller, ROWS[0].replace("03/14", "03/04") + ",ZZ", header=f"{HEADER},Status")

    assert form.status_code == 200
    assert "can be read as MM/DD/YYYY or DD/MM/YYYY" in form.text
    assert "Example Ann" not in form.text
    assert "aria-invalid" not in form.text
    refused = biller.post(PAGE, on=PAGE, **sent(form, name=" "))
    assert refused.status_code == 422
    says = page_text(refused)
    assert "The mapping is not saved. Choose what these values in Status mean: ZZ." in says
    assert "Give the mapping a name of at most 60 characters." in says
    assert re.findall(r'<(?:select|input)[^>]*name="([^"]+)"[^>]*aria-invalid', refused.text) == [
        "date-3",
        "ours-7",
        "name",
    ]
    decided = sent(form, **{"name": "our export", "date-3": "MM/DD/YYYY", "ours-7": "Internal Review"})
    twice = biller.post(PAGE, on=PAGE, **{**decided, "field-1": "claim"})
    assert "The columns &#34;Claim #&#34; and &#34;Patient #&#34; both mean Claim ID. Choose one." in twice.text
    saved = biller.post(PAGE, on=PAGE, **decided)
    assert saved.status_code == 303
    shown = biller.says(saved.location)
    assert "Mapping our export" in shown
    assert "Date of service DOS MM/DD/YYYY" in shown
    assert "ZZ means Internal Review" in shown
    taken = biller.post(PAGE, on=PAGE, **(decided | {"rows": "line"}))
    assert "Overwrite the saved mapping that has this name" in taken.text
    assert biller.post(PAGE, on=PAGE, **(decided | {"rows": "line", "replace": "1"})).status_code == 303
    assert "One row for each service line." in biller.says(saved.location)
    assert biller.post(f"{saved.location}/delete", on=PAGE).status_code == 303
    assert "No mappings yet." in biller.says(PAGE)


def test_real_dates_of_a_workbook_are_shown_as_the_practice_writes_them(
    practice: GivenPractice, biller: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "ar.xlsx"
    day = dt.date(2026, 3, 4)
    write_workbook(path, {"AR": [HEADER.split(","), ["C1", "P1", "Example Ann", day, "Medicare", 100, 0.5]]})

    form = biller.post(f"{PAGE}/guess", on=PAGE, file=(io.BytesIO(path.read_bytes()), "ar.xlsx"))

    assert form.status_code == 200
    assert "DOS 03/04/2026" in page_text(form)
    assert '<option value="YYYY-MM-DD" selected>Real dates, or YYYY-MM-DD</option>' in form.text
    assert "Based on payer names: Medicare is Medicare." in page_text(form)


def test_a_full_disk_of_the_server_is_not_the_fault_of_the_file(
    practice: GivenPractice, biller: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileStorage, "save", refuse)

    full = upload(biller, *ROWS)

    assert full.status_code == 507
    assert "The server’s disk is full" in page_text(full)


def test_a_file_that_cannot_be_read_is_explained_at_the_field(practice: GivenPractice, biller: Browser) -> None:
    missing = biller.post(f"{PAGE}/guess", on=PAGE)
    unknown = upload(biller, "x,y,z", header="1,2,3")

    assert (missing.status_code, unknown.status_code) == (422, 422)
    assert "Choose a file." in page_text(missing)
    assert "The file has no row of column names" in page_text(unknown)


def test_a_long_column_heading_does_not_keep_a_file_from_being_mapped(practice: GivenPractice, biller: Browser) -> None:
    long = "Notes " * 50
    form = upload(biller, ROWS[0] + ",x,y", header=f"{HEADER},{long},{long}")

    saved = biller.post(PAGE, on=PAGE, **sent(form, name="our export"))

    assert saved.status_code == 303
    with practice.sessions() as session:
        (mapping,) = list_mappings(session, practice.id)
    first, second = mapping.mapping["not_imported"]
    assert (len(first), len(second), second[-4:]) == (200, 200, " (2)")


def test_a_value_that_is_too_long_for_a_mapping_loses_no_other_answer(practice: GivenPractice, biller: Browser) -> None:
    form = upload(biller, ROWS[0] + "," + "w" * 250, header=f"{HEADER},Status")
    answers = {"name": "our export", "ours-7": "Internal Review", "draft": '{"encoding": "windows-1252"}'}

    refused = biller.post(PAGE, on=PAGE, **sent(form) | answers)

    assert refused.status_code == 422
    assert "at most 200 characters" in page_text(refused)
    assert 'value="our export"' in refused.text
    assert "windows-1252" in refused.text
    assert (sent(refused)["ours-7"], sent(refused)["field-3"]) == ("Internal Review", "service_date")
    assert biller.post(PAGE, on=PAGE, **sent(refused, name="our export") | {"field-7": ""}).status_code == 303


def test_a_saved_mapping_is_changed_and_renamed(practice: GivenPractice, biller: Browser) -> None:
    form = upload(biller, ROWS[0] + ",ZZ,note", header=f"{HEADER},Status,Note")
    saved = biller.post(PAGE, on=PAGE, **sent(form, **{"name": "our export", "ours-7": "Internal Review"}))
    assert "Change our export" in biller.says(PAGE)

    change = biller.get("/import-mappings/1/change")
    assert 'value="our export"' in change.text
    status, day, note = (place(change, header) for header in ("Status", "DOS", "Note"))
    fields = sent(change, **{"name": "AR export", f"ours-{status}": "Not Submitted", f"date-{day}": "DD/MM/YYYY"})
    assert (fields[f"field-{note}"], fields["mapping_id"]) == ("", "1")
    done = biller.post(PAGE, on=PAGE, **fields)

    assert (done.status_code, done.location) == (303, saved.location)
    page = biller.says(done.location)
    assert "Mapping AR export" in page
    assert "Date of service DOS DD/MM/YYYY" in page
    assert "ZZ means Not Submitted" in page
    with practice.sessions() as session:
        (mapping,) = list_mappings(session, practice.id)
    assert mapping.mapping["not_imported"] == ["Note"]


def test_values_that_are_the_same_in_every_row_are_saved_with_the_mapping(
    practice: GivenPractice, biller: Browser
) -> None:
    form = upload(biller, *ROWS)
    of_office = {"constant-field-0": "office", "constant-0": "Main Street"}
    shown = biller.post("/import-mappings/columns", on=PAGE, **sent(form, **of_office))
    dated = {"constant-field-1": "posting_date", "constant-1": "3/31/2026"}
    with_date = biller.post("/import-mappings/columns", on=PAGE, **texts(shown) | sent(shown, **dated))

    complete = texts(with_date) | sent(with_date, **{"name": "ours", "constant-date-1": "MM/DD/YYYY"})
    saved = biller.post(PAGE, on=PAGE, **complete)

    assert saved.status_code == 303
    page = biller.says(saved.location)
    assert "Office Always Main Street" in page
    assert "Date of payments and adjustments Always 3/31/2026 MM/DD/YYYY" in page
    changed = biller.get("/import-mappings/1/change")
    assert (texts(changed)["constant-1"], sent(changed)["constant-date-1"]) == ("3/31/2026", "MM/DD/YYYY")


@pytest.mark.parametrize(
    ("constants", "problem"),
    [
        ({"constant-field-0": "office", "constant-0": ""}, "Enter the value of Office, or set its meaning to"),
        ({"constant-field-0": "", "constant-0": "North"}, 'Choose what "North" means, or clear it.'),
        ({"constant-field-0": "service_date", "constant-0": "x"}, 'Date of service has both the column "DOS"'),
        ({"constant-field-0": "first_billed", "constant-0": "3/1/26"}, "Choose the date format for First EDI"),
        (
            {"constant-field-0": "hold", "constant-0": "maybe"},
            "Hold, same value in every row: enter one of these: hold",
        ),
        (
            {"constant-field-0": "office", "constant-0": "a", "constant-field-1": "office", "constant-1": "b"},
            "Office is entered twice under “Same value in every row”. Clear one of the two.",
        ),
    ],
)
def test_a_value_for_every_row_that_cannot_be_used_is_explained(
    practice: GivenPractice, biller: Browser, constants: dict[str, str], problem: str
) -> None:
    form = upload(biller, *ROWS)

    refused = biller.post(PAGE, on=PAGE, **sent(form, name="ours", **constants))

    assert refused.status_code == 422
    assert problem in page_text(refused)
    assert texts(refused)["constant-0"] == constants["constant-0"]


def test_a_payer_class_that_was_guessed_wrong_is_corrected(practice: GivenPractice, biller: Browser) -> None:
    row = ROWS[0].replace("Aetna", "Sunshine Health")
    form = upload(biller, row, ROWS[1])
    fields = sent(form)
    names = re.findall(r'name="payer" value="([^"]*)"', form.text)
    index = names.index("Sunshine Health")
    assert fields[f"class-{index}"] == "commercial"

    saved = biller.post(PAGE, on=PAGE, **fields | {"name": "ours", "payer": names, f"class-{index}": "medicaid"})

    assert "Payer class of Sunshine Health Always Medicaid" in biller.says(saved.location)
    with practice.sessions() as session:
        (mapping,) = list_mappings(session, practice.id)
    assert mapping.mapping["payer_classes"] == {"Sunshine Health": "medicaid"}


def test_classes_of_payers_that_the_form_does_not_show_stay(practice: GivenPractice, biller: Browser) -> None:
    form = upload(biller, ROWS[0] + ",Commercial", header=f"{HEADER},Ins Class")
    index = place(form, "Ins Class")
    draft = '{"payer_classes": {"Sunshine Health": "medicaid"}}'
    answers = sent(form, **{"name": "ours", "draft": draft, f"field-{index}": "payer_class"})

    shown = biller.post("/import-mappings/columns", on=PAGE, **answers)

    assert "Payer classes" not in page_text(shown)
    hidden = html.unescape(re.findall(r'name="draft" value="([^"]*)"', shown.text)[0])
    assert json.loads(hidden)["payer_classes"] == {"Sunshine Health": "medicaid"}


def test_a_mapping_is_not_given_the_name_of_another_one(practice: GivenPractice, biller: Browser) -> None:
    for name in ("first", "second"):
        biller.post(PAGE, on=PAGE, **sent(upload(biller, *ROWS), name=name))

    refused = biller.post(PAGE, on=PAGE, **sent(biller.get("/import-mappings/2/change"), name="first"))

    assert refused.status_code == 422
    assert "Another mapping already has this name." in page_text(refused)
    assert "Overwrite the saved mapping" not in refused.text
    assert 'name="mapping_id" value="2"' in refused.text
    assert biller.get("/import-mappings/99/change").status_code == 404


def test_a_different_meaning_of_a_column_shows_its_values_and_keeps_every_other_answer(
    practice: GivenPractice, biller: Browser
) -> None:
    form = upload(biller, ROWS[0].replace("03/14", "03/04") + ",Appeal,2026-03-05", header=f"{HEADER},Status,Seen")
    answers = {"name": "ours", "date-3": "MM/DD/YYYY", "field-7": "hold", "field-8": "last_statement"}

    shown = biller.post("/import-mappings/columns", on=PAGE, **sent(form, **answers))

    fields = sent(shown)
    assert shown.status_code == 200
    assert (fields["field-7"], fields["ours-7"]) == ("hold", "appeal_open")
    assert 'name="name" type="text" value="ours"' in shown.text
    assert (fields["date-3"], fields["date-8"]) == ("MM/DD/YYYY", "")
    unknown = biller.post("/import-mappings/columns", on=PAGE, **{**fields, "field-7": "claim_type"})
    assert sent(unknown)["ours-7"] == "?"
    refused = biller.post(PAGE, on=PAGE, **sent(unknown, name="ours"))
    assert "mean: Appeal." in refused.text
    new = biller.post("/import-mappings/columns", on=PAGE, **{**fields, "field-8": "hold", "field-7": ""})
    assert "After you save, the import asks what new values mean." in page_text(new)
