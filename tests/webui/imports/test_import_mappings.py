"""The page of import mappings: guessed from an uploaded file, corrected, saved, deleted."""

import datetime as dt
import errno
import io
import re
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse

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


def test_a_mapping_is_guessed_corrected_and_saved(practice: GivenPractice, biller: Browser) -> None:
    form = upload(biller, ROWS[0].replace("03/14", "03/04") + ",ZZ", header=f"{HEADER},Status")

    assert form.status_code == 200
    assert "can be read as MM/DD/YYYY or DD/MM/YYYY" in form.text
    assert "Example Ann" not in form.text
    refused = biller.post(PAGE, on=PAGE, **sent(form, name="our export"))
    assert refused.status_code == 422
    assert "Choose what these values mean: ZZ." in refused.text
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
    assert "Based on payer names: Medicare is Medicare." in page_text(form)


def test_a_full_disk_of_the_server_is_not_the_fault_of_the_file(
    practice: GivenPractice, biller: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileStorage, "save", refuse)

    full = upload(biller, *ROWS)

    assert full.status_code == 507
    assert "The server's disk is full" in page_text(full)


def test_a_file_that_cannot_be_read_is_explained_at_the_field(practice: GivenPractice, biller: Browser) -> None:
    missing = biller.post(f"{PAGE}/guess", on=PAGE)
    unknown = upload(biller, "x,y,z", header="1,2,3")

    assert (missing.status_code, unknown.status_code) == (422, 422)
    assert "Choose a file." in page_text(missing)
    assert "The file has no row of column headings" in page_text(unknown)
