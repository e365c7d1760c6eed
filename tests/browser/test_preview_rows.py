"""The preview on a laptop's screen: its notices leave room for the claims."""

from playwright.sync_api import expect

from core.enums.claims import Hold
from core.enums.practices import PayerClass
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice, Line

pytestmark = no_browser
LAPTOP = {"width": 1366, "height": 768}
# The rows of the list that are wholly inside the list and inside the part of the dialog that scrolls.
ROWS_SEEN = """() => {
  const list = document.querySelector("#preview-claims .list");
  const inside = [list, list.closest(".body")].map((part) => part.getBoundingClientRect());
  return [...list.querySelectorAll("tbody tr")].map((row) => row.getBoundingClientRect())
    .filter((row) => inside.every((part) => row.top >= part.top - 1 && row.bottom <= part.bottom + 1)).length;
}"""


def test_six_claims_are_seen_at_once_below_open_notices(practice: GivenPractice, open_as: OPEN) -> None:
    medicare = practice.payer("M", PayerClass.MEDICARE)
    for number in range(20):
        hold = {"hold": Hold.HOLD} if number % 2 else {}
        practice.claim(f"C{number}", Line(0, 500), primary_payer_id=medicare, **hold)
    practice.limit(job=1)
    page = open_as("/claims", practice.biller, viewport=LAPTOP)
    page.locator("#pick-page").check()
    page.get_by_text("Batch Status Change").click()
    page.get_by_role("button", name="Settled may write off balances").click()
    page.get_by_label("Reason").select_option("charity")
    page.get_by_role("button", name="Preview").click()
    notice = page.get_by_text("After CONFIRM, this job needs another user’s approval")
    expect(notice).to_be_visible()
    assert faults_of(page) == ""

    expect(page.get_by_role("heading", name="What this job will do")).to_be_focused()
    for key in ("Tab", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_label("Job name (optional)")).to_be_focused()  # the skip link passes the list
    for _ in range(7):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "confirmation":
            break
    expect(page.get_by_label("Type CONFIRM")).to_be_focused()

    page.locator("#preview-claims .list").scroll_into_view_if_needed()
    assert page.evaluate(ROWS_SEEN) >= 6

    notice.click()
    expect(page.get_by_text("Nothing is written off until an approver")).to_be_hidden()
    expect(page.get_by_label("Type CONFIRM")).to_be_visible()
