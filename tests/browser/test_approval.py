"""Two users in two browsers: one confirms a job over a limit, the other approves or rejects it. axe finds no fault."""

import re

import pyotp
import pytest
from playwright.sync_api import Page, expect

from core.access import second_factor, totp
from core.enums.people import Role
from core.jobs.keys import JobKey
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import NOW, GivenPractice, Line

pytestmark = no_browser

WINDOWS = pytest.mark.parametrize(
    "window",
    [{"color_scheme": "light"}, {"color_scheme": "dark", "viewport": {"width": 380, "height": 800}}],
    ids=["light", "dark and narrow"],
)


@pytest.fixture
def previewed(practice: GivenPractice) -> JobKey:
    """Return a preview of $45.00 in three claims.

    One exceeds the limit for one claim, and the total exceeds the job limit.
    """
    practice.claim("DEAR", Line(2_000, 1_000))
    practice.claim("CHEAP", Line(1_000, 0))
    practice.claim("CHEAPER", Line(500, 0))
    practice.limit(claim=2_500, job=4_000)
    return practice.preview()


def look(page: Page) -> None:
    """Assert that axe finds no fault and that nothing is wider than the window."""
    assert faults_of(page) == "", page.url
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} is wider than the window"


@WINDOWS
def test_one_user_confirms_and_another_approves_the_same_preview(
    practice: GivenPractice, open_as: OPEN, previewed: JobKey, window: dict[str, object]
) -> None:
    ruth, secret = practice.person("ruth@lakeside.example", Role.APPROVER), totp.make_secret()
    practice.do(second_factor.store, ruth.user_id, secret, used_step=0, now=NOW)
    address = f"/jobs/{previewed.job_id}"
    requester = open_as(address, practice.biller, **window)
    expect(requester.get_by_text("After CONFIRM, this job needs another user’s approval")).to_be_visible()
    look(requester)
    requester.get_by_label("Type CONFIRM, in capitals, to continue").fill("CONFIRM")
    requester.get_by_role("button", name="Request approval to settle 3 claims").click()
    expect(requester.locator("#job-status")).to_have_text("Awaiting approval")
    expect(requester.get_by_text("This job needs another user’s approval.")).to_be_visible()
    expect(requester.get_by_role("button", name="Approve")).to_have_count(0)
    look(requester)

    approver = open_as("/approvals", ruth, **window)
    expect(approver.get_by_role("navigation", name="Main").get_by_text("Approvals 1")).to_be_visible()
    look(approver)
    practice.sql("UPDATE user_session SET verified_at = NULL")  # over five minutes later
    approver.get_by_role("link", name="Review job").click()
    approver.get_by_role("link", name="Over the per-claim limit").click()
    expect(approver.locator("#preview-claims tbody tr")).to_have_count(1)
    expect(approver.locator("#preview-claims tbody tr")).to_contain_text("Over the per-claim limit")
    look(approver)
    approver.get_by_label("Type CONFIRM, in capitals, to approve").fill("confirm")
    approver.get_by_role("button", name="Approve: settle 3 claims").click()
    expect(approver.locator("#confirmation-fault")).to_be_visible()
    expect(approver.get_by_label("Type CONFIRM, in capitals, to approve")).to_have_value("confirm")
    look(approver)
    approver.get_by_label("Type CONFIRM, in capitals, to approve").fill("CONFIRM")
    approver.get_by_label("Code from your authenticator app").fill("000000")
    approver.get_by_role("button", name="Approve: settle 3 claims").click()
    expect(approver.locator("#verification_code-fault")).to_contain_text("This code is wrong.")
    expect(approver.get_by_label("Type CONFIRM, in capitals, to approve")).to_have_value("CONFIRM")
    approver.get_by_label("Code from your authenticator app").fill(pyotp.TOTP(secret).at(NOW))
    approver.get_by_role("button", name="Approve: settle 3 claims").click()
    expect(approver.get_by_role("status").get_by_text("You approved this job as previewed.")).to_be_visible()
    expect(requester.locator("#job-status")).not_to_have_text("Awaiting approval", timeout=20_000)
    expect(requester.get_by_text("Nothing has been written off yet")).to_have_count(0)
    practice.run()
    expect(requester.locator("#job-status")).to_have_text("Completed")

    requester.goto("/jobs")
    expect(requester.get_by_text(f"Job {previewed.job_id} was approved by ruth")).to_be_visible()
    look(requester)
    requester.goto(address)
    expect(requester.locator("#job-status")).to_have_text("Completed")
    look(requester)
    assert practice.violations() == []


