"""Void a payment, refund and transfer a credit, and choose a posting date, in a real browser."""

from playwright.sync_api import expect

from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import GivenPractice, Line

pytestmark = no_browser


def test_a_payment_is_voided_and_a_credit_is_refunded(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claim("C1", Line(0, 40_00), Line(0, 25_00))
    practice.post("C1", 100_00, key="too much")
    practice.post("C1", 5_00, key="mistyped", line=2)
    page = open_as("/claims/C1", practice.biller)

    page.get_by_role("link", name="Void posting").last.click()
    assert faults_of(page) == ""
    page.get_by_role("button", name="Void this posting").click()
    expect(page.locator("main")).to_contain_text("Enter the reason.")
    assert faults_of(page) == ""
    page.get_by_label("Reason for the void").fill("Wrong claim")
    page.get_by_role("button", name="Void this posting").click()
    expect(page.locator("body")).to_contain_text("Posting voided.")
    assert faults_of(page) == ""

    page.goto("/credits")
    assert faults_of(page) == ""
    page.get_by_role("link", name="Refund or transfer").click()
    page.get_by_label("Where the credit goes").select_option(label="Refund to the patient")
    page.get_by_label("Amount in dollars").fill("35.00")
    page.get_by_label("Reason").fill("Check 7")
    assert faults_of(page) == ""
    page.get_by_role("button", name="Post", exact=True).click()
    expect(page.locator("body")).to_contain_text("$35.00 of the credit was refunded. $25.00 of the credit is left.")

    page.get_by_role("link", name="Refund or transfer the patient credit on line 1").click()
    owed = "Transfer to this claim, line 2 (99213): patient owes $25.00"
    page.get_by_label("Where the credit goes").select_option(label=owed)
    page.get_by_label("Reason").fill("To the open line")
    page.get_by_role("button", name="Post", exact=True).click()
    assert practice.read("C1").patient_due == 0
    assert practice.violations() == []


def test_the_posting_date_is_changed_before_confirm(practice: GivenPractice, open_as: OPEN) -> None:
    practice.claim("C1", Line(0, 40_00))
    job = practice.preview()
    page = open_as(f"/jobs/{job.job_id}", practice.biller)

    page.get_by_text("Change posting date").click()
    page.get_by_label("Posting date", exact=True).fill("2026-10-31")
    assert faults_of(page) == ""
    page.get_by_role("button", name="Preview with this date").click()

    page.get_by_label("Type CONFIRM").fill("CONFIRM")
    expect(page.locator("main")).to_contain_text("Posting date 10/31/2026")
