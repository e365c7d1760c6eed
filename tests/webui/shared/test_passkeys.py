"""Passkeys on the pages: add, sign in, verify, rename, remove; where they do not work, and what a program reads."""

import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from core.access.permissions import Actor
from core.practices import factor_setting
from core.settings import Settings
from tests.authenticator import Authenticator
from tests.factories import NOW, GivenPractice
from tests.webui.conftest import Browser, Clock, page_text
from tests.webui.shared.test_second_factor import FIVE_MINUTES, PASSWORD, faults, ruth, sign_in
from webui.shared.auth import SESSION_COOKIE
from webui.shared.passkey_site import no_passkeys_words, passkey_site

__all__ = ["ruth"]  # the fixture

ADD = "/account/second-factor/passkey"
CODE = "/sign-in/code"
VERIFY = "/account/passkeys/verify"


def add(browser: Browser, key: Authenticator, **fields: str) -> TestResponse:
    """Add a passkey as passkeys.js does."""
    fields = {"name": "Laptop", "password": PASSWORD} | fields
    begun = browser.post(f"{ADD}/options", on=ADD, **fields)
    return browser.post(ADD, on=ADD, **fields, credential=key.create(begun.text)) if begun.status_code == 200 else begun


def verify(browser: Browser, key: Authenticator) -> TestResponse:
    begun = browser.post("/account/passkeys/options", on="/account")
    return browser.post(VERIFY, on="/account", verification_passkey=key.get(begun.text))


def enter(browser: Browser, person: Actor, key: Authenticator) -> TestResponse:
    """Sign in with the password and then the passkey."""
    assert sign_in(browser, person, next="/jobs?status=running").location == CODE
    begun = browser.post(f"{CODE}/options", on=CODE)
    return browser.post(CODE, on=CODE, credential=key.get(begun.text))


@pytest.fixture
def key(ruth: Actor, stranger: Browser) -> Authenticator:
    """Ruth's passkey. Her browser is signed in."""
    sign_in(stranger, ruth)
    made = Authenticator()
    assert add(stranger, made).status_code == 201
    return made


def test_who_must_have_a_factor_may_add_a_passkey_and_signs_in_with_it(
    practice: GivenPractice, admin: Browser, ruth: Actor, stranger: Browser
) -> None:
    practice.do(factor_setting.change, required=True, by=admin.actor, now=NOW)
    sign_in(stranger, ruth)
    assert ADD in stranger.links("/account/second-factor")
    key = Authenticator()

    nameless = add(stranger, key, name=" ")
    empty = stranger.post(ADD, on=ADD, name="Laptop")
    added = add(stranger, key)

    assert (nameless.status_code, nameless.json) == (
        422, {"fault": "Enter a name of 1 to 60 characters, such as the device that keeps the passkey."}
    )  # fmt: skip
    assert (empty.status_code, "This passkey was refused." in empty.text) == (422, True)
    codes = re.findall(r'<li class="code">([a-z0-9-]+)</li>', added.text)
    assert (added.status_code, len(codes)) == (201, 10)
    assert "/remove" not in " ".join(stranger.forms("/account") + stranger.forms("/account/passkeys/1"))
    stranger.post("/sign-out", on="/jobs")
    assert enter(stranger, ruth, key).location == "/jobs?status=running"
    assert "Unused recovery codes 10 Passkey Created Last used Laptop" in stranger.says("/account")
    assert re.search(r"ruth@\S+ approver unlimited unlimited Set up Active", admin_says(practice, admin, "/users"))

    stranger.post("/sign-out", on="/jobs")
    sign_in(stranger, ruth)
    shown = stranger.says(CODE)
    assert "authenticator app" not in shown
    wrong = stranger.post(CODE, on=CODE, code="123456")
    assert (wrong.status_code, faults(wrong)) == (401, ["code"])
    assert stranger.post(CODE, on=CODE, code=codes[0]).location == "/"


def admin_says(practice: GivenPractice, admin: Browser, path: str) -> str:
    practice.do(factor_setting.change, required=False, by=admin.actor, now=NOW)
    return admin.says(path)


def test_a_refused_passkey_counts_as_a_failed_sign_in(
    ruth: Actor, key: Authenticator, stranger: Browser, clock: Clock
) -> None:
    stranger.post("/sign-out", on="/jobs")
    key.origin = "https://elsewhere.example"
    refused = [enter(stranger, ruth, key) for _ in range(8)]
    assert {one.status_code for one in refused} == {401}
    assert "It works only at http://localhost." in page_text(refused[0])

    key.origin = "http://localhost"
    assert stranger.post(CODE, on=CODE, credential="x").status_code == 429
    assert sign_in(stranger, ruth).status_code == 429
    clock.turn_on(minutes=11)
    late = stranger.post(f"{CODE}/options", on="/sign-in")
    assert (late.status_code, late.text.count("Your password was entered over ten minutes ago.")) == (409, 1)


