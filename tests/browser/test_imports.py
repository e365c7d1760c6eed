"""The Import page in a real browser: drop files, watch the upload, read the totals, import."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice
from tests.uploads import uploads_of

pytestmark = no_browser


def test_files_are_uploaded_checked_and_imported(practice: GivenPractice, open_as: OPEN, tmp_path: Path) -> None:
    with uploads_of(practice, tmp_path / "files") as uploads:
        page: Page = open_as("/imports", practice.biller)
        assert not faults_of(page)

        page.get_by_label("CSV, XLSX or X12 files, or one zip file that contains them").set_input_files(
            sorted((tmp_path / "files").glob("*.csv"))
        )
        page.get_by_label("Expected A/R total").fill("232.50")
        page.get_by_role("button", name="Upload and check").click()

        page.wait_for_url("**/imports/1")
        expect(page.get_by_text("Waiting to be checked", exact=True)).to_be_visible()
        assert not faults_of(page)
        uploads.work()
        expect(page.get_by_text("As expected")).to_be_visible()  # without a reload
        assert not faults_of(page)
        page.get_by_role("button", name="Import 2 claims").click()
        expect(page.get_by_text("Importing", exact=True)).to_be_visible()
        uploads.work()
        expect(page.get_by_text("2 claims imported.")).to_be_visible()


def test_an_upload_that_is_too_large_is_refused_in_the_page(
    practice: GivenPractice, open_as: OPEN, tmp_path: Path
) -> None:
    large = tmp_path / "claims.csv"
    with large.open("wb") as file:
        file.truncate(2_000_000_000)
    page = open_as("/imports", practice.biller)

    page.locator("#files").set_input_files(large)
    page.get_by_role("button", name="Upload and check").click()

    expect(page.get_by_text("The files total 2000.0 MB. An import can be up to 600 MB.")).to_be_visible()
    assert not faults_of(page)


def test_faults_are_readable_in_the_page(practice: GivenPractice, open_as: OPEN, tmp_path: Path) -> None:
    with uploads_of(practice, tmp_path / "files") as uploads:
        uploads.checked(uploads.changed("postings.csv", "-88.00", "NaN"))
        page = open_as("/imports/1", practice.biller)
        expect(page.get_by_text("1 error in 1 location")).to_be_visible()
        assert not faults_of(page)


_DROP = """() => {
  const dropped = new DataTransfer();
  dropped.items.add(new File(["x"], "claims.csv"));
  const drop = new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true });
  document.querySelector("[data-drop]").dispatchEvent(drop);
}"""


def test_files_can_be_dropped_and_a_folder_chosen(practice: GivenPractice, open_as: OPEN, tmp_path: Path) -> None:
    page = open_as("/imports", practice.biller)

    page.evaluate(_DROP)

    assert page.evaluate("document.querySelector('#files').files[0].name") == "claims.csv"
    for day in ("mon", "tue"):
        (tmp_path / "week" / day).mkdir(parents=True)
        (tmp_path / "week" / day / "era.835").write_text(day)
        (tmp_path / "week" / day / ".hidden").write_text("x")
    (tmp_path / "week" / "claims.837").write_text("x")
    (tmp_path / "week" / "empty.835").write_text("")
    with page.expect_file_chooser() as opened:
        page.get_by_role("button", name="Choose a folder").click()
    opened.value.set_files(tmp_path / "week")
    names = "Array.from(document.querySelector('#files').files, (file) => file.name).sort()"
    assert page.evaluate(names) == ["claims.837", "week - mon - era.835", "week - tue - era.835"]
    expect(page.get_by_text("Skipped 3 hidden or empty files: .hidden, .hidden, empty.835.")).to_be_visible()
    assert not faults_of(page)


def test_files_are_uploaded_without_javascript(practice: GivenPractice, open_as: OPEN, tmp_path: Path) -> None:
    with uploads_of(practice, tmp_path / "files"):
        page = open_as("/imports", practice.biller, java_script_enabled=False)
        page.locator("#files").set_input_files(sorted((tmp_path / "files").glob("*.csv")))

        page.get_by_role("button", name="Upload and check").click()

        expect(page.get_by_text("Files uploaded. They are being checked now.")).to_be_visible()
