"""From pasted claim numbers to CONFIRM in a real browser."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice, Line

pytestmark = no_browser
LAPTOP = {"width": 1366, "height": 768}


def test_pasted_numbers_become_a_job(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claims(3)
    practice.claim("00104", Line(1_000, 0))
    page = open_as("/claims", practice.biller, viewport=LAPTOP)
    page.get_by_role("link", name="Paste claim numbers").click()
    expect(page.get_by_role("textbox", name="Claim numbers")).to_be_focused()
    assert faults_of(page) == ""

    page.get_by_role("button", name="Check numbers").click()
    expect(page.get_by_role("alert")).to_contain_text("The list was not checked")
    assert faults_of(page) == ""

    page.get_by_role("textbox", name="Claim numbers").fill("Claim #\nC00001\nC00002\nC00002\n104\nZ9\n")
    page.get_by_role("button", name="Check numbers").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 of 4 claim numbers found")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert "C0000" not in page.url
    assert faults_of(page) == ""

    with page.expect_download() as download:
        page.get_by_role("button", name="Not found (CSV)").click()
    assert "Z9" in Path(download.value.path()).read_text(encoding="utf-8-sig")

    page.get_by_role("checkbox", name="Use claim 00104 instead of 104").check()
    page.get_by_role("button", name="Use checked claims").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 of 4 claim numbers found")

    page.wait_for_load_state()  # the script that closes the menu runs before the page is loaded
    page.get_by_text("Batch Status Change").press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("group", name="Change the found claims to")).to_be_hidden()
    page.get_by_text("Batch Status Change").click()
    assert faults_of(page) == ""
    page.get_by_role("button", name="Settled may write off balances").click()
    page.get_by_label("Reason").select_option("small_balance")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("main header p").first).to_contain_text("Selected by 4 claim numbers from a list, 1 not found.")
    expect(page.get_by_role("heading", name="What this job will do")).to_be_focused()
    assert faults_of(page) == ""
    page.get_by_role("button", name="Cancel").click()
    kept = "The preview is canceled. Your list is kept."
    expect(page.get_by_role("status")).to_have_text(kept)
    expect(page.locator("#announce")).to_have_text(kept)
    page.get_by_text("Batch Status Change").click()
    page.get_by_role("button", name="Settled may write off balances").click()
    page.get_by_label("Reason").select_option("small_balance")
    page.get_by_role("button", name="Preview").click()
    page.get_by_label("Type CONFIRM").fill("CONFIRM")
    page.get_by_role("button", name="Settle 3 claims").click()
    expect(page.locator("#job-status")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    practice.run()

    assert practice.read("00104").billing_status == "Settled"
    assert practice.read("C00003").billing_status != "Settled"
