"""From the feed to CONFIRM in a real browser: selection, preview and focus."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.enums.jobs import JobStatus
from core.enums.practices import PayerClass
from core.models.jobs import SettleJob
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice, Line

pytestmark = no_browser


def statuses(practice: GivenPractice) -> list[JobStatus]:
    with practice.sessions() as session:
        return [job.status for job in session.query(SettleJob).order_by(SettleJob.id)]


def preview(page: Page, *, reason: str = "small_balance") -> None:
    page.get_by_text("Batch Status Change").click()
    page.get_by_role("button", name="Settled may write off balances").click()
    page.get_by_label("Reason").select_option(reason)
    page.get_by_role("button", name="Preview").click()


@pytest.fixture
def feed(practice: GivenPractice, open_as: OPEN) -> Page:
    """Return the feed of 60 claims of $15.00, sorted by number."""
    practice.claims(60)
    page = open_as("/claims?sort=claim", practice.biller)
    expect(page.locator("#range")).to_have_text("1–50 of 60 claims")
    return page


def test_a_range_is_selected_and_counted_and_survives_paging_and_sorting(feed: Page) -> None:
    boxes = feed.locator("#rows input")
    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])

    expect(feed.locator("#picked-count")).to_have_text("4 selected")
    expect(feed.locator("#picked-dollars")).to_have_text("insurance $40.00 · patient $20.00 · total $60.00")
    expect(feed.locator("#picked-totals")).to_contain_text("4 selected")
    assert feed.evaluate("document.getElementById('pick-page').indeterminate") is True

    feed.get_by_role("link", name="Next").click()
    expect(feed.locator("#range")).to_have_text("51–60 of 60 claims")
    boxes.nth(0).click()
    expect(feed.locator("#picked-count")).to_have_text("5 selected")
    feed.get_by_role("link", name="Date of Service").click()
    expect(feed.locator("#picked-count")).to_have_text("5 selected")
    assert feed.evaluate("document.getElementById('pick-page').checked") is False


def test_all_matching_claims_except_one_are_selected(feed: Page) -> None:
    feed.get_by_role("button", name="Select all 60 matching claims").click()
    expect(feed.locator("#picked-count")).to_have_text("All 60 matching claims selected")
    expect(feed.locator("#pick-page")).to_be_checked()

    feed.locator("#rows input").nth(0).click()

    expect(feed.locator("#picked-count")).to_have_text("59 of 60, 1 unchecked")
    expect(feed.locator("#picked-dollars")).to_contain_text("total $885.00")
    feed.get_by_role("link", name="Next").click()
    expect(feed.locator("#picked-count")).to_have_text("59 of 60, 1 unchecked")
    preview(feed)
    expect(feed.locator("dialog header p").first).to_contain_text("Confirm the status change of 59 claims to Settled")


def test_changing_the_filter_clears_the_selection_with_a_message(feed: Page) -> None:
    feed.get_by_role("button", name="Select all 60 matching claims").click()

    feed.get_by_label("Claim ID starts with").fill("C0001")
    feed.get_by_role("button", name="Update Filter").click()

    expect(feed).to_have_url(re.compile(r"/claims\?claim_id_prefix=C0001&sort=claim$"))
    expect(feed.locator("#picked-count")).to_have_text("0 selected")
    expect(feed.locator("#picked-dollars")).to_contain_text("The matching claims are no longer selected")

    feed.get_by_role("link", name="Patient", exact=True).press("Enter")
    expect(feed.locator("#announce")).to_contain_text("sorted by patient, A to Z.")
    expect(feed.locator("#announce")).not_to_contain_text("The filter changed")
    expect(feed.locator("#picked-dollars")).to_have_text("Check claims to select them. Shift-click selects a range.")


def test_labels_of_totals_stay_visible_beside_the_claim_number(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claims(3)
    page = open_as("/claims", practice.biller, viewport={"width": 1440, "height": 900})
    expect(page.locator("#totals th")).to_have_text("3 matching claims")
    balance = page.get_by_role("columnheader", name="Total Bal").bounding_box()
    assert balance is not None
    assert balance["x"] + balance["width"] <= 1440  # the balance, the basis of the decision, is visible

    page.locator(".feed .scroll").evaluate("it => it.scrollLeft = 5000")

    words, number = page.locator("#totals th").bounding_box(), page.locator("#rows th").first.bounding_box()
    assert words is not None
    assert number is not None
    assert words["x"] > 0
    assert words["x"] + words["width"] == number["x"] + number["width"]  # no gap between them
    for at in (words["x"] + 2, words["x"] + words["width"] - 2):
        on_top = "([x, y]) => document.elementFromPoint(x, y).className"
        assert page.evaluate(on_top, [at, words["y"] + 10]) == "sum-of"


# Scroll to a position. Return the text of each cell that a frozen cell or the left edge covers in part, and the text of
# each cell that is fully visible.
SEEN_AT = """(left) => {
  const scroller = document.querySelector(".feed .scroll");
  scroller.scrollLeft = left;
  const window_ = scroller.getBoundingClientRect(), cut = [], whole = [];
  for (const cell of scroller.querySelectorAll("#totals td, #rows td, thead th")) {
    const { left, right, top } = cell.getBoundingClientRect(), words = cell.textContent.trim();
    if (!words || cell.matches(".box, .info, .id") || right > window_.right) continue;
    const shows = (x) => x > window_.left && cell.contains(document.elementFromPoint(x, top + 8));
    const ends = [shows(left + 2), shows(right - 2)];
    if (ends[0] && ends[1]) whole.push(words);
    else if (ends[0] || ends[1]) cut.push(words);
  }
  return [cut, whole];
}"""


@pytest.mark.parametrize(("width", "zoom"), [(1440, 1), (1366, 1), (1024, 1), (390, 1), (683, 2)])
def test_no_amount_is_half_hidden_by_a_frozen_label(
    practice: GivenPractice, open_as: OPEN, width: int, zoom: int
) -> None:
    practice.claims(3, insurance=755_885_30, patient=1_00)
    page = open_as("/claims", practice.biller, viewport={"width": width, "height": 2_000}, device_scale_factor=zoom)
    expect(page.locator("#totals")).to_contain_text("$2,267,655.90")
    for label in ("3 matching claims", "1,234,567 matching claims"):
        page.locator("#totals .sum-of").evaluate("(it, words) => { it.textContent = words; }", label)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen = set()
        for left in [*range(0, 2_000, 90), 5_000]:
            cut, whole = page.evaluate(SEEN_AT, left)
            assert cut == [], f"scrolled to {left}"
            seen.update(whole)
        assert {"$2,267,655.90", "$2,267,658.90", "$755,886.30", "Total Bal"} <= seen


def test_keys_move_between_checkboxes(feed: Page) -> None:
    feed.get_by_role("link", name="Skip to the claims table").press("Enter")
    expect(feed.locator("#table")).to_be_focused()
    feed.keyboard.press("j")
    expect(feed.locator("#rows input").nth(0)).to_be_focused()
    for key in ("j", "ArrowDown", "k", "Space"):
        feed.keyboard.press(key)

    expect(feed.locator("#rows input").nth(1)).to_be_checked()
    expect(feed.locator("#announce")).to_have_text("1 selected, total $15.00.")
    for key in ("j", "j", "Shift+Space"):
        feed.keyboard.press(key)
    expect(feed.locator("#announce")).to_have_text("3 selected, total $45.00.")
    for place in ("#rows input", "#sort-office", "#display summary"):
        feed.locator(place).first.focus()
        feed.keyboard.press("b")
        expect(feed.locator("#status-menu summary")).to_be_focused()
    feed.locator("#display summary").click()
    feed.locator("#columns .width").first.press("b")  # a letter that is typed
    expect(feed.locator("#columns .width").first).to_be_focused()


def test_without_a_selection_a_message_appears_and_no_dialog_opens(feed: Page) -> None:
    feed.get_by_text("Batch Status Change").click()
    feed.get_by_role("button", name="Settled may write off balances").click()

    expect(feed.locator("#picked-dollars")).to_have_text("Select at least one claim first.")
    expect(feed.locator("#picked")).to_have_class(re.compile("warns"))
    expect(feed.locator("#rows input").nth(0)).to_be_focused()
    expect(feed.locator("dialog")).not_to_be_visible()


def test_calculate_counts_fills_the_chips(feed: Page) -> None:
    feed.get_by_role("button", name="Calculate Counts").click()

    expect(feed.locator("[data-count='Balance Due']")).to_have_text("60")
    expect(feed.locator("[data-count='Settled']")).to_have_text("0")


def test_counts_of_a_changed_filter_come_with_its_claims(feed: Page) -> None:
    feed.get_by_label("Claim ID").first.fill("C00001")
    feed.get_by_role("button", name="Calculate Counts").click()

    expect(feed.locator("#rows input")).to_have_count(1)
    expect(feed.locator("[data-count='Balance Due']")).to_have_text("1")
    expect(feed.get_by_label("Claim ID").first).to_have_value("C00001")


def test_a_claim_is_settled_from_the_feed(feed: Page, practice: GivenPractice) -> None:
    feed.locator("#pick-page").click()
    preview(feed)
    field = feed.get_by_label("Type CONFIRM, in capitals, to continue")
    expect(feed.get_by_role("heading", name="What this job will do")).to_be_focused()
    expect(feed.locator("#warning")).to_have_text(
        "This posts 100 write-offs to 50 claims, totaling $750.00. Only an approver or administrator "
        "can reverse this, and a reversal leaves the original write-offs in the ledger."
    )

    field.fill("confirm")
    field.press("Enter")
    expect(feed.locator("#confirmation-fault")).to_contain_text("Nothing was changed.")
    expect(field).to_be_focused()
    expect(field).to_have_value("confirm")
    assert statuses(practice) == [JobStatus.PREVIEWED]

    field.fill("CONFIRM")
    feed.get_by_role("button", name="Settle 50 claims").dblclick()

    expect(feed).to_have_url(re.compile(r"/jobs/1$"))
    expect(feed.get_by_role("heading", level=1)).to_be_focused()
    assert statuses(practice) == [JobStatus.CONFIRMED]
    practice.run()
    assert practice.violations() == []
    feed.goto("/claims?billing_status=Settled&sort=claim")
    expect(feed.locator("#range")).to_have_text("1–50 of 50 claims")
    expect(feed.locator("#picked-count")).to_have_text("0 selected")


@pytest.mark.parametrize("way", ["Escape", "Cancel"])
def test_discarding_a_preview_returns_the_focus(feed: Page, practice: GivenPractice, way: str) -> None:
    feed.locator("#rows input").nth(0).click()
    preview(feed)
    expect(feed.get_by_role("heading", name="What this job will do")).to_be_focused()

    with feed.expect_response("**/discard"):
        if way == "Escape":
            feed.keyboard.press("Escape")
        else:
            feed.get_by_role("button", name="Cancel").click()

    expect(feed.locator("dialog")).not_to_be_visible()
    assert feed.evaluate("document.activeElement.textContent").strip() == "Batch Status Change"
    assert statuses(practice) == [JobStatus.DISCARDED]
    expect(feed.locator("#picked-count")).to_have_text("1 selected")


def test_another_write_off_reason_changes_the_verdict(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claim("M", Line(0, 500), primary_payer_id=practice.payer("CMS", PayerClass.MEDICARE))
    page = open_as("/claims", practice.biller)
    page.locator("#rows input").click()
    preview(page, reason="bad_debt")
    expect(page.get_by_text("so there is nothing to confirm")).to_be_visible()

    page.get_by_role("button", name="Change reason").click()
    expect(page.get_by_label("Reason", exact=True)).to_have_value("bad_debt")
    page.get_by_label("Reason").select_option("charity")
    page.get_by_role("button", name="Preview").click()

    expect(page.get_by_role("button", name="Settle 1 claim")).to_be_visible()
    assert statuses(practice) == [JobStatus.DISCARDED, JobStatus.PREVIEWED]


def test_the_claims_of_a_preview_are_shown_by_verdict(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claim("GOOD", Line(1_000, 500))
    practice.claim("CREDIT", Line(-1_000, 500))
    page = open_as("/claims", practice.biller)
    page.locator("#pick-page").click()
    preview(page)

    page.get_by_role("link", name="Skipped 1").click()

    rows = page.locator("#preview-claims tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Insurance credit balance")
    expect(page.get_by_role("link", name="Skipped 1")).to_be_focused()


@pytest.mark.parametrize(
    "window",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 380, "height": 800}}],
    ids=["light", "dark", "narrow"],
)
def test_axe_finds_nothing_with_the_dialog_open_and_closed(
    practice: GivenPractice, open_as: OPEN, window: dict[str, object]
) -> None:
    practice.claim("GOOD", Line(1_000, 500))
    practice.claim("CREDIT", Line(-1_000, 500))
    page = open_as("/claims?total_due_min=x", practice.biller, **window)
    assert faults_of(page) == ""
    page.goto("/claims")
    page.locator("#pick-page").click()
    expect(page.locator("#picked-dollars")).to_contain_text("total")
    assert faults_of(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"

    page.get_by_text("Batch Status Change").click()
    assert faults_of(page) == ""
    page.get_by_role("button", name="Settled may write off balances").click()
    expect(page.get_by_label("Reason")).to_be_focused()
    assert faults_of(page) == ""
    page.get_by_label("Reason").select_option("charity")
    page.get_by_role("button", name="Preview").click()
    for words in ("By payer", "By provider", "By rule"):
        page.get_by_text(words, exact=True).click()
    assert faults_of(page) == ""
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).not_to_be_visible()
    assert faults_of(page) == ""


def test_a_claim_is_settled_without_javascript(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claims(3)
    page = open_as("/claims?sort=claim", practice.biller, java_script_enabled=False)
    page.locator("#rows input").nth(1).check()
    page.get_by_text("Batch Status Change").click()
    page.get_by_role("button", name="Settled may write off balances").click()
    page.get_by_label("Reason").select_option("charity")
    page.get_by_role("button", name="Preview").click()

    page.get_by_label("Type CONFIRM, in capitals, to continue").fill("Confirm")
    page.get_by_role("button", name="Settle 1 claim").click()
    expect(page.locator("#confirmation-fault")).to_be_visible()
    page.get_by_label("Type CONFIRM, in capitals, to continue").fill("CONFIRM")
    page.get_by_role("button", name="Settle 1 claim").click()

    expect(page).to_have_url(re.compile(r"/jobs/1$"))
    practice.run()
    assert practice.read("C00002").billing_status == "Settled"