def test_a_passkey_verifies_for_five_minutes_and_keeps_what_was_typed(
    practice: GivenPractice, ruth: Actor, key: Authenticator, stranger: Browser, clock: Clock
) -> None:
    practice.sql("UPDATE app_user SET role = 'admin' WHERE id = :id", id=ruth.user_id)
    given = {"claim_limit_cents": "75.00", "job_limit_cents": "unlimited"}
    clock.turn_on(**FIVE_MINUTES)

    asked = stranger.post("/settings/write-off-limits", **given)
    assert (asked.status_code, "Use a passkey, or enter a recovery code, to continue." in asked.text) == (409, True)
    assert 'data-passkey="verify"' in asked.text
    assert stranger.post(VERIFY, on="/account", verification_passkey="").json == {
        "fault": "Your browser sent no passkey. Try again."
    }
    other = verify(stranger, Authenticator())
    assert (other.status_code, "Your account does not have this passkey." in other.text) == (409, True)
    assert stranger.post("/settings/write-off-limits", **given).status_code == 409
    assert verify(stranger, key).json == {}
    hidden = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', asked.text))
    assert stranger.post("/settings/write-off-limits", **hidden | given).status_code == 303
    assert practice.audited("user.passkey_refused")[0].user_id == ruth.user_id


def test_passkeys_are_renamed_and_removed(ruth: Actor, key: Authenticator, stranger: Browser, clock: Clock) -> None:
    page = "/account/passkeys/1"
    assert faults(stranger.post(f"{page}/name", on=page, name="")) == ["name"]
    assert stranger.post(f"{page}/name", on=page, name="Yubi <b>").location == "/account#second-factor"
    assert "Yubi <b>" in stranger.read("/account")
    assert stranger.get("/account/passkeys/2").status_code == 404
    second = Authenticator()
    assert add(stranger, second, password="wrong").json == {"fault": "The current password is wrong."}
    assert add(stranger, second, name="Phone").location == "/account#second-factor"
    clock.turn_on(**FIVE_MINUTES)
    assert add(stranger, Authenticator()).json == {"fault": "Use a passkey, or enter a recovery code, to continue."}
    wrong = add(stranger, Authenticator(), verification_code="x")
    assert (wrong.status_code, wrong.json["fault"][:19]) == (409, "This code is wrong.")  # type: ignore[index]

    unverified = stranger.post(f"{page}/remove", on=page, password=PASSWORD)
    verify(stranger, second)
    wrong = stranger.post(f"{page}/remove", on=page, password="wrong")
    removed = stranger.post(f"{page}/remove", on=page, password=PASSWORD)

    assert (unverified.status_code, 'data-passkey="verify"' in unverified.text) == (409, True)
    assert (wrong.status_code, faults(wrong)) == (401, ["password"])
    assert removed.location == "/account#second-factor"
    assert "This is your only second factor." in stranger.says("/account/passkeys/2")


def test_a_program_reads_what_to_do_without_a_passkey(
    key: Authenticator, ruth: Actor, app: Flask
) -> None:  # fmt: skip
    answer = app.test_client().post("/api/v1/login", json={"email": ruth.email, "password": PASSWORD})

    assert (answer.status_code, answer.json["code"]) == (403, "code_needed")  # type: ignore[index]
    assert answer.json["detail"] == (  # type: ignore[index]
        "Enter one of your recovery codes, because your passkeys work only on the web pages. To need none, create an "
        "API token there on Your account, and set SETTLE_TOKEN to it."
    )


@pytest.mark.parametrize(
    ("public_url", "host", "site"),
    [
        (None, "localhost:8000", ("localhost", "http://localhost:8000")),
        (None, "settle.localhost", ("settle.localhost", "http://settle.localhost")),
        (None, "settle.example", None),  # without TLS
        (None, "127.0.0.1:8000", None),
        (None, "[::1]:8000", None),
        ("https://Settle.example:443/pages", "10.0.0.1", ("settle.example", "https://settle.example")),
        ("https://settle.example:8443", "settle.example", ("settle.example", "https://settle.example:8443")),
        ("https://10.0.0.1", "settle.example", None),
        ("https://settle.example:99999", "settle.example", None),
    ],
)
def test_the_site_is_the_public_url_or_the_address_of_the_request(
    app: Flask, public_url: str | None, host: str, site: tuple[str, str] | None
) -> None:
    known = app.extensions["settle"]
    settings = Settings(database_url=None, broker_url=None, public_url=public_url)
    app.extensions["settle"] = replace(known, settings=settings)
    with app.test_request_context("/", base_url=f"http://{host}"):
        assert passkey_site() == site
        if host.startswith("127"):
            assert no_passkeys_words().endswith("or http://localhost:8000 on this machine.")


def test_where_passkeys_do_not_work_the_page_says_so_and_takes_a_recovery_code(
    app: Flask, ruth: Actor, key: Authenticator, admin: Browser
) -> None:
    client: Any = app.test_client()
    at = {"base_url": "http://127.0.0.1:8000"}
    page = client.get("/sign-in", **at).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    client.post("/sign-in", data={"csrf_token": token[1], "email": ruth.email, "password": PASSWORD}, **at)
    asked = client.get(CODE, **at)
    assert "They need one that begins with https:// and the name of a host, or http://localhost" in page_text(asked)
    assert "data-passkey" not in asked.text
    assert "autofocus" in asked.text
    admin.client.set_cookie(SESSION_COOKIE, admin.client.get_cookie(SESSION_COOKIE).value, domain="127.0.0.1")
    for path in ("/account", "/account/second-factor", ADD):
        shown = admin.client.get(path, **at)
        assert (page_text(shown).count("Passkeys do not work at this address."), f'"{ADD}"' in shown.text) == (1, False)
