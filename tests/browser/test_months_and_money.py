"""Month-end close, credits and late payments: axe finds no fault, and one click leads to the next open date."""

import datetime as dt

from playwright.sync_api import expect

from core.books import closing
from core.db.engine import transaction
from core.enums.people import Role
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import NOW, GivenPractice, Line

pytestmark = no_browser


def test_the_pages_are_accessible(practice: GivenPractice, open_as: OPEN) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.claim("C1", Line(0, 100_00))
    practice.claim("C2", Line(-10_00, 0))
    practice.settle()
    practice.pay("C1", 40_00)
    for path in (
        "/months",
        "/months/2026-11",
        "/months/2026-11/postings?kind=write_off",
        "/credits",
        "/credits?at_least=x",
        "/aging",
        "/reports/write-offs",
        "/reports/write-offs?by=reason&by=payer_class&by=payer&by=provider&by=person",
        "/reports/write-offs/claims?column=net",
        "/late-payments",
        "/claims/C1",
    ):
        assert faults_of(open_as(path, admin)) == "", path
    with transaction(practice.sessions) as session:
        closing.close(session, dt.date(2026, 11, 1), by=admin, now=NOW)
    assert faults_of(open_as("/months/2026-11", admin)) == ""


def test_the_dialog_moves_a_preview_in_a_closed_month_to_the_next_open_date(
    practice: GivenPractice, open_as: OPEN
) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.claim("C1", Line(0, 100_00))
    job = practice.preview()
    with transaction(practice.sessions) as session:
        closing.close(session, dt.date(2026, 11, 1), by=admin, now=NOW)
    page = open_as(f"/jobs/{job.job_id}", admin)
    assert faults_of(page) == ""

    page.get_by_role("button", name="Preview with posting date 12/01/2026").click()
    page.get_by_label("Type CONFIRM").fill("CONFIRM")

    expect(page.locator("main")).to_contain_text("Posting date 12/01/2026")
