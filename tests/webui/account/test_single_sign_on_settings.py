"""What the settings of single sign-on decide: roles, passwords, second factors, verification and domains."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlalchemy import select

from core.access import own_factor, totp, user_management
from core.access.permissions import Actor
from core.access.ties import Ties
from core.enums.people import Role
from core.models.people import User
from core.practices.create import create_practice
from core.single_sign_on import settings
from core.single_sign_on.wanted import Wanted
from tests.factories import GivenPractice
from tests.identity_provider import CLIENT, IdentityProvider
from tests.webui.account.conftest import CALLBACK, GROUPS, HERE, PASSWORD, RUTH, acts, departure, sign_in
from tests.webui.conftest import Browser, Clock, page_text


def test_groups_give_roles_and_the_administrator_who_mapped_them_controls_the_account(
    save: Callable[..., None], practice: GivenPractice, ruth: Actor, provider: IdentityProvider, stranger: Browser,
    clock: Clock,
) -> None:  # fmt: skip
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    save(by=admin, groups_claim="groups", groups=GROUPS, adds_users=True)

    def role_of(email: str) -> tuple[Role, int]:
        with practice.sessions() as session:
            user = session.scalars(select(User).where(User.email == email)).one()
            return user.role, user.job_limit_cents

    none = sign_in(stranger, provider, {**RUTH, "groups": ["visitors"]})
    assert "None of your groups has a role here" in page_text(none)
    assert sign_in(stranger, provider, {**RUTH, "groups": ["claims-billing", "claims-admins"]}).location == "/jobs"
    assert role_of(ruth.email)[0] is Role.ADMIN, "the first in the practice's list decides"
    assert acts(practice, "user.role_changed") == [
        {"from": "approver", "to": "admin", "identity_provider": True, "granted_by": admin.user_id}
    ]
    with practice.sessions() as session:
        ties = Ties.read(session, practice.id)
    assert ties.controllers_of(ruth.user_id) == {admin.user_id}

    new = Browser(stranger.client.application.test_client())
    kim = {"sub": "kim", "email": "kim@lakeside.example", "email_verified": True, "name": "Kim Oda"}
    assert sign_in(new, provider, {**kim, "groups": "claims-billing"}).location == "/jobs"
    assert role_of("kim@lakeside.example") == (Role.BILLER, 0), "added, with no dollar without approval"
    assert "Kim Oda" in new.says("/jobs")

    practice.do(user_management.deactivate, ruth.user_id, by=admin, now=clock())
    assert stranger.get("/jobs").status_code == 302, "a deactivation ends the session"
    again = sign_in(stranger, provider, {**RUTH, "groups": ["claims-admins"]})
    assert "Your account was deactivated" in page_text(again)
    # the last administrator keeps the role
    last = {**RUTH, "sub": "admin", "email": "admin@lakeside.example", "groups": ["claims-billing"]}
    assert sign_in(stranger, provider, last).location == "/jobs"
    assert role_of("admin@lakeside.example")[0] is Role.ADMIN


def test_passwords_can_be_off(
    save: Callable[..., None], practice: GivenPractice, ruth: Actor, provider: IdentityProvider, stranger: Browser,
    clock: Clock,
) -> None:  # fmt: skip
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    with pytest.raises(settings.NotThroughProvider):
        save(by=admin, password_sign_in=False)
    with pytest.raises(settings.PasswordsNeeded):
        save(password_sign_in=False, client_id="another")
    who = {**RUTH, "sub": "admin", "email": admin.email}
    sign_in(stranger, provider, who, auth_time=int(clock().timestamp()))
    typed = {"issuer": provider.issuer, "client_id": CLIENT, "domains": "lakeside.example", "active": "yes"}
    saved = stranger.post("/settings/single-sign-on", on="/settings/single-sign-on", **typed)
    assert saved.location == "/settings/single-sign-on", page_text(saved)
    assert "Passwords are off" in stranger.says("/settings/single-sign-on")

    other = Browser(stranger.client.application.test_client())
    assert "Password" not in other.says("/sign-in"), "the page asks for none, and offers no link for one"
    refused = other.post("/sign-in", on="/sign-in", email=ruth.email, password=PASSWORD)
    assert "signs in with single sign-on" in page_text(refused)
    token = other.client.post("/api/v1/login", json={"email": ruth.email, "password": PASSWORD})
    assert token.json["code"] == "password_sign_in_off"
    assert "SETTLE_TOKEN" in token.json["detail"]
    wrong = other.post("/sign-in", on="/sign-in", email=ruth.email, password="another one")
    assert "e-mail address or password is wrong" in page_text(wrong), "a stranger learns nothing"

    practice.do(settings.turn_passwords_on, practice.id, now=clock())
    assert "Forgot your password?" in other.says("/sign-in")
    assert other.post("/sign-in", on="/sign-in", email=ruth.email, password=PASSWORD).status_code == 302


def test_signing_in_again_verifies_and_keeps_the_form(
    save: Callable[..., None],
    practice: GivenPractice,
    ruth: Actor,
    provider: IdentityProvider,
    stranger: Browser,
    clock: Clock,
) -> None:
    practice.person("admin@lakeside.example", Role.ADMIN)
    admin = {**RUTH, "sub": "admin", "email": "admin@lakeside.example"}
    form = {"required": "yes", "large_confirm_cents": "1,234.00"}
    given: dict[str, Any] = {"user": admin, "redirect_uris": [CALLBACK]}

    def leave_again() -> str:
        return departure(stranger.post("/settings/second-factor", on="/settings", **form, verification_provider="yes"))

    sign_in(stranger, provider, {**admin, "amr": ["pwd", "mfa"]})  # an hour ago, says the provider
    assert stranger.post("/settings/second-factor", on="/settings", **form).status_code == 409
    assert {"prompt": ["login"], "max_age": ["0"]}.items() <= parse_qs(urlsplit(leave_again()).query).items()

    provider.set(**given, auth_time=int(clock().timestamp()) - 600)  # it asked for nothing
    ignored = stranger.get(provider.send_back(leave_again()))
    assert "did not ask you to sign in again" in page_text(ignored)
    assert 'value="1,234.00"' in ignored.text, "what was typed is kept"
    sign_in(Browser(stranger.client.application.test_client()), provider)
    provider.set(user=RUTH, redirect_uris=[CALLBACK])
    assert "A different user signed in" in page_text(stranger.get(provider.send_back(leave_again())))

    provider.set(**given)
    verified = stranger.get(provider.send_back(leave_again()))
    assert "You signed in again" in page_text(verified)
    kept = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', verified.text))
    assert kept.keys() == {"csrf_token", *form}
    assert re.findall(r'<form method="post" action="(/settings[^"]+)"', verified.text) == ["/settings/second-factor"]
    assert stranger.post("/settings/second-factor", on="/settings", **form).status_code == 303
    assert "1,234.00" in stranger.read("/settings")
    save(active=False)
    practice.sql("UPDATE user_session SET verified_at = NULL")
    off = stranger.post("/settings/second-factor", on="/settings", **form, verification_provider="yes")
    assert "Single sign-on is off now. Sign out" in page_text(off)
    save()
    out = departure(stranger.post("/sign-out", on="/settings"))
    assert parse_qs(urlsplit(out).query)["post_logout_redirect_uri"] == ["http://localhost/sign-in"]
    assert stranger.get("/settings").status_code == 302


def test_a_provider_without_a_second_factor_leaves_it_to_the_product(
    save: Callable[..., None], practice: GivenPractice, ruth: Actor, provider: IdentityProvider, stranger: Browser,
    clock: Clock,
) -> None:  # fmt: skip
    practice.sql("UPDATE practice SET second_factor_required = true")
    sign_in(stranger, provider)
    assert stranger.get("/jobs").location == "/account/second-factor", "an approver needs one"
    add = "/account/second-factor/passkey"
    assert "Sign in again at your identity provider before you add a passkey." in stranger.says(add)
    again = departure(stranger.post(f"{HERE}/again", on=add, next=add))
    assert stranger.get(provider.send_back(again)).location == add
    assert "A passkey is kept by" in stranger.says(add)
    save(asks_second_factor=True)
    trusting = Browser(stranger.client.application.test_client())
    sign_in(trusting, provider)
    assert trusting.get("/jobs").status_code == 200, "the practice says that the provider asks for one"

    save()
    secret = totp.make_secret()
    app = pyotp.TOTP(secret)
    practice.do(own_factor.add, secret=secret, code=app.at(clock()), by=ruth, now=clock())
    elsewhere = Browser(stranger.client.application.test_client())
    assert sign_in(elsewhere, provider).location == "/sign-in/code"
    clock.turn_on(seconds=30)
    typed = elsewhere.post("/sign-in/code", on="/sign-in/code", code=app.at(clock()))
    assert typed.location == "/jobs"
    assert elsewhere.get("/jobs").status_code == 200


def test_each_practice_has_its_own_provider_and_domains(
    save: Callable[..., None], practice: GivenPractice, wanted: Wanted, provider: IdentityProvider, stranger: Browser,
    clock: Clock,
) -> None:  # fmt: skip
    other = practice.do(create_practice, name="Hilltop", now=clock())

    def save_other(domain: str) -> None:
        practice.do(
            settings.save, wanted._replace(domains=[domain]), reach="loopback", practice_id=other, by=None, now=clock()
        )

    with pytest.raises(settings.DomainTaken):
        save_other("lakeside.example")
    save_other("hilltop.example")
    assert "Your address at work." in page_text(stranger.post(HERE, on="/sign-in"))
    unknown = stranger.post(HERE, on="/sign-in", email="ann@elsewhere.example")
    assert "No identity provider signs in this e-mail address." in page_text(unknown)
    user = {**RUTH, "email": "biller@lakeside.example"}  # of the first practice, at the provider of the second
    provider.set(user=user, claims=user | {"sub": "x"}, redirect_uris=[CALLBACK])
    address = departure(stranger.post(HERE, on="/sign-in", email="ann@Hilltop.example"))
    provider.set(user=user, redirect_uris=[CALLBACK])
    assert "not in a domain of this practice" in page_text(stranger.get(provider.send_back(address)))
