"""The second factor on the pages: sign in, set up, lose, reset; and a code before what moves much money."""

import re
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from werkzeug.test import TestResponse

from core.access import own_factor, totp, users
from core.access.permissions import Actor
from core.enums.people import Role
from core.practices import factor_setting
from core.practices.create import create_practice
from tests.factories import NOW, GivenPractice, Line
from tests.webui.conftest import Browser, Clock, page_text

PASSWORD = "correct horse battery staple"
FIVE_MINUTES = {"minutes": 5}


@pytest.fixture
def ruth(practice: GivenPractice) -> Actor:
    """An approver with a password."""
    new = {"email": "ruth@lakeside.example", "name": "Ruth", "role": Role.APPROVER, "password": PASSWORD}
    return users.actor_for(practice.do(users.add_user, practice_id=practice.id, **new, now=NOW))


@pytest.fixture
def next_code(practice: GivenPractice, ruth: Actor, clock: Clock) -> Callable[[], str]:
    """Give Ruth a second factor. Return a function that waits for the next code, and returns it."""
    secret = totp.make_secret()
    app = pyotp.TOTP(secret)
    practice.do(own_factor.add, secret=secret, code=app.at(clock()), by=ruth, now=clock())

    def wait() -> str:
        clock.turn_on(seconds=30)
        return app.at(clock())

    return wait


def sign_in(browser: Browser, person: Actor, **fields: str) -> TestResponse:
    return browser.post("/sign-in", on="/sign-in", email=person.email, password=PASSWORD, **fields)


def faults(answer: TestResponse) -> list[str]:
    return re.findall(r'id="([a-z_-]+)-fault"', answer.text)


def test_a_sign_in_asks_for_a_code_and_then_opens_the_page(
    ruth: Actor, next_code: Callable[[], str], stranger: Browser
) -> None:
    assert sign_in(stranger, ruth, next="/jobs?status=running").location == "/sign-in/code"
    assert stranger.get("/jobs").status_code == 302, "not signed in"
    assert "Code from your authenticator app" in stranger.says("/sign-in/code")

    wrong = stranger.post("/sign-in/code", on="/sign-in/code", code="123 456")
    code = next_code()
    right = stranger.post("/sign-in/code", on="/sign-in/code", code=code)

    assert (wrong.status_code, faults(wrong)) == (401, ["code"])
    assert right.location == "/jobs?status=running"
    stranger.post("/sign-out", on="/jobs")
    sign_in(stranger, ruth)
    again = stranger.post("/sign-in/code", on="/sign-in/code", code=code)
    assert "This code was already used." in page_text(again)


def test_the_password_of_a_sign_in_is_good_for_ten_minutes(
    ruth: Actor, next_code: Callable[[], str], stranger: Browser, clock: Clock
) -> None:
    assert stranger.get("/sign-in/code").location == "/sign-in?ended=1"
    sign_in(stranger, ruth)
    stranger.load("/sign-in/code")
    clock.turn_on(minutes=11)
    late = stranger.post("/sign-in/code", on="/sign-in", code=next_code())

    assert late.location == "/sign-in?ended=1"


def test_eight_wrong_codes_and_passwords_lock_the_account(
    ruth: Actor, next_code: Callable[[], str], stranger: Browser
) -> None:
    sign_in(stranger, ruth)
    for _ in range(8):
        assert stranger.post("/sign-in/code", on="/sign-in/code", code="000000").status_code == 401

    locked = stranger.post("/sign-in/code", on="/sign-in/code", code=next_code())

    assert (locked.status_code, "Too many failed sign-ins." in locked.text) == (429, True)
    assert sign_in(stranger, ruth).status_code == 429


def test_who_must_have_a_factor_sets_it_up_before_anything_else(
    practice: GivenPractice, admin: Browser, biller: Browser, clock: Clock, ruth: Actor, stranger: Browser
) -> None:
    sign_in(stranger, ruth)
    practice.do(factor_setting.change, required=True, by=admin.actor, now=NOW)
    biller.load("/jobs")

    for path in ("/", "/jobs", "/settings", "/account", "/notices/unread"):
        page = stranger.client.get(path, follow_redirects=True)
        assert "Set up your second factor" in page.text, path
    assert stranger.client.get("/notices/unread", headers={"HX-Request": "true"}).headers["HX-Redirect"]
    shown = stranger.read("/account/second-factor")
    assert 'aria-label="Main"' not in shown
    assert '<svg xmlns="http://www.w3.org/2000/svg" width="' in shown or "<svg width=" in shown
    secret = re.search(r'name="key"[^>]*value="([^"]+)"', shown)
    assert secret
    assert stranger.read("/account/second-factor").count(secret[1]) == 1, "the same key when it is loaded again"

    app = pyotp.TOTP(secret[1].replace(" ", ""))
    wrong = stranger.post("/account/second-factor", on="/account/second-factor", code="000000")
    made = stranger.post("/account/second-factor", on="/account/second-factor", code=app.at(clock()))

    assert (wrong.status_code, faults(wrong)) == (422, ["code"])
    codes = re.findall(r'<li class="code">([a-z0-9-]+)</li>', made.text)
    assert (made.status_code, len(codes)) == (201, 10)
    stranger.load("/jobs")
    account = stranger.says("/account")
    assert "Unused recovery codes 10" in account
    assert "Your practice requires a second factor for your role." in account
    assert "/account/second-factor/remove" not in stranger.forms("/account")
    stranger.post("/sign-out", on="/jobs")
    sign_in(stranger, ruth)
    assert stranger.post("/sign-in/code", on="/sign-in/code", code=codes[3]).location == "/"
    assert "Unused recovery codes 9" in stranger.says("/account")


