"""The feed in a real browser: sorting by keyboard, ages, dates, columns, views, and names that no address contains."""

import datetime as dt
import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import TODAY, GivenPractice, Line

pytestmark = no_browser

LAPTOP = {"width": 1366, "height": 768}


@pytest.fixture
def practice_of_ages(practice: GivenPractice) -> GivenPractice:
    ana = practice.patient("Ortiz, Ana")
    for number, days in (("A", 5), ("B", 45), ("C", 45), ("D", 400)):
        day = TODAY - dt.timedelta(days=days)
        practice.claim(number, Line(0, 10_00 + days), patient_id=ana, service_date=day)
    practice.claim("E", Line(0, 7_00), service_date=TODAY)
    return practice


@pytest.fixture
def feed(practice_of_ages: GivenPractice, open_as: OPEN) -> Page:
    page = open_as("/claims", practice_of_ages.biller, viewport=LAPTOP)
    expect(page.locator("#range")).to_have_text("1–5 of 5 claims")
    return page


def numbers(page: Page) -> list[str]:
    return page.locator("#rows th").all_inner_texts()


def heads(page: Page) -> list[str]:
    return page.locator("thead th:not(.box, .info)").all_inner_texts()


def in_window(page: Page, selector: str) -> bool:
    at = page.locator(selector).first.bounding_box()
    assert at is not None
    return at["x"] + at["width"] <= LAPTOP["width"] and at["y"] + at["height"] <= LAPTOP["height"]


