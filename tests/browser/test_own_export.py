"""An office manager with only a browser imports their own workbook, and the next day's."""

import os
from pathlib import Path

from playwright.sync_api import Page, expect

from core.enums.people import Role
from core.money import format_cents
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice
from tests.own_export import next_day, rows_of, workbook
from tests.uploads import Uploads, uploads_of

pytestmark = no_browser
WIDTH = 1366


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page if the environment names a folder for it."""
    folder = os.environ.get("SETTLE_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
    assert faults_of(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH


def upload(page: Page, file: Path, expected: str) -> None:
    page.get_by_label("CSV, XLSX or X12 files, or one zip file that contains them").set_input_files(file)
    page.get_by_label("Expected A/R total").fill(expected)
    page.get_by_role("button", name="Upload and check").click()


def work(page: Page, uploads: Uploads) -> None:
    expect(page.get_by_text("Waiting to be checked", exact=True)).to_be_visible()
    assert uploads.work()


def test_an_office_manager_imports_an_export_and_the_next_days(
    practice: GivenPractice, open_as: OPEN, tmp_path: Path
) -> None:
    rows = rows_of(200)
    total = 100 * sum(row[9] + row[10] for row in rows)
    first, second = tmp_path / "Open AR 11-20.xlsx", tmp_path / "Open AR 11-21.xlsx"
    first.write_bytes(workbook(rows))
    second.write_bytes(workbook(next_day(rows)))
    with uploads_of(practice, tmp_path / "files") as uploads:
        page = open_as(
            "/imports", practice.person("manager@lakeside.example", Role.ADMIN),
            viewport={"width": WIDTH, "height": 768},
        )  # fmt: skip
        picture(page, "1-upload")
        upload(page, first, format_cents(total))
        work(page, uploads)
        page.get_by_role("link", name="Check the columns").wait_for()
        picture(page, "2-needs-mapping")
        page.get_by_role("link", name="Check the columns").click()
        picture(page, "3-columns")
        page.get_by_role("textbox", name="Name").fill("our export")
        page.get_by_role("button", name="Save mapping and check the claims").click()
        work(page, uploads)
        expect(page.get_by_text("As expected")).to_be_visible()
        picture(page, "4-checked")
        page.get_by_role("button", name="Import 200 claims").click()
        expect(page.get_by_text("Importing", exact=True)).to_be_visible()
        uploads.work()
        expect(page.get_by_text("200 claims imported.")).to_be_visible()

        page.get_by_role("link", name="All imports").click()
        page.get_by_label("Type of files").select_option("Your own export: our export")
        upload(page, second, format_cents(total - 6_000))
        work(page, uploads)
        expect(page.get_by_text("1 change to existing records", exact=True)).to_be_visible()
        expect(page.get_by_text("As expected")).to_be_visible()
        picture(page, "5-next-day")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download all changes as CSV").click()
        assert '"Example, Paula"' in download.value.path().read_text(encoding="utf-8-sig")
        page.get_by_label("Also apply").check()
        page.get_by_role("button", name="Import 1 posting on existing claims").click()
        expect(page.get_by_text("Importing", exact=True)).to_be_visible()
        uploads.work()

        expect(page.get_by_text("1 posting on existing claims and 1 change imported.")).to_be_visible()
        picture(page, "6-imported")
        page.goto("/claims/V0000")
        expect(page.get_by_text("Example, Paula").first).to_be_visible()
