"""Sign in through a real OpenID provider, and sign in there again before a CONFIRM, in a real browser."""

import datetime as dt

import pytest
from flask import Flask
from playwright.sync_api import expect
from sqlalchemy import Engine

from core.enums.people import Role
from core.settings import Settings
from core.single_sign_on import settings, web_client
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.browser.test_feed_and_confirm import preview
from tests.factories import GivenPractice
from tests.identity_provider import CLIENT, SECRET, running_identity_provider
from tests.shared_app import application

pytestmark = no_browser


@pytest.fixture
def app(engine: Engine) -> Flask:
    """The application in real time, because the provider's process has it. Its requests may reach this machine."""
    reach = Settings(database_url=None, broker_url=None, webhook_reach="loopback")
    return application(engine, lambda: dt.datetime.now(dt.UTC), settings=reach)


def test_a_biller_signs_in_and_confirms_through_the_identity_provider(
    practice: GivenPractice, open_as: OPEN, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_client, "SECONDS", 30)  # a busy machine starts its program slowly
    practice.claims(3)
    practice.sql("UPDATE practice SET large_confirm_cents = 0")
    biller = practice.biller
    user = {"sub": "1", "email": biller.email, "email_verified": True}
    with running_identity_provider() as provider:
        wanted = settings.wanted_of(None)._replace(
            active=True, issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, domains=["lakeside.example"]
        )
        now = dt.datetime.now(dt.UTC)
        practice.do(settings.save, wanted, reach="loopback", practice_id=practice.id, by=None, now=now)
        provider.set(user=user, redirect_uris=[f"{address}/sign-in/single-sign-on/callback"])

        page = open_as("/claims?sort=claim", None)
        assert faults_of(page) == ""
        page.get_by_role("button", name="Single sign-on").press("Enter")
        page.wait_for_url("**/claims?sort=claim")

        page.get_by_role("button", name="Select all 3 matching claims").click()
        preview(page)
        expect(page.locator("#confirm-form")).to_contain_text("You sign in again at your identity provider first.")
        page.get_by_label("Type CONFIRM").fill("CONFIRM")
        page.locator("#confirm-button").click()
        page.get_by_role("link", name="Continue").click()  # in the dialog, a click instead of a refresh
        page.get_by_role("heading", name="You signed in again").wait_for()
        assert faults_of(page) == ""
        page.get_by_role("button", name="Continue").press("Enter")
        page.wait_for_url("**/jobs/1")
        expect(page.locator("#job-status")).to_have_text("Confirmed")

        admin = practice.person("admin@lakeside.example", Role.ADMIN)
        assert faults_of(open_as("/settings/single-sign-on", admin)) == ""
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in?state=signed_out")
        expect(page.get_by_role("status")).to_contain_text("You are signed out.")
