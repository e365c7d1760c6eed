"""Medicare cost sharing in the dialog over the feed, and a check of the new pages for accessibility faults."""

import pytest
from playwright.sync_api import expect

from core.claims import holds
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.practices import exclusions, limits
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import NOW, GivenPractice, Line

pytestmark = no_browser
WHY = "Hardship, looked into"


def test_the_dialog_asks_for_the_cost_sharing_reason_and_keeps_the_typed_word(
    practice: GivenPractice, open_as: OPEN
) -> None:
    practice.claim("M1", Line(0, 1_234), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))
    job = practice.preview()
    page = open_as(f"/jobs/{job.job_id}", practice.biller)

    page.get_by_label("Type CONFIRM").fill("CONFIRM")
    page.locator("#confirm-button").click()
    reason = page.get_by_label("Reason for writing off Medicare or Medicaid cost sharing")
    reason.wait_for()
    assert reason.get_attribute("aria-invalid") == "true"
    hint, fault = page.locator("#cost_share_reason-hint").bounding_box(), page.locator(".fault").bounding_box()
    assert hint is not None
    assert fault is not None
    assert hint["y"] + hint["height"] <= fault["y"], "one covers the other"
    expect(page.get_by_label("Type CONFIRM")).to_have_value("CONFIRM")
    assert faults_of(page) == ""

    reason.fill(WHY)
    page.locator("#confirm-button").click()
    page.get_by_text(WHY).first.wait_for()
    practice.run()
    assert practice.read("M1").patient_due == 0


@pytest.mark.parametrize("path", ["/exclusions?all=1", "/audit /review?week=2026-11-23", "/claims/C00001"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_have_no_accessibility_fault(practice: GivenPractice, open_as: OPEN, path: str, width: int) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.claims(2)
    practice.do(limits.set_write_off_limits, job_cents=1_000_00, by=admin, now=NOW)
    practice.confirmed({"claim_ids": ["C00002"]}, by=admin)  # within a day, so both are in the weekly review
    with transaction(practice.sessions) as session:
        holds.set_hold(session, "C00001", Hold.LEGAL, reason="Letter", by=practice.biller, now=NOW)
        exclusions.exclude(session, patient="1", reason="Court order", by=admin, now=NOW)

    page = open_as("/claims", admin, viewport={"width": width, "height": 900})

    for one in path.split():
        page.goto(one)
        assert faults_of(page) == ""
        assert page.evaluate("document.documentElement.scrollWidth") <= width
