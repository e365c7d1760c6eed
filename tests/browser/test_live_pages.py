"""Live pages in a real browser: the moving job page, and no fault that axe finds on any page."""

import datetime as dt
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.access import password_links
from core.db.engine import transaction
from core.enums.people import Role
from core.jobs.execution import engine, finish
from core.jobs.keys import JobKey
from core.models.people import User
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import NOW, GivenPractice, Line, ticking
from tests.remittances import clp, st, svc, take_transactions
from tests.zone_files import a_database, using

pytestmark = no_browser


def a_running_job(practice: GivenPractice) -> JobKey:
    practice.claims(8)
    job = practice.preview(chunk_claims=2)
    practice.confirm(job)
    one_chunk(practice)
    return job


def one_chunk(practice: GivenPractice) -> None:
    engine.work(practice.sessions, worker="tester", clock=ticking(NOW))  # its clock ends after one chunk


def test_the_job_page_follows_the_job_and_stops_polling_at_its_end(practice: GivenPractice, open_as: OPEN) -> None:
    job = a_running_job(practice)
    page = open_as(f"/jobs/{job.job_id}", practice.biller)
    expect(page).to_have_title("25% · Job 1 · Batch Settle")
    page.get_by_text("Cancel job", exact=True).click()
    meter = page.get_by_role("progressbar", name="Claims done")

    one_chunk(practice)

    expect(meter).to_have_attribute("aria-valuenow", "4")
    expect(page.locator("#announce")).to_have_text("50 percent done.")
    expect(page.get_by_role("button", name="Cancel this job")).to_be_visible()  # an open menu stays open

    practice.run()

    expect(page.locator("#job-status")).to_have_text("Completed")
    expect(page.locator("#announce")).to_have_text("Job status: Completed.")
    expect(page).to_have_title("100% · Job 1 · Batch Settle")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(2_500)
    assert [url for url in requests if "/jobs/" in url] == []


def test_the_page_shows_a_lost_connection_until_the_server_answers_again(
    practice: GivenPractice, open_as: OPEN
) -> None:
    job = a_running_job(practice)
    page = open_as(f"/jobs/{job.job_id}", practice.biller)

    page.context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("Reconnecting …")

    page.context.set_offline(False)
    one_chunk(practice)
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "4", timeout=20_000)
    expect(page.locator("#connection")).to_have_text("")


def test_the_page_shows_times_by_the_servers_time_zone_data_not_the_browsers(
    practice: GivenPractice, open_as: OPEN, tmp_path: Path
) -> None:
    job = a_running_job(practice)
    with using(a_database(tmp_path, {"America/New_York": "XXX-3"}, version="2999a")):
        page = open_as(f"/jobs/{job.job_id}", practice.biller)
        page.context.set_offline(True)
        expect(page.locator("#connection")).to_contain_text("Reconnecting …")
        shown = re.search(r"\d+:\d\d:\d\d [AP]M", page.locator("#connection").inner_text())

    assert shown is not None
    shown_time = dt.datetime.strptime(shown[0], "%I:%M:%S %p")  # noqa: DTZ007  a time of day
    there = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(hours=3)
    assert (there - shown_time).seconds < dt.timedelta(minutes=30).seconds, "no zone of the browser is as near"


def test_tabs_change_in_place_and_update_the_address(practice: GivenPractice, open_as: OPEN) -> None:
    job = a_running_job(practice)
    page = open_as(f"/jobs/{job.job_id}", practice.biller)
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.locator("#announce")).to_have_text("Job status: Pausing.")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    with transaction(practice.sessions) as session:
        finish.advance(session, job, now=NOW)
    expect(page.locator("#announce")).to_have_text("Job status: Paused.")
    page.get_by_role("button", name="Resume").press("Enter")
    expect(page.locator("#announce")).to_have_text("Resumed. Job status: Confirmed.")
    expect(page.get_by_role("button", name="Pause")).to_be_focused()  # it replaced the button that was used

    page.get_by_role("link", name="Failed 0").click()

    expect(page.get_by_role("link", name="Failed 0")).to_have_attribute("aria-current", "true")
    expect(page).to_have_url(re.compile(r"\?outcome=failed$"))
    expect(page.get_by_text("No claim failed so far.")).to_be_visible()


def test_an_ended_session_leads_to_sign_in(practice: GivenPractice, open_as: OPEN) -> None:
    job = a_running_job(practice)
    page = open_as(f"/jobs/{job.job_id}", practice.biller)

    page.context.clear_cookies()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=10_000)


def test_without_javascript_the_page_refreshes_itself(practice: GivenPractice, open_as: OPEN) -> None:
    job = a_running_job(practice)
    page = open_as(f"/jobs/{job.job_id}", practice.biller, java_script_enabled=False)
    expect(page.get_by_text("25%")).to_be_visible()

    one_chunk(practice)

    expect(page.get_by_text("50%")).to_be_visible(timeout=10_000)


def test_axe_finds_buttons_that_are_too_small_and_too_close_together(practice: GivenPractice, open_as: OPEN) -> None:
    page = open_as("/jobs", practice.biller)
    small = "<p><button>x</button><button>y</button></p>"
    page.evaluate("html => document.querySelector('main').insertAdjacentHTML('beforeend', html)", small)
    for button in page.locator("main p:last-child button").all():
        button.evaluate("one => Object.assign(one.style, {width: '12px', height: '12px', padding: 0})")

    assert "target-size" in faults_of(page)


@pytest.mark.parametrize(
    "window",
    [{"color_scheme": "light"}, {"color_scheme": "dark", "viewport": {"width": 380, "height": 800}}],
    ids=["light", "dark and narrow"],
)
def test_axe_finds_nothing_on_any_page(practice: GivenPractice, open_as: OPEN, window: dict[str, object]) -> None:
    practice.claim("A/1", Line(1_000, 500))
    practice.claim("CREDIT", Line(1_000, -500))
    practice.settle()
    practice.preview({"claim_ids": ["A/1"]}, key="second")
    job = a_running_job(practice)
    take_transactions(practice, st(clp("0", "15", "15", svc("15", "15")), paid="15"))
    admin = practice.person("m.chen@lakeside.example", Role.ADMIN)
    pages = ["/jobs", "/jobs/1", f"/jobs/{job.job_id}", "/claims/A~2F1", "/claims/CREDIT", "/settings", "/no-such-page",
             "/claims", "/jobs/1/certificate", "/audit", "/users", "/exclusions", "/operations", "/schedules",
             "/schedule-runs", "/schedules/new", "/approvals", "/months", "/credits", "/aging", "/late-payments",
             "/reports/write-offs", "/jobs/1/reverse", "/jobs?status=completed", "/search", "/remittances",
             "/remittances/1", "/remittances/1/claims/1", "/claims?claim_id=none", "/posting-rules",
             "/account", "/account/second-factor"]  # fmt: skip
    with practice.sessions.begin() as session:
        link = password_links.replace(session, session.get_one(User, admin.user_id), by_mail=False, now=NOW)
    page = open_as("/sign-in", None, **window)
    for path in ("/sign-in", "/forgot-password", password_links.path(link.token)):
        page.goto(path)
        assert faults_of(page) == "", path
    page = open_as("/jobs", admin, **window)

    for path in pages:
        page.goto(path)
        assert faults_of(page) == "", path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the window"
