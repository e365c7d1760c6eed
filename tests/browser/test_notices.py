"""The notices in the header in a real browser: they appear without a reload, by mouse and keyboard."""

import datetime as dt
import re

import pytest
from playwright.sync_api import Page, expect

from core.access.permissions import Actor
from core.enums.people import Role
from core.notices import webhooks
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import NOW, GivenPractice

pytestmark = no_browser
POLL_MS = 15_000


@pytest.fixture
def feed(practice: GivenPractice, open_as: OPEN) -> Page:
    practice.claims(3)
    return open_as("/claims", practice.biller, viewport={"width": 1366, "height": 768})


def test_a_notice_appears_without_a_reload_and_the_keyboard_opens_its_job(practice: GivenPractice, feed: Page) -> None:
    summary, count = feed.locator("#notices summary"), feed.locator("#notices .count")
    expect(count).to_have_count(0)
    practice.settle()

    expect(count).to_have_text("1", timeout=POLL_MS)

    expect(feed.locator("#notices-announce")).to_have_text("1 unread notice")
    summary.focus()
    feed.keyboard.press("Enter")
    item = feed.get_by_role("button", name=re.compile("Job 1 completed: 3 claims settled"))
    expect(item).to_be_visible()
    assert faults_of(feed) == ""
    feed.keyboard.press("ArrowDown")
    expect(item).to_be_focused()
    feed.keyboard.press("Enter")
    expect(feed).to_have_url(re.compile(r"/jobs/1$"))
    expect(feed.locator("#notices .count")).to_have_count(0)


def test_escape_closes_the_list_and_the_focus_returns(practice: GivenPractice, feed: Page) -> None:
    practice.settle()
    feed.reload()
    feed.locator("#notices summary").press("Enter")
    feed.keyboard.press("ArrowDown")

    feed.keyboard.press("Escape")

    expect(feed.locator("#notices summary")).to_be_focused()
    expect(feed.locator("#notices .menu-box")).to_be_hidden()


def test_the_page_of_all_notices_marks_them_and_chooses_e_mail(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claims(2)
    for number in ("C00001", "C00002"):
        practice.settle({"claim_ids": [number]}, key=number)
    page = open_as("/notices", practice.biller)
    assert faults_of(page) == ""
    page.get_by_role("button", name=re.compile(r"Mark read: Job 1 ")).click()
    expect(page.locator("#notices .count")).to_have_text("1")
    page.get_by_role("button", name="Mark all read").last.click()
    expect(page.locator("#notices .count")).to_have_count(0)
    expect(page.locator("main td b")).to_have_count(0)

    page.get_by_role("checkbox", name="My job ends").uncheck()
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("checkbox", name="My job ends")).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="My job halts")).to_be_checked()


def test_an_administrator_adds_a_webhook_and_sees_its_secret_once(practice: GivenPractice, open_as: OPEN) -> None:
    admin: Actor = practice.person("admin@lakeside.example", Role.ADMIN)
    page = open_as("/webhooks", admin)
    page.get_by_label("Address").fill("http://pm.example/hook")
    page.get_by_role("button", name="Add webhook").click()
    expect(page.locator("#url-fault")).to_have_text("Enter a web address that begins with https://.")
    assert faults_of(page) == ""

    page.get_by_label("Address").fill("https://pm.example/hook")
    page.get_by_role("button", name="Add webhook").click()

    expect(page.locator("#secret")).to_have_text(re.compile("^whsec_"))
    assert faults_of(page) == ""
    page.get_by_role("link", name="Open webhook").click()
    page.get_by_role("button", name="Send test event").click()
    expect(page.get_by_role("button", name=re.compile("Send again"))).to_have_count(1)
    assert "whsec_" not in page.content()
    practice.act(webhooks.rotate_secret, 1, by=admin, now=NOW + dt.timedelta(seconds=1))
    page.reload()
    expect(page.get_by_text("requests are signed with the old secret too")).to_be_visible()
    assert faults_of(page) == ""
