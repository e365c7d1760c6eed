"""The search box in a real browser: "/", typing, arrows, Enter and Escape, and the form without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice, Line

pytestmark = no_browser


@pytest.fixture
def jobs_page(practice: GivenPractice, open_as: OPEN) -> Page:
    """Return the list of jobs of a practice with a patient, eleven claims and a job."""
    ana = practice.patient("Ortiz, Ana", number="77")
    for number in range(11):
        practice.claim(f"ORT-{number:02}", Line(1_000, 500), patient_id=ana)
    practice.preview(note="Ortiz cleanup")
    return open_as("/jobs", practice.biller)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('href') ?? document.activeElement.id"))


def test_slash_typing_arrows_and_enter_open_a_result(jobs_page: Page) -> None:
    page, box, found = jobs_page, jobs_page.locator("#search-text"), jobs_page.locator("#search-found")
    page.keyboard.press("/")
    expect(box).to_be_focused()
    expect(box).to_have_value("")

    page.keyboard.type("ana ortiz")
    expect(page.locator("#announce")).to_have_text("1 patient. Use the arrow keys to move through the results.")
    assert page.url.endswith("/jobs")  # the name is not in the address
    page.keyboard.press("ArrowDown")
    assert focused(page) == "/claims?patient_id=77"
    page.keyboard.press("ArrowUp")
    expect(box).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # past the button that sends the form
    assert focused(page) == "/claims?patient_id=77"
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(r"/claims\?patient_id=77$"))
    expect(page.locator("#range")).to_have_text("1–11 of 11 claims")
    expect(found).to_be_hidden()


def test_all_claims_lead_to_the_feed(jobs_page: Page) -> None:
    page = jobs_page
    page.keyboard.press("/")
    page.keyboard.type("ort-")
    expect(page.locator("#announce")).to_have_text("11 claims. Use the arrow keys to move through the results.")
    expect(page.locator("#search-found li")).to_have_count(8)

    page.get_by_role("link", name="Show all 11 claims in the feed").click()

    expect(page).to_have_url(re.compile(r"/claims\?claim_id_part=ort-$"))
    expect(page.locator("#range")).to_have_text("1–11 of 11 claims")


def test_the_button_for_all_patients_stands_below_them(practice: GivenPractice, open_as: OPEN) -> None:
    for number in range(9):
        practice.claim(f"C{number}", Line(100, 0), patient_id=practice.patient(f"Many {number}", number=f"M{number}"))
    page = open_as("/jobs", practice.biller)
    page.keyboard.press("/")
    page.keyboard.type("many")
    every = page.get_by_role("button", name="Show all 9 patients")
    expect(every).to_be_visible()

    button, last = every.bounding_box(), page.locator("#search-found li").last.bounding_box()
    assert button is not None
    assert last is not None
    assert button["y"] >= last["y"] + last["height"]
    assert button["x"] >= last["x"]
    assert every.evaluate("button => button.scrollWidth <= button.clientWidth"), "the words fit into the button"
    every.click()

    expect(page.locator("#main li")).to_have_count(9)


def test_escape_returns_to_the_box_and_then_to_the_page(jobs_page: Page) -> None:
    page, box, found = jobs_page, jobs_page.locator("#search-text"), jobs_page.locator("#search-found")
    chip = page.get_by_role("link", name="Halted")
    chip.focus()
    page.keyboard.press("/")
    page.keyboard.type("x")
    expect(found).to_contain_text("Type at least 2 characters")
    page.keyboard.type("zz")
    expect(found).to_contain_text("Nothing found for “xzz”")
    box.fill("ort")
    expect(found.locator("li")).to_have_count(10)  # eight claims, a patient and a job
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert focused(page) == "/claims/ORT-01"

    page.keyboard.press("Escape")
    expect(box).to_be_focused()
    page.keyboard.press("Escape")

    expect(found).to_be_hidden()
    expect(chip).to_be_focused()
    box.fill("ort")
    expect(found).to_be_visible()
    page.get_by_role("heading", name="Jobs", exact=True).first.click()
    expect(found).to_be_hidden()


def test_slash_is_typed_into_a_field(jobs_page: Page) -> None:
    field = jobs_page.get_by_label("Minimum amount, $")
    field.focus()

    jobs_page.keyboard.press("/")

    expect(field).to_have_value("/")


def test_enter_in_the_box_opens_a_page_with_the_same_groups(jobs_page: Page) -> None:
    page = jobs_page
    page.keyboard.press("/")
    page.keyboard.type("ort")
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(r"/search$"))
    expect(page.locator("main h2")).to_have_text(["Claims by number 11", "Patients 1", "Jobs 1"])


def test_without_javascript_enter_opens_a_page_with_the_results(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claim("C-1", Line(1_000, 500), patient_id=practice.patient("Ortiz, Ana", number="77"))
    page = open_as("/jobs", practice.biller, java_script_enabled=False)
    page.locator("#search-text").fill("Ana Ortiz")

    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile(r"/search$"))
    expect(page.locator("kbd")).to_be_hidden()
    page.get_by_role("link", name="Ortiz, Ana").click()
    expect(page.locator("#rows tr")).to_have_count(1)


@pytest.mark.parametrize(
    "window",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 380, "height": 800}}],
    ids=["light", "dark", "narrow"],
)
def test_axe_finds_nothing_with_results_under_the_box_and_on_the_page(
    practice: GivenPractice, open_as: OPEN, window: dict[str, object]
) -> None:
    practice.claim("ORT-1", Line(1_000, 500), patient_id=practice.patient("Ortiz, Ana", number="77"))
    practice.settle(note="Ortiz cleanup")
    page = open_as("/claims", practice.biller, **window)
    page.locator("#search-text").fill("ort")
    expect(page.locator("#search-found li")).to_have_count(3)

    assert faults_of(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search")
    page.locator("#search-text").fill("orti")
    expect(page.locator("#search-found li")).to_have_count(2)
    assert faults_of(page) == ""
