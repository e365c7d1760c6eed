"""Reversal of a job in a real browser, and postings by hand on one claim. axe finds no fault."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.enums.claims import Hold
from core.enums.people import Role
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice, Line

pytestmark = no_browser

WINDOWS = pytest.mark.parametrize(
    "window",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 380, "height": 800}}],
    ids=["light", "dark", "narrow"],
)


def look(page: Page) -> None:
    """Assert that axe finds no fault and that nothing is wider than the window."""
    assert faults_of(page) == "", page.url
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} is wider than the window"


def confirm(page: Page, button: str) -> None:
    page.get_by_label("Type CONFIRM, in capitals, to continue").fill("CONFIRM")
    page.get_by_role("button", name=button).click()


@WINDOWS
def test_a_job_is_reversed_from_its_page_to_its_certificate(
    practice: GivenPractice, open_as: OPEN, window: dict[str, object]
) -> None:
    practice.claims(3, insurance=0, patient=1_500)
    practice.claim("HELD", Line(1_000, 500), hold=Hold.HOLD)
    practice.settle()
    practice.pay("C00002", 1_500)
    page = open_as("/jobs/1", practice.person("p.okafor@lakeside.example", Role.APPROVER), **window)
    look(page)
    page.get_by_role("link", name="Reverse this job").click()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#note-fault")).to_be_visible()
    look(page)

    page.get_by_label("Reason for reversal").fill("Wrong month")
    page.get_by_role("button", name="Preview").click()
    warning = page.locator("#warning")
    expect(warning).to_contain_text("This posts 2 offsetting entries that restore $30.00 to 2 claims.")
    expect(warning).to_contain_text("1 claim is skipped: C00002.")
    page.locator("summary", has_text="Why?").press("Enter")
    expect(page.get_by_text("last payment", exact=True)).to_be_visible()
    look(page)
    confirm(page, "Reverse 2 claims")
    practice.run()

    expect(page.locator("#job-status")).to_have_text("Completed")
    expect(page.get_by_text("Restored $30.00")).to_be_visible()
    page.reload()
    look(page)
    page.get_by_role("link", name="Reconciliation certificate").click()
    expect(page.get_by_text("This job reconciles to the cent")).to_be_visible()
    look(page)
    page.get_by_role("link", name="job 1", exact=True).click()
    expect(page.get_by_role("link", name="job 2", exact=True)).to_be_visible()
    assert practice.violations() == []


@WINDOWS
def test_the_posting_form_shows_the_fields_of_the_chosen_kind(
    practice: GivenPractice, open_as: OPEN, window: dict[str, object]
) -> None:
    practice.claim("C1", Line(1_000, 500))
    page = open_as("/claims/C1", practice.biller, **window)
    page.get_by_text("Post a payment, adjustment or transfer").click()
    expect(page.get_by_label("Paid by")).to_be_visible()
    expect(page.get_by_label("Group code")).not_to_be_visible()
    page.get_by_label("Type", exact=True).select_option("adjustment")
    expect(page.get_by_label("Group code")).to_be_visible()
    expect(page.get_by_label("Paid by")).not_to_be_visible()
    look(page)

    page.get_by_label("Type", exact=True).select_option("payment")
    page.get_by_label("Amount in dollars").fill("five")
    page.get_by_role("button", name="Post", exact=True).click()
    expect(page.get_by_label("Amount in dollars")).to_be_focused()
    expect(page.get_by_label("Amount in dollars")).to_have_value("five")
    look(page)
    page.get_by_label("Responsibility").select_option("patient")
    page.get_by_label("Paid by").select_option("patient")
    page.get_by_label("Amount in dollars").fill("$5.00")
    page.get_by_role("button", name="Post", exact=True).dblclick()

    expect(page.get_by_role("status").get_by_text("Payment of $5.00 posted to line 1.")).to_be_visible()
    assert practice.read("C1").patient_due == 0
    page.get_by_text("Put on hold").first.click()
    page.get_by_label("Hold type").select_option("appeal_open")
    page.get_by_role("button", name="Put on hold").click()
    expect(page.get_by_role("heading", name="On hold: Appeal open")).to_be_visible()
    look(page)


def test_the_responsibility_follows_who_paid_until_the_user_chooses_it(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claim("C1", Line(1_000, 500))
    page = open_as("/claims/C1", practice.biller)
    page.get_by_text("Post a payment, adjustment or transfer").click()
    side, payer = page.get_by_label("Responsibility"), page.get_by_label("Paid by")

    expect(side).to_have_value("insurance")
    payer.select_option("patient")
    expect(side).to_have_value("patient")
    payer.select_option("primary")
    expect(side).to_have_value("insurance")
    side.select_option("patient")
    payer.select_option("patient")
    payer.select_option("primary")
    expect(side).to_have_value("patient")


def test_without_javascript_each_field_is_shown_with_its_purpose(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claim("C1", Line(1_000, 500))
    page = open_as("/claims/C1", practice.biller, java_script_enabled=False)
    page.get_by_text("Post a payment, adjustment or transfer").click()
    expect(page.get_by_text("Payments only.")).to_be_visible()
    expect(page.get_by_text("Adjustments only.", exact=True)).to_be_visible()

    page.get_by_label("Type", exact=True).select_option("transfer")
    page.get_by_label("Amount in dollars").fill("10")
    page.get_by_role("button", name="Post", exact=True).click()

    expect(page).to_have_url(re.compile(r"/claims/C1$"))
    assert (practice.read("C1").insurance_due, practice.read("C1").patient_due) == (0, 1_500)


@WINDOWS
def test_the_limits_are_set_on_the_settings_page(
    practice: GivenPractice, open_as: OPEN, window: dict[str, object]
) -> None:
    page = open_as("/settings", practice.person("m.chen@lakeside.example", Role.ADMIN), **window)
    page.get_by_label("Max percent failed").fill("200")
    page.get_by_role("button", name="Save failure limits").click()
    expect(page.locator("#failure_percent_max-fault")).to_be_visible()
    look(page)

    page.get_by_label("Max percent failed").fill("10")
    page.get_by_role("button", name="Save failure limits").click()

    expect(page.get_by_text("a job halts if more than 10% of them have failed")).to_be_visible()
    look(page)
