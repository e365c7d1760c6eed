"""A schedule in a real browser, from the feed's filter to the run report."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from core.access.permissions import Actor
from core.enums.claims import SETTLED
from core.enums.people import Role
from core.enums.schedules import ScheduleMode
from core.schedules import schedule_queries
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice, Line

pytestmark = no_browser

WINDOWS = [{"width": 1280, "height": 900}, {"width": 400, "height": 850}]


@pytest.fixture
def admin(practice: GivenPractice) -> Actor:
    return practice.person("m.chen@lakeside.example", Role.ADMIN)


def fill_in(page: Page) -> None:
    """Fill in the fields that the filter does not set."""
    page.get_by_label("Name", exact=True).fill("Small balances")
    page.get_by_label("Reason", exact=True).select_option("small_balance")
    page.get_by_label("Note", exact=True).fill("Not worth a stamp")
    page.get_by_label("Max claims per run").fill("500")
    page.get_by_label("Max write-off per run").fill("5,000.00")


def runs_of(practice: GivenPractice) -> int:
    with practice.sessions() as session:
        return len(schedule_queries.list_runs(session, practice.id, limit=10))


def mode_of(practice: GivenPractice) -> ScheduleMode:
    with practice.sessions() as session:
        (schedule,) = schedule_queries.list_schedules(session, practice.id)
        return schedule.mode


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_schedule_made_from_a_feed_filter_settles_and_reports(
    practice: GivenPractice, admin: Actor, open_as: OPEN, scripts: bool
) -> None:
    practice.claims(3)
    practice.claim("DEAR", Line(900_000))
    page = open_as("/claims?total_due_max=50.00", admin, java_script_enabled=scripts)

    page.get_by_role("link", name="Schedule this filter nightly").click()
    expect(page.get_by_label("Total balance, $, max")).to_have_value("50.00")
    fill_in(page)
    page.get_by_role("button", name="Estimate").click()
    expect(page.locator("#tonight")).to_contain_text("Would settle 3")
    expect(page.locator("#tonight")).to_contain_text("$30.00")
    page.get_by_role("button", name="Create schedule").click()
    expect(page.get_by_text("Every Monday through Friday at 2:00 AM")).to_be_visible()
    expect(page.get_by_text("Tuesday 11/24/2026 at 2:00 AM")).to_be_visible()
    if not scripts:
        page.get_by_role("link", name="Estimate").click()
    expect(page.locator("#tonight")).to_contain_text("Would settle 3")

    confirm = page.get_by_label("Type CONFIRM, in capitals, to turn on settling")
    confirm.fill("confirm")
    page.get_by_role("button", name="Turn on settling").click()
    expect(confirm).to_have_value("confirm")
    expect(page.locator("#confirmation-fault")).to_contain_text("Type CONFIRM")
    assert mode_of(practice) is ScheduleMode.REPORT
    confirm.fill("CONFIRM")
    page.get_by_role("button", name="Turn on settling").click()
    expect(page.get_by_role("heading", name="Settling is on")).to_be_visible()

    page.get_by_role("button", name="Run now").dblclick()
    expect(page).to_have_url(re.compile(r"/schedule-runs/\d+$"))
    assert runs_of(practice) == 1
    practice.run()
    if not scripts:
        page.reload()
    expect(page.get_by_text("3 claims settled, 0 skipped, 0 failed, 0 remaining.")).to_be_visible()
    assert practice.read("C00001").billing_status == SETTLED
    assert practice.read("DEAR").billing_status != SETTLED
    assert practice.violations() == []


def test_deleting_a_schedule_asks_for_confirmation(practice: GivenPractice, admin: Actor, open_as: OPEN) -> None:
    page = open_as("/schedules/new?total_due_max=50.00", admin)
    fill_in(page)
    page.get_by_role("button", name="Create schedule").click()

    expect(page.get_by_role("button", name="Delete this schedule")).not_to_be_visible()
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete this schedule").click()

    expect(page.get_by_role("status").get_by_text("Schedule “Small balances” deleted.")).to_be_visible()
    expect(page.get_by_text("No schedules yet.")).to_be_visible()


@pytest.mark.parametrize("window", WINDOWS, ids=["wide", "narrow"])
def test_every_page_of_schedules_is_accessible_and_fits(
    practice: GivenPractice, admin: Actor, open_as: OPEN, window: dict[str, int]
) -> None:
    practice.claims(2)
    practice.claim("HELD", Line(1_000), hold="hold")
    page = open_as("/schedules", admin, viewport=window)
    fits: Callable[[], bool] = lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # noqa: E731
    assert faults_of(page) == ""

    page.goto("/schedules/new?total_due_max=50.00")
    page.get_by_role("button", name="Create schedule").click()
    expect(page.locator(".fault").first).to_be_visible()
    assert faults_of(page) == ""
    assert fits()
    fill_in(page)
    page.get_by_role("button", name="Estimate").click()
    expect(page.locator("#tonight")).to_contain_text("Would settle 2")
    assert faults_of(page) == ""
    page.get_by_role("button", name="Create schedule").click()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("This run would settle 2 claims and skip 1")).to_be_visible()

    for path in ("/schedules", "/schedules/1", "/schedules/1/change", "/schedule-runs", "/schedule-runs/1", "/jobs/1"):
        page.goto(path)
        assert faults_of(page) == "", path
        assert fits(), path