def test_a_rejection_is_shown_to_the_requester_with_its_reason(
    practice: GivenPractice, open_as: OPEN, previewed: JobKey
) -> None:
    practice.confirm(previewed)
    approver = open_as(f"/jobs/{previewed.job_id}", practice.person("ruth@lakeside.example", Role.APPROVER))
    approver.get_by_role("button", name="Reject").click()
    expect(approver.locator("#reject-fault")).to_be_visible()
    look(approver)
    approver.get_by_label("Reason for rejecting").fill("Call them first")
    approver.get_by_role("button", name="Reject").click()
    expect(approver.locator("#job-status")).to_have_text("Rejected")

    requester = open_as(f"/jobs/{previewed.job_id}", practice.biller)
    expect(requester.get_by_text("“Call them first”")).to_be_visible()
    look(requester)
    requester.goto("/approvals")
    expect(requester.get_by_text("“Call them first”")).to_be_visible()
    look(requester)


def test_an_approver_deactivated_after_opening_the_page_cannot_approve(
    practice: GivenPractice, open_as: OPEN, previewed: JobKey
) -> None:
    practice.confirm(previewed)
    ruth = practice.person("ruth@lakeside.example", Role.APPROVER)
    approver = open_as(f"/jobs/{previewed.job_id}", ruth)
    approver.get_by_label("Type CONFIRM, in capitals, to approve").fill("CONFIRM")
    admin = open_as(f"/users/{ruth.user_id}", practice.person("m.chen@lakeside.example", Role.ADMIN))
    admin.get_by_text("Deactivate", exact=True).click()
    look(admin)
    admin.get_by_role("button", name="Deactivate ruth").click()
    expect(admin.locator("main").get_by_text("signed out everywhere")).to_be_visible()
    look(admin)

    approver.get_by_role("button", name="Approve: settle 3 claims").click()

    expect(approver).to_have_url(re.compile("/sign-in"))
    assert practice.progress(previewed).status == "awaiting_approval"


@WINDOWS
def test_users_and_limits_are_managed(practice: GivenPractice, open_as: OPEN, window: dict[str, object]) -> None:
    page = open_as("/users", practice.person("m.chen@lakeside.example", Role.ADMIN), **window)
    look(page)
    page.get_by_label("Name").fill("Ruth Baker")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#email-fault")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Ruth Baker")
    look(page)
    page.get_by_label("E-mail").fill("ruth@lakeside.example")
    page.get_by_label("Role").select_option("approver")
    page.get_by_label("Max write-off per claim").fill("75")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#job_limit_cents-fault")).to_have_text(
        "Enter an amount in dollars and cents, such as 1234.56, or “unlimited”."
    )
    look(page)
    page.get_by_label("Max write-off per job").fill("unlimited")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_label("Link to set a password")).to_be_visible()
    expect(page.get_by_text("$75.00 per claim, unlimited per job")).to_be_visible()
    look(page)
    page.get_by_role("link", name="Open user").click()
    page.get_by_label("Max write-off per claim").fill("")
    page.get_by_role("button", name="Save limits").click()
    expect(page.locator("#claim_limit_cents-fault")).to_have_text(
        "Enter an amount in dollars and cents, such as 1234.56, or “unlimited”."
    )
    look(page)
    page.get_by_label("Max write-off per claim").fill("50")
    page.get_by_role("button", name="Save limits").click()
    expect(page.get_by_label("Max write-off per claim")).to_have_value("$50.00")
    page.goto("/settings")
    page.get_by_label("Max write-off per job").fill("1,000")
    page.get_by_role("button", name="Save limits").click()
    expect(page.get_by_text("Now: unlimited per claim, $1,000.00 per job.")).to_be_visible()
    look(page)
