"""The page of write-offs to post, its files and layouts, and the page of reasons."""

import csv
import io
import re
from collections.abc import Callable

import pytest

from core.access.permissions import Actor
from core.enums.people import Role
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser

PAGE = "/write-offs"


@pytest.fixture
def biller(practice: GivenPractice, browser_of: Callable[[Actor], Browser]) -> Browser:
    """Return the browser of the biller."""
    return browser_of(practice.biller)


@pytest.fixture
def admin(practice: GivenPractice, browser_of: Callable[[Actor], Browser]) -> Browser:
    """Return the browser of an administrator."""
    return browser_of(practice.person("admin@lakeside.example", Role.ADMIN))


def rows_of(browser: Browser, path: str) -> list[list[str]]:
    answer = browser.get(path)
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def test_a_biller_marks_what_is_new_as_sent_and_downloads_the_file(practice: GivenPractice, biller: Browser) -> None:
    assert "There are no new write-offs or reversals" in biller.says(PAGE)
    practice.claim("C1", Line(12_00, 3_00))
    practice.settle()
    assert "2 write-offs ($15.00) and 0 reversals ($0.00)" in biller.says(PAGE)

    for _ in range(2):  # a double click
        biller.post(f"{PAGE}/files", on=PAGE, layout="Standard", idempotency_key="one form")

    page = biller.says(PAGE)
    assert "There are no new write-offs or reversals" in page
    assert page.count("11/23/2026 10:00:00 AM biller Standard 2 $15.00 0 $0.00 XLSX CSV") == 1
    rows = rows_of(biller, "/write-offs/files/1/write-offs.csv")
    rows_of(biller, "/write-offs/files/1/write-offs.csv")
    assert [one.act for one in practice.audited(subject="file:1")] == [
        "write_offs.sent", "write_offs.file_downloaded", "write_offs.drawn_again"
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["Claim ID", "C1", "C1", "Total"]
    again = biller.post(f"{PAGE}/files", on=PAGE, layout="Standard", idempotency_key="another")
    practice.claim("C2", Line(12_00, 0))
    practice.settle()
    assert "biller Standard 2 $15.00" in biller.says(PAGE), "the sender, also beside the form with the layouts"
    assert (again.status_code, "There are no new write-offs or reversals to send" in again.text) == (409, True)


def test_a_job_or_a_range_of_dates_is_downloaded_and_faults_appear_at_their_fields(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim("C1", Line(12_00, 0))
    job = practice.settle()

    assert len(rows_of(biller, f"{PAGE}/download?job={job.job_id}&form=csv")) == 3
    assert len(rows_of(biller, f"{PAGE}/download?posted_from=2026-11-23&posted_through=2026-11-23")) == 3
    assert len(rows_of(biller, f"{PAGE}/download?posted_through=2026-11-22")) == 1
    fault = biller.get(f"{PAGE}/download?job=x")
    assert (fault.status_code, 'id="job-fault"' in fault.text) == (422, True)
    assert biller.get(f"{PAGE}/download?posted_from=2026-11-24&posted_through=2026-11-23").status_code == 422
    assert biller.get(f"{PAGE}/download?job=99").status_code == 404


def test_a_layout_is_made_changed_and_deleted(practice: GivenPractice, biller: Browser) -> None:
    new = f"{PAGE}/layouts/new"
    fields = {"name": "for Tebra", "date_format": "MM/DD/YY", "sign": "positive"}
    columns = {
        "place-amount": "2", "heading-amount": "Amt", "place-claim_id": "1", "place-text1": "3",
        "heading-text1": "Type", "text-text1": "ADJ",
    }  # fmt: skip

    empty = biller.post(f"{PAGE}/layouts", on=new, **fields)
    assert (empty.status_code, "Number at least one column." in empty.text) == (422, True)
    assert 'value="for Tebra"' in empty.text
    saved = biller.post(f"{PAGE}/layouts", on=new, **fields, **columns)

    chosen = 'value="for Tebra" selected'
    assert chosen in re.sub(r"\s+", " ", biller.read(saved.location))
    assert "for Tebra Claim ID, Amt, Type MM/DD/YY" in biller.says(PAGE)
    form = biller.read(f"{PAGE}/layouts/1")
    assert 'name="heading-amount" value="Amt"' in form
    practice.claim("C1", Line(12_00, 0))
    practice.settle()
    assert rows_of(biller, f"{PAGE}/download?layout=for+Tebra") == [["Claim ID", "Amt", "Type"], ["C1", "12.00", "ADJ"]]
    assert chosen not in re.sub(r"\s+", " ", biller.read(PAGE))
    biller.post(f"{PAGE}/files", on=PAGE, layout="for Tebra", idempotency_key="one")
    assert chosen in re.sub(r"\s+", " ", biller.read(PAGE)), "the next file has the layout of the last one"
    biller.post(f"{PAGE}/layouts/1/delete", on=PAGE)
    assert "/layouts/1" not in biller.read(PAGE)


def test_an_administrator_adds_changes_and_retires_a_reason(
    practice: GivenPractice, admin: Browser, biller: Browser
) -> None:
    missing = admin.post("/reasons", on="/reasons", name="Hardship", kind="")
    assert (missing.status_code, 'id="kind-fault"' in missing.text) == (422, True)
    admin.post("/reasons", on="/reasons", name="Hardship", kind="charity", adjustment_code="HD")
    admin.post("/reasons/hardship", on="/reasons/hardship", name="Hardship 2026", adjustment_code="HD2")
    assert "Hardship 2026 Charity HD2 – hardship In use" in admin.says("/reasons")
    assert "/reasons/hardship" not in " ".join(biller.links("/reasons"))

    practice.claim("C1", Line(0, 5_00))
    offered = biller.post("/jobs", on="/claims", scope="chosen", claim_id="C1", target_status="Settled").text
    assert '<option value="hardship">Hardship 2026</option>' in offered
    job = practice.settle(reason="hardship")
    admin.post("/reasons/hardship", on="/reasons/hardship", name="Later", adjustment_code="")
    for path in (f"/jobs/{job.job_id}", "/jobs", "/claims/C1", f"/jobs/{job.job_id}/certificate"):
        assert "Hardship 2026" in biller.says(path), path

    admin.post("/reasons/hardship/retire", on="/reasons")
    assert "Later Charity – – hardship Retired" in admin.says("/reasons")
    assert (
        ">Later</option>"
        not in biller.post("/jobs", on="/claims", scope="chosen", claim_id="C1", target_status="Settled").text
    )
    admin.post("/reasons/hardship/restore", on="/reasons")
    assert "Later Charity – – hardship In use" in admin.says("/reasons")


def test_the_preview_of_what_is_new_has_the_layout_that_the_form_offers(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim("C1", Line(12_00, 3_00))
    practice.settle()

    for asked, offered in (("", "Standard"), ("?layout=Batch+Settle+postings", "Batch+Settle+postings")):
        (link,) = re.findall(r'data-follows="layout" download href="([^"]+)"', biller.read(f"{PAGE}{asked}"))
        assert f"layout={offered}" in link

    assert rows_of(biller, link.replace("&amp;", "&").replace("xlsx", "csv"))[0][0] == "posting_id"