# Whether the element with the focus is seen as a whole, after the scroll that the focus causes.
FOCUSED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const it = document.activeElement, { left, right, top, bottom } = it.getBoundingClientRect();
  const shows = (x) => it.contains(document.elementFromPoint(x, (top + bottom) / 2));
  done({ words: it.textContent.trim(), seen: shows(left + 1) && shows(right - 1),
    frozen: document.querySelector("thead .id").getBoundingClientRect().left,
    scrolled: document.getElementById("table").scrollLeft });
})))"""


# Scroll down and to the right. Return how far that was possible.
SCROLL = """() => {
  const table = document.getElementById("table");
  table.scrollLeft = 150;
  scrollTo(0, 60);
  return [table.scrollLeft, scrollY];
}"""


def said(page: Page) -> Locator:
    return page.locator("#announce")


def test_an_act_by_keyboard_keeps_the_focus_and_says_its_result(feed: Page) -> None:
    header = feed.get_by_role("link", name="Pt Bal", exact=True)
    for direction, words, first in (("descending", "largest", "D"), ("ascending", "smallest", "E")):
        header.focus()
        before = feed.evaluate(SCROLL)
        feed.keyboard.press("Enter")
        expect(feed.locator("th[aria-sort]")).to_have_attribute("aria-sort", direction)
        expect(feed.locator("th[aria-sort]")).to_have_text("Pt Bal")
        assert numbers(feed)[0] == first
        expect(header).to_be_focused()
        expect(said(feed)).to_have_text(f"1–5 of 5 claims, sorted by patient balance, {words} first.")
        after = feed.evaluate("[document.getElementById('table').scrollLeft, scrollY]")
        assert after == pytest.approx(before, abs=40)  # the icon of the sorted column moves the others

    feed.locator("#age-31-60").focus()
    feed.keyboard.press("Enter")
    expect(said(feed)).to_have_text("1–2 of 2 claims, sorted by patient balance, smallest first.")
    expect(feed.locator("#age-31-60")).to_be_focused()

    feed.locator("#patient").fill("xyz")
    feed.keyboard.press("Enter")
    expect(said(feed)).to_have_text("No claims match.")
    expect(feed.locator("#patient")).to_be_focused()
    feed.get_by_role("link", name="Clear the filter").focus()
    feed.keyboard.press("Enter")
    expect(feed.get_by_role("heading", name="1–5 of 5 claims")).to_be_focused()  # the link is no longer there

    feed.locator("#display summary").focus()
    feed.keyboard.press("Enter")
    feed.get_by_role("button", name="Standard columns").focus()
    feed.keyboard.press("Enter")
    expect(said(feed)).to_contain_text("sorted by date of service, newest first, future dates last.")
    expect(feed.locator("#display summary")).to_be_focused()
    feed.get_by_label("Date of service, from", exact=True).fill("13/45/26")
    feed.keyboard.press("Enter")
    expect(said(feed)).to_contain_text("13/45/26 is not a valid date.")
    expect(feed.get_by_label("Date of service, from", exact=True)).to_be_focused()

    feed.goto("/jobs")
    feed.get_by_label("Requested from", exact=True).fill("1-5-26")
    feed.get_by_label("Minimum amount, $").fill("x")
    feed.keyboard.press("Enter")
    expect(said(feed)).to_contain_text("amount")
    expect(feed.get_by_label("Minimum amount, $")).to_be_focused()
    expect(feed.get_by_label("Requested from", exact=True)).to_have_value("01/05/2026")
    assert "from=2026-01-05" in feed.url
    assert faults_of(feed) == ""
    feed.goto("/claims")
    expect(feed.locator("#totals")).to_contain_text("5 matching claims")
    expect(said(feed)).to_be_empty()


def test_the_table_and_its_checks_are_visible_on_a_laptop_even_with_more_filters_open(feed: Page) -> None:
    feed.goto("/claims?total_due_min=1.00&age_min_days=1&billing_status=Balance+Due")
    expect(feed.locator("#range")).to_have_text("1–4 of 4 claims")
    for selector in (
        "th[data-column=billing_status]", "th[data-column=eligibility]", "th[data-column=total_due]",
        "label[for=eligibility]", "#rows th", "[aria-label='Billing status']",
    ):  # fmt: skip
        assert in_window(feed, selector), selector
    row = feed.locator("#rows tr").first.bounding_box()

    feed.get_by_text("More filters").click()

    assert feed.locator("#rows tr").first.bounding_box() == row
    panel = feed.locator("#filters .panel")
    expect(panel).to_be_visible()
    assert in_window(feed, "#filters .panel")
    expect(feed.get_by_label("Age in days, min")).to_have_value("1")
    assert faults_of(feed) == ""
    feed.get_by_label("Age in days, min").fill("100")
    feed.keyboard.press("Enter")
    expect(feed.locator("#rows tr")).to_have_count(1)
    assert numbers(feed) == ["D"]


def test_an_age_of_the_totals_narrows_the_feed_and_back_returns(feed: Page) -> None:
    expect(feed.locator("#ages a").nth(1)).to_have_text(re.compile(r"31–60 days\s+\$20\.90\s+2 claims"))

    feed.locator("#ages a").nth(1).click()

    expect(feed).to_have_url(re.compile(r"/claims\?age_bucket=31-60$"))
    expect(feed.locator("#ages [aria-current]")).to_contain_text("31–60 days")
    assert sorted(numbers(feed)) == ["B", "C"]
    feed.go_back()
    expect(feed.locator("#rows tr")).to_have_count(5)


def test_the_skip_link_goes_to_the_table(feed: Page) -> None:
    feed.keyboard.press("Tab")
    feed.keyboard.press("Tab")
    expect(feed.get_by_role("link", name="Skip to the claims table")).to_be_focused()

    feed.keyboard.press("Enter")

    assert feed.evaluate("document.activeElement.id") == "table"
    left = feed.evaluate(FOCUSED)["frozen"]
    headers = [feed.keyboard.press("Tab") or feed.evaluate(FOCUSED) for _ in range(20)]
    headers += [feed.keyboard.press("Shift+Tab") or feed.evaluate(FOCUSED) for _ in range(18)]
    assert {one["frozen"] for one in headers} == {left}, "the claim's number stays in place"
    assert [one["words"] for one in headers if not one["seen"]] == []
    assert max(one["scrolled"] for one in headers) > 0


def test_a_date_is_typed_short_or_chosen_in_the_calendar(feed: Page) -> None:
    field = feed.get_by_label("Date of service, from", exact=True)
    field.fill("1/5/26")
    feed.evaluate("() => { HTMLInputElement.prototype.showPicker = function () { this.dataset.open = this.value; }; }")

    button = feed.get_by_role("button", name="Choose a date: Date of service, from")
    button.focus()
    feed.keyboard.press("Enter")
    calendar = feed.locator(".date:has(#from) [type=date]")
    expect(calendar).to_have_attribute("data-open", "2026-01-05")  # the calendar begins with what was typed
    calendar.evaluate("(it) => { it.value = '2026-02-03'; it.dispatchEvent(new Event('change')); }")

    expect(field).to_have_value("02/03/2026")
    expect(field).to_be_focused()
    feed.keyboard.press("Enter")
    expect(feed).to_have_url(re.compile(r"/claims\?from=2026-02-03$"))
    assert faults_of(feed) == ""


def test_a_name_is_in_no_address_and_back_paging_and_sorting_keep_it(feed: Page) -> None:
    visited: list[str] = []
    feed.on("request", lambda request: visited.append(request.url))
    feed.locator("#patient").fill("ortiz")
    feed.keyboard.press("Enter")
    expect(feed.locator("#range")).to_have_text("1–4 of 4 claims")
    address = feed.url

    feed.get_by_role("link", name="Claim ID").click()
    expect(feed.locator("th[aria-sort]")).to_have_text("Claim ID")
    assert numbers(feed) == ["A", "B", "C", "D"]
    feed.locator("#rows input").nth(0).click()
    expect(feed.locator("#picked-count")).to_have_text("1 selected")
    feed.go_back()
    expect(feed.locator("#patient")).to_have_value("ortiz")
    expect(feed.locator("#picked-count")).to_have_text("1 selected")
    feed.get_by_role("button", name="Calculate Counts").click()
    expect(feed.locator("[data-count='Balance Due']")).to_have_text("4")
    feed.goto(address)  # as copied
    expect(feed.locator("#range")).to_have_text("1–4 of 4 claims")

    assert [url for url in visited if "ortiz" in url.lower()] == []


def test_a_box_checked_while_the_scripts_load_is_selected(feed: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    feed.route("**/static/feed.js*", hold)
    with feed.expect_request("**/static/feed.js*"):
        feed.get_by_role("link", name="Claim ID").click()
    box = feed.locator("#rows input").nth(1)
    box.check()
    held[0].continue_()

    expect(feed.locator("#picked-count")).to_have_text("1 selected")
    expect(box).to_be_checked()
    box.uncheck()
    expect(feed.locator("#picked-count")).to_have_text("0 selected")


def test_a_view_keeps_columns_and_filter_and_opens_by_default(feed: Page) -> None:
    feed.locator("#display summary").click()
    assert faults_of(feed) == ""
    menu = feed.locator("#columns")
    for name in ("Age", "Office"):
        menu.get_by_label(name, exact=True).uncheck()
    menu.get_by_label("Patient", exact=True).focus()
    for key in ("ArrowRight", "3", "0", "0", "ArrowLeft", "ArrowRight", "ArrowRight", "ArrowRight"):
        feed.keyboard.press(key)  # to the width of the first column, and on to its buttons
    expect(feed.get_by_role("button", name="Move Patient back")).to_be_focused()
    feed.keyboard.press("Enter")
    expect(said(feed)).to_have_text("Patient is column 3.")
    feed.keyboard.press("Alt+ArrowUp")
    expect(said(feed)).to_have_text("Patient is column 2.")
    feed.keyboard.press("Alt+ArrowDown")
    expect(said(feed)).to_have_text("Patient is column 3.")
    for key in ("ArrowUp", "ArrowDown", "Tab"):
        feed.keyboard.press(key)  # the list is one stop
    expect(menu.get_by_role("button", name="Show these columns").last).to_be_focused()
    feed.keyboard.press("Enter")
    expect(feed.locator("thead th[data-column]").nth(1)).to_have_text("Date of Service")
    feed.wait_for_load_state()  # names and widths are read as the style sheet and the script show them
    assert heads(feed)[:3] == ["Claim ID", "Date of Service", "Patient"]
    assert not {"Age", "Office"} & set(heads(feed))
    width = feed.locator("th[data-column=patient_name]").bounding_box()
    assert width is not None
    assert 300 <= width["width"] < 330

    feed.locator("#patient").fill("ortiz")
    feed.get_by_role("button", name="Update Filter").first.click()
    feed.locator("#views > summary").click()
    feed.get_by_label("Save filter, order and columns as").fill("Ana by date")
    feed.get_by_role("button", name="Save as").click()
    expect(feed.get_by_role("status")).to_contain_text("View “Ana by date” saved.")
    feed.locator("#views > summary").click()
    assert faults_of(feed) == ""
    feed.get_by_role("button", name="Make default").click()

    feed.goto("/claims?view=0")
    expect(feed.locator("#rows tr")).to_have_count(5)
    feed.goto("/claims")
    expect(feed.locator("#views > summary")).to_contain_text("View: Ana by date")
    expect(feed.locator("#rows tr")).to_have_count(4)
    assert heads(feed)[:3] == ["Claim ID", "Date of Service", "Patient"]
    assert "ortiz" not in feed.url