def test_a_user_replaces_and_removes_the_factor_and_makes_new_codes(
    ruth: Actor, next_code: Callable[[], str], stranger: Browser, clock: Clock
) -> None:
    sign_in(stranger, ruth)
    stranger.post("/sign-in/code", on="/sign-in/code", code=next_code())
    clock.turn_on(**FIVE_MINUTES)

    def send(path: str, **fields: str) -> TestResponse:
        return stranger.post(path, on="/account", **fields)

    asked = send("/account/second-factor/recovery-codes")
    assert (asked.status_code, "Verify that it’s you" in asked.text) == (409, True)
    made = send("/account/second-factor/recovery-codes", verification_code=next_code())
    assert (made.status_code, made.text.count('<li class="code">')) == (201, 10)
    clock.turn_on(**FIVE_MINUTES)

    remove = "/account/second-factor/remove"
    unverified = send(remove, factor_password=PASSWORD)
    assert (unverified.status_code, faults(unverified)) == (409, ["factor-verification"])
    wrong = send(remove, factor_password="wrong", verification_code=next_code())
    assert (wrong.status_code, faults(wrong)) == (401, ["factor_password"])

    key = re.search(r'name="key"[^>]*value="([^"]+)"', stranger.read("/account/second-factor"))
    assert key
    new = pyotp.TOTP(key[1].replace(" ", ""))
    on = {"on": "/account/second-factor", "code": new.at(clock())}
    assert faults(stranger.post("/account/second-factor", password="wrong", **on)) == ["password"]
    assert stranger.post("/account/second-factor", password=PASSWORD, **on).status_code == 201
    assert send(remove, factor_password=PASSWORD).location == "/account"
    assert "You sign in with your password alone." in stranger.says("/account")
    stranger.post("/sign-out", on="/account")
    assert sign_in(stranger, ruth).location == "/"


def test_an_administrator_resets_the_factor_of_a_user_who_lost_it(
    ruth: Actor, next_code: Callable[[], str], stranger: Browser, admin: Browser
) -> None:
    page = f"/users/{ruth.user_id}"
    assert re.search(r"ruth@\S+ approver unlimited unlimited Set up Active", admin.says("/users"))
    assert "Second factor Set up" in admin.says(page)

    reset = admin.post(f"{page}/second-factor/reset", on=page)

    assert reset.location == page
    shown = admin.says(page)
    assert "Second factor None" in shown
    assert "reset the second factor of this account" in shown
    assert sign_in(stranger, ruth).location == "/"


# A code, or the password, again


def test_a_change_of_settings_asks_for_a_code_and_keeps_what_was_typed(
    practice: GivenPractice, ruth: Actor, next_code: Callable[[], str], stranger: Browser, clock: Clock
) -> None:
    practice.sql("UPDATE app_user SET role = 'admin' WHERE id = :id", id=ruth.user_id)
    sign_in(stranger, ruth)
    stranger.post("/sign-in/code", on="/sign-in/code", code=next_code())
    given = {"claim_limit_cents": "75.00", "job_limit_cents": "unlimited"}
    assert stranger.post("/settings/write-off-limits", **given).status_code == 303, "verified by the sign-in"
    clock.turn_on(**FIVE_MINUTES)
    given["claim_limit_cents"] = "50.00"

    asked = stranger.post("/settings/write-off-limits", **given)
    wrong = stranger.post("/settings/write-off-limits", **given, verification_code="000000")
    password = stranger.post("/settings/write-off-limits", **given, verification_password=PASSWORD)

    assert [(one.status_code, faults(one)) for one in (asked, wrong, password)] == [
        (409, []), (409, ["verification_code"]), (409, ["verification_code"]),
    ]  # fmt: skip
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', wrong.text))
    assert hidden.pop("csrf_token")
    assert hidden == given
    assert 'action="/settings/write-off-limits"' in wrong.text
    assert practice.audited("write_off_limits.changed")[-1].facts["claim_limit_cents"]["to"] == 75_00
    sent = stranger.post("/settings/write-off-limits", **hidden, verification_code=next_code())
    assert sent.status_code == 303
    assert practice.audited("write_off_limits.changed")[-1].facts["claim_limit_cents"]["to"] == 50_00
    assert stranger.post("/settings/time-zone", time_zone="America/Denver").status_code == 303, "for five minutes"


