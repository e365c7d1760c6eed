"""A user adds a passkey, signs in with it, and verifies before CONFIRM. The browser has a virtual authenticator."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from core.access import users
from core.enums.people import Role
from core.practices import factor_setting
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import NOW, GivenPractice, Line

pytestmark = no_browser

PASSWORD = "correct horse battery staple"
KEY = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


def sign_in(page: Page) -> None:
    page.get_by_label("E-mail").fill("ann@lakeside.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def a_device(page: Page) -> Callable[[bool], None]:
    """Give the browser a device with passkeys. Return a function that chooses whether its user gives the right PIN."""
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    made: Any = devices.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    device = {"authenticatorId": made["authenticatorId"]}

    def give_pin(is_right: bool) -> None:
        devices.send("WebAuthn.setUserVerified", {**device, "isUserVerified": is_right})

    return give_pin


def arrive(page: Page, heading: str) -> None:
    """Wait for a page and its scripts."""
    expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    page.wait_for_load_state()


def _copy_codes(page: Page) -> None:
    codes = page.locator(".codes li")
    expect(codes).to_have_count(10)
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#codes-copied")).to_have_text(
        "Your browser did not allow the copy. Select the text and copy it."
    )
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#codes-copied")).to_have_text("The codes are copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(codes.all_text_contents())
    look(page)


def look(page: Page) -> None:
    assert faults_of(page) == "", page.url


def test_a_user_adds_a_passkey_signs_in_with_it_and_verifies_before_confirm(
    practice: GivenPractice, open_as: OPEN, address: str
) -> None:
    new = {"email": "ann@lakeside.example", "name": "Ann", "role": Role.ADMIN, "password": PASSWORD}
    ann = users.actor_for(practice.do(users.add_user, practice_id=practice.id, **new, now=NOW))
    practice.do(factor_setting.change, required=True, large_confirm_cents=0, by=ann, now=NOW)
    practice.claim("1", Line(10_00))
    job = practice.preview(by=ann)
    at = address.replace("127.0.0.1", "localhost")  # an IP address cannot have passkeys

    page = open_as(f"{at}/sign-in", None)
    give_pin = a_device(page)

    # Add
    sign_in(page)
    page.get_by_role("link", name="Use a passkey instead").click()
    arrive(page, "Add a passkey")
    give_pin(False)
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("alert")).to_have_text("The passkey was canceled or timed out. Try again.")
    look(page)
    give_pin(True)
    page.get_by_label("Name").press("Enter")
    _copy_codes(page)
    page.get_by_role("link", name="Your account").first.click()
    look(page)
    practice.sql("UPDATE user_session SET verified_at = NULL")  # over five minutes later
    page.get_by_role("link", name="Add a passkey").click()
    arrive(page, "Add a passkey")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("You are verified for five minutes.")).to_be_focused()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("This device already has a passkey for your account.")

    # Sign in
    page.get_by_role("button", name="Sign out").click()
    sign_in(page)
    expect(page.get_by_role("button", name="Use a passkey")).to_be_focused()
    look(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    # Verify before CONFIRM, in its form
    practice.sql("UPDATE user_session SET verified_at = NULL")
    page.goto(f"{at}/jobs/{job.job_id}")
    page.get_by_label("Type CONFIRM").fill("CONFIRM")
    look(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("You are verified for five minutes.")).to_be_focused()
    page.get_by_role("button", name="Settle 1 claim").click()
    expect(page.locator("#job-status")).to_have_text("Confirmed")

    # Verify on a page of its own
    practice.sql("UPDATE user_session SET verified_at = NULL")
    page.goto(f"{at}/settings")
    page.get_by_label("Verify at CONFIRM if a job writes off more than").fill("25")
    page.get_by_role("button", name="Save second factor").click()
    arrive(page, "Verify that it’s you")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("status")).to_have_text("Second factor saved.")
    expect(page.get_by_label("Verify at CONFIRM if a job writes off more than")).to_have_value("$25.00")
