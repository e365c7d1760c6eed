"""Write-offs to post and the practice's own reasons in a browser: axe finds no fault, from settling to the file."""

from playwright.sync_api import expect

from core.enums.people import Role
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice, Line

pytestmark = no_browser


def test_an_administrator_adds_a_reason_settles_and_downloads_the_write_offs(
    practice: GivenPractice, open_as: OPEN
) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.claim("C1", Line(0, 100_00))
    page = open_as("/reasons", admin)
    page.get_by_label("Name").fill("Hardship discount")
    page.get_by_label("Kind").select_option("charity")
    page.get_by_label("Adjustment code").fill("HD")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("main table")).to_contain_text("Hardship discount")
    assert faults_of(page) == ""
    practice.settle(reason="hardship_discount")

    page = open_as("/write-offs", admin)
    assert faults_of(page) == ""
    preview = page.get_by_role("link", name="Preview this layout (XLSX)")
    assert "layout=Standard" in (preview.get_attribute("href") or "")
    page.locator("#layout").select_option("Batch Settle postings")
    assert "layout=Batch+Settle+postings" in (preview.get_attribute("href") or "")
    page.locator("#layout").select_option("Standard")
    page.get_by_role("button", name="Create file and mark as sent").click()
    with page.expect_download() as started:
        page.get_by_role("link", name="File 1 as CSV").click()

    text = started.value.path().read_text(encoding="utf-8-sig")
    assert "C1,1,The Patient,05/07/2026,1,99213,patient,-100.00" in text
    assert ",Hardship discount,HD," in text
    assert faults_of(page) == ""
    assert faults_of(open_as("/write-offs/layouts/new", admin)) == ""