def test_wrong_codes_of_a_signed_in_user_lock_the_account_too(
    ruth: Actor, next_code: Callable[[], str], browser_of: Callable[[Actor], Browser], clock: Clock, stranger: Browser
) -> None:
    browser = browser_of(ruth)
    clock.turn_on(**FIVE_MINUTES)
    token: dict[str, Any] = {"on": "/account", "name": "x", "scopes": ["read"], "days": "1"}
    for _ in range(8):
        assert browser.post("/account/tokens", **token, verification_code="000000").status_code == 409

    locked = browser.post("/account/tokens", **token, verification_code=next_code())

    assert (locked.status_code, faults(locked)) == (409, ["token-verification"])
    assert "Too many failed sign-ins." in page_text(locked)
    assert sign_in(stranger, ruth).status_code == 429


def test_a_large_confirm_and_a_reversal_ask_in_their_own_form(
    practice: GivenPractice, admin: Browser, clock: Clock
) -> None:
    practice.do(factor_setting.change, large_confirm_cents=10_00, by=admin.actor, now=NOW)
    practice.claim("1", Line(10_00))
    practice.claim("2", Line(10_01))
    small = practice.preview({"claim_ids": ["1"]}, by=admin.actor, key="small")
    large = practice.preview({"claim_ids": ["2"]}, by=admin.actor, key="large")
    clock.turn_on(**FIVE_MINUTES)

    assert "verification_password" not in admin.read(f"/jobs/{small.job_id}")
    shown = admin.read(f"/jobs/{large.job_id}")
    assert shown.index("Your password") < shown.index("CONFIRM</b>, in capitals")
    dialog = {"X-Dialog": "1", "X-CSRFToken": admin._token_of("/settings")}
    path = f"/jobs/{large.job_id}/confirm"
    refused = admin.client.post(path, data={"confirmation": "CONFIRM", "name": "Big"}, headers=dialog)

    assert (refused.status_code, faults(refused)) == (409, ["verification_password"])
    assert 'value="CONFIRM"' in refused.text
    assert 'value="Big"' in refused.text
    assert admin.status_of(large) == "Awaiting CONFIRM"
    assert admin.post(f"/jobs/{small.job_id}/confirm", confirmation="CONFIRM").status_code == 303
    practice.run()
    back = practice.request_reversal(small, by=admin.actor)
    assert "verification_password" in admin.read(f"/jobs/{back.job_id}")


def test_an_approver_gives_a_code_with_the_approval(
    practice: GivenPractice,
    ruth: Actor,
    next_code: Callable[[], str],
    browser_of: Callable[[Actor], Browser],
    clock: Clock,
) -> None:
    practice.claims(1)
    practice.limit(job=1)
    job = practice.confirmed()
    browser = browser_of(ruth)
    clock.turn_on(**FIVE_MINUTES)
    page = f"/jobs/{job.job_id}"

    assert "Code from your authenticator app" in browser.says(page)
    refused = browser.post(f"{page}/approve", on=page, confirmation="CONFIRM", verification_code="000000")
    assert (refused.status_code, faults(refused)) == (409, ["verification_code"])
    assert 'value="CONFIRM"' in refused.text
    approved = browser.post(f"{page}/approve", on=page, confirmation="CONFIRM", verification_code=next_code())

    assert approved.location == page
    assert browser.status_of(job) == "Confirmed"


# The practice's choice


def test_a_practice_chooses_and_sees_who_has_none(practice: GivenPractice, admin: Browser, biller: Browser) -> None:
    shown = admin.says("/settings")
    assert "1 approver or administrator has none yet." in shown
    assert "No second factor is required." in shown
    assert "/settings/second-factor" not in biller.forms("/settings")

    wrong = admin.post("/settings/second-factor", large_confirm_cents="much")
    saved = admin.post("/settings/second-factor", large_confirm_cents="2,500", required="yes")

    assert (wrong.status_code, faults(wrong)) == (422, ["large_confirm_cents"])
    assert saved.location == "/settings#second-factor"
    (entry,) = practice.audited("second_factor.changed")
    assert entry.facts == {
        "second_factor_required": {"from": False, "to": True},
        "large_confirm_cents": {"from": 10_000_00, "to": 2_500_00},
    }
    assert admin.get("/settings").location == "/account/second-factor"


def test_a_new_practice_requires_a_factor(practice: GivenPractice, stranger: Browser) -> None:
    new_practice = practice.do(create_practice, name="New", now=NOW)
    new = {"email": "ann@new.example", "name": "Ann", "role": Role.ADMIN, "password": PASSWORD}
    ann = users.actor_for(practice.do(users.add_user, practice_id=new_practice, **new, now=NOW))

    sign_in(stranger, ann)

    assert stranger.get("/claims").location == "/account/second-factor"
