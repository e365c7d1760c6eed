"""A mapping is made from a file in a real browser, without a shell."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.core.intake.mapping.conftest import HEADER, ROWS
from tests.factories import GivenPractice

pytestmark = no_browser


def test_a_biller_maps_the_columns_of_an_export(practice: GivenPractice, open_as: OPEN, tmp_path: Path) -> None:
    export = tmp_path / "ar.csv"
    export.write_text("\n".join([f"{HEADER},Status", ROWS[0].replace("03/14", "03/04") + ",COLL"]), encoding="utf-8")
    page = open_as("/import-mappings", practice.biller)
    assert faults_of(page) == ""

    page.get_by_label("CSV or XLSX file").set_input_files(export)
    page.get_by_role("button", name="Show the columns").click()
    assert faults_of(page) == ""
    expect(page.locator("main")).to_contain_text("can be read as MM/DD/YYYY or DD/MM/YYYY")
    page.get_by_label("Date format for DOS").select_option("MM/DD/YYYY")
    page.get_by_label("Meaning of the value COLL").select_option("Internal Review")
    page.get_by_role("textbox", name="Name").fill("our export")
    page.get_by_role("button", name="Save mapping").click()

    expect(page.locator("body")).to_contain_text("Mapping our export saved.")
    expect(page.locator("main")).to_contain_text("COLL means Internal Review")
    assert faults_of(page) == ""


def test_a_column_with_a_different_meaning_shows_its_choices_at_once(
    practice: GivenPractice, open_as: OPEN, tmp_path: Path
) -> None:
    export = tmp_path / "ar.csv"
    export.write_text("\n".join([f"{HEADER},Status,Seen", ROWS[0] + ",Legal,2026-03-05"]), encoding="utf-8")
    page = open_as("/import-mappings", practice.biller)
    page.get_by_label("CSV or XLSX file").set_input_files(export)
    page.get_by_role("button", name="Show the columns").click()
    page.get_by_role("textbox", name="Name").fill("our export")
    page.wait_for_load_state()  # htmx listens for changes only after it has loaded

    page.get_by_label("Meaning of Seen").focus()
    page.get_by_label("Meaning of Seen").select_option("Last statement")
    expect(page.get_by_label("Date format for Seen")).to_be_visible()
    expect(page.get_by_label("Meaning of Seen")).to_be_focused()
    page.get_by_label("Date format for Seen").select_option("YYYY-MM-DD")
    page.get_by_label("Meaning of Status").select_option("Hold")
    expect(page.get_by_label("Meaning of the value Legal")).to_have_value("legal_hold")
    expect(page.get_by_label("Date format for Seen")).to_have_value("YYYY-MM-DD")
    assert faults_of(page) == ""
    page.get_by_role("button", name="Save mapping").click()

    expect(page.locator("main")).to_contain_text("Legal means legal_hold")
    page.get_by_role("link", name="Change").click()
    assert faults_of(page) == ""
    page.get_by_label("Meaning of the value Legal").select_option("appeal open")
    page.get_by_role("button", name="Save mapping").click()
    expect(page.locator("main")).to_contain_text("Legal means appeal_open")
