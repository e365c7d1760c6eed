"""A real OpenID provider in a process of its own, a practice that uses it, and a user."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from core.access import users
from core.access.permissions import Actor
from core.enums.people import Role
from core.models.people import AuditEntry
from core.settings import Settings
from core.single_sign_on import settings, web_client
from core.single_sign_on.wanted import GroupToRole, Wanted
from tests.factories import NOW, GivenPractice
from tests.identity_provider import CLIENT, SECRET, IdentityProvider, running_identity_provider
from tests.shared_app import application
from tests.webui.conftest import Browser, Clock, page_text

HERE = "/sign-in/single-sign-on"
CALLBACK = f"http://localhost{HERE}/callback"
PASSWORD = "correct horse battery staple"
RUTH = {"sub": "ruth-1", "email": "ruth@lakeside.example", "email_verified": True, "name": "Ruth Vale"}
GROUPS = (GroupToRole("claims-admins", Role.ADMIN), GroupToRole("claims-billing", Role.BILLER))


@pytest.fixture(scope="session")
def provider() -> Iterator[IdentityProvider]:
    """The provider's process, one for all tests of this process."""
    with running_identity_provider() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """The real time, because the provider's process has it too."""
    clock = Clock()
    clock.at = dt.datetime.now(dt.UTC)
    return clock


@pytest.fixture
def app(engine: Engine, clock: Clock) -> Flask:
    """The application, whose requests may reach this machine."""
    return application(
        engine, clock, settings=Settings(database_url=None, broker_url=None, webhook_reach="loopback"), name="sso"
    )


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for the provider, because a busy machine starts the program that asks it slowly."""
    monkeypatch.setattr(web_client, "SECONDS", 30)


@pytest.fixture
def wanted(provider: IdentityProvider) -> Wanted:
    """The settings of the provider."""
    return settings.wanted_of(None)._replace(
        active=True, issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, domains=["lakeside.example"]
    )


@pytest.fixture
def save(practice: GivenPractice, wanted: Wanted, clock: Clock) -> Callable[..., None]:
    """Return a function that saves the settings, changed as told, as a command on the server or as a user."""

    def save(by: Actor | None = None, **changed: Any) -> None:
        practice.do(
            settings.save, wanted._replace(**changed), reach="loopback", practice_id=practice.id, by=by, now=clock()
        )

    save()
    return save


@pytest.fixture
def ruth(practice: GivenPractice) -> Actor:
    """An approver with a password."""
    new = {"email": RUTH["email"], "name": "Ruth", "role": Role.APPROVER, "password": PASSWORD}
    return users.actor_for(practice.do(users.add_user, practice_id=practice.id, **new, now=NOW))


def departure(answer: TestResponse) -> str:
    """Return the address to which a page leads the browser."""
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)
    assert found, page_text(answer)
    return unescape(found[1])


def leave(
    browser: Browser, provider: IdentityProvider, user: dict[str, Any] = RUTH, *, page: str = "/jobs", **control: Any
) -> str:
    """Let the user sign in at the provider. Return where it sends the browser back."""
    claims = {name: value for name, value in user.items() if name != "sub"}
    provider.set(**{"user": user, "claims": claims, "redirect_uris": [CALLBACK], **control})
    return provider.send_back(departure(browser.post(HERE, on="/sign-in", next=page)))


def sign_in(browser: Browser, provider: IdentityProvider, user: dict[str, Any] = RUTH, **control: Any) -> TestResponse:
    return browser.get(leave(browser, provider, user, **control))


def acts(practice: GivenPractice, name: str) -> list[dict[str, Any]]:
    with practice.sessions() as session:
        return list(session.scalars(select(AuditEntry.facts).where(AuditEntry.act == name).order_by(AuditEntry.id)))
