"""Signing in and out, and what needs a session."""

import re
from urllib.parse import unquote

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from core.access import users
from core.db.engine import Sessions
from core.enums.people import Role
from core.models.notices import OutboxMessage
from core.models.people import AuditEntry
from core.settings import Settings
from tests.factories import NOW, GivenPractice, a_practice
from tests.shared_app import application
from tests.webui.conftest import Browser, Clock, page_text
from tests.webui.operations.test_metrics import an_app
from webui.shared.auth import SESSION_COOKIE
from webui.shared.page_arguments import safe_next

EMAIL = "j.ortiz@lakeside.example"
PASSWORD = "correct horse battery staple"
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Version/19.1/15E148 Safari/604.1",
    "curl/8",
)
CSRF_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
NEW = "orchid tunnel 44 velvet"


@pytest.fixture
def ortiz(practice: GivenPractice) -> str:
    practice.do(
        users.add_user,
        practice_id=practice.id,
        email=EMAIL,
        name="J. Ortiz",
        role=Role.BILLER,
        password=PASSWORD,
        now=NOW,
    )
    return EMAIL


def sign_in(browser: Browser, email: str, password: str, **fields: str) -> TestResponse:
    return browser.post("/sign-in", on="/sign-in", email=email, password=password, **fields)


def test_the_right_password_opens_the_requested_page(ortiz: str, stranger: Browser) -> None:
    redirect = stranger.get("/jobs?status=running")
    assert redirect.status_code == 302
    assert redirect.location == "/sign-in?next=/jobs?status%3Drunning"

    answer = sign_in(stranger, ortiz, PASSWORD, next="/jobs?status=running")

    assert answer.location == "/jobs?status=running"
    cookie = next(header for header in answer.headers.getlist("Set-Cookie") if header.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = stranger.read("/jobs")
    assert "J. Ortiz · biller" in page
    assert "Lakeside" in page


def test_a_sign_in_to_another_practice_ends_the_session_in_the_first_one(
    ortiz: str, stranger: Browser, practice: GivenPractice, sessions: Sessions
) -> None:
    other = a_practice(sessions, name="Hillside")
    other.do(
        users.add_user, practice_id=other.id, email="ruth@hillside.example", name="Ruth", role=Role.BILLER,
        password=PASSWORD, now=NOW,
    )  # fmt: skip
    sign_in(stranger, ortiz, PASSWORD)
    first = stranger.client.get_cookie(SESSION_COOKIE)
    stranger.client.delete_cookie(SESSION_COOKIE)
    page = stranger.get("/sign-in")
    assert first is not None
    stranger.client.set_cookie(SESSION_COOKIE, first.value)
    token = CSRF_TOKEN.search(page.text)
    assert token is not None
    fields = {"email": "ruth@hillside.example", "password": PASSWORD, "csrf_token": token[1]}

    assert stranger.client.post("/sign-in", data=fields).status_code == 302

    assert "Ruth · biller" in stranger.read("/jobs")
    with sessions() as session:
        ended = select(AuditEntry.practice_id).where(AuditEntry.act == "user.signed_out")
        assert session.scalars(ended).all() == [practice.id]


def test_over_https_the_cookies_are_bound_to_the_host(database_url: str, ortiz: str) -> None:
    over = {"base_url": "https://settle.example", "headers": {"Referer": "https://settle.example/"}}
    with an_app(database_url, https_only=True, secret_key="k" * 32) as client:

        def post(path: str, on: TestResponse, **fields: str) -> TestResponse:
            token = CSRF_TOKEN.search(on.text)
            assert token is not None
            return client.post(path, data={"csrf_token": token[1], **fields}, **over)

        page = client.get("/sign-in", **over)
        answer = post("/sign-in", page, email=ortiz, password=PASSWORD)
        jobs = client.get("/jobs", **over)
        signed_out = post("/sign-out", jobs)

    given = [one for seen in (page, answer) for one in seen.headers.getlist("Set-Cookie")]
    cookies = {one.partition("=")[0]: one for one in given}
    assert cookies.keys() >= {"__Host-settle_session", "__Host-settle_forms"}
    for one in cookies.values():
        assert ("Secure" in one, "Path=/" in one, "Domain" in one) == (True, True, False)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert jobs.status_code == 200
    assert "__Host-settle_session=;" in "".join(signed_out.headers.getlist("Set-Cookie"))


def test_after_the_session_ended_the_feed_keeps_its_filter_but_no_name(ortiz: str, stranger: Browser) -> None:
    sign_in(stranger, ortiz, PASSWORD)
    stranger.read("/claims")
    stranger.client.delete_cookie(SESSION_COOKIE)

    typed = {"billing_status": "Balance Due", "patient_due_max": "24.99"}
    by_name = stranger.post("/claims", on="/sign-in", **typed, patient="Sample, Petra").location
    wanted = stranger.post("/claims", on="/sign-in", **typed).location

    assert "Your session ended." in stranger.says(wanted)
    assert "Petra" not in by_name
    assert "patient_key%3Dended" in by_name
    back = "/claims?billing_status=Balance+Due&patient_due_max=24.99"
    assert sign_in(stranger, ortiz, PASSWORD, next=back).location == back
    assert f"next={back}" in unquote(wanted)


@pytest.mark.parametrize("email", [EMAIL, "unknown@lakeside.example"])
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(ortiz: str, stranger: Browser, email: str) -> None:
    answer = sign_in(stranger, email, "wrong")

    assert answer.status_code == 401
    assert "The e-mail address or password is wrong." in answer.text
    assert stranger.get("/jobs").status_code == 302


def test_eight_failed_sign_ins_lock_that_account_and_no_other(ortiz: str, stranger: Browser) -> None:
    for _ in range(8):
        assert sign_in(stranger, ortiz, "wrong").status_code == 401

    refused = sign_in(stranger, ortiz, PASSWORD)

    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 300
    assert re.search(r"Too many failed sign-ins. Wait \d minutes? and try again.", refused.text)
    assert sign_in(stranger, "admin@lakeside.example", "wrong").status_code == 401


def test_a_successful_sign_in_never_counts_as_a_failure(ortiz: str, stranger: Browser) -> None:
    for _ in range(12):
        assert sign_in(stranger, ortiz, PASSWORD).status_code == 302
        stranger.post("/sign-out")


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\n/x",
        "",
        None,
    ],
)
def test_sign_in_never_redirects_to_another_host(app: object, wanted: str | None) -> None:
    with app.test_request_context():  # type: ignore[attr-defined]
        assert safe_next(wanted) == "/"
        assert safe_next("/claims?office=1") == "/claims?office=1"


def test_a_session_idle_for_too_long_requires_a_new_sign_in(biller: Browser, clock: Clock) -> None:
    clock.turn_on(minutes=29)
    assert biller.get("/jobs").status_code == 200

    clock.turn_on(minutes=31)

    assert biller.get("/jobs").location == "/sign-in?next=/jobs&ended=1"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/notices/unread", {}),
        ("/jobs", {"X-Live": "1"}),
        ("/jobs?status=running&refreshed=1", {}),
        ("/imports/1", {"HX-Request": "true"}),
    ],
)
def test_a_page_that_asks_by_itself_does_not_keep_the_session(
    biller: Browser, clock: Clock, path: str, headers: dict[str, str]
) -> None:
    for _ in range(3):
        assert biller.get(path, **headers).status_code in (200, 404)
        clock.turn_on(minutes=10)

    assert biller.get("/jobs").status_code == 302


def test_signing_out_ends_the_session_in_the_database_and_clears_the_browser(biller: Browser, app: object) -> None:
    token = biller.client.get_cookie(SESSION_COOKIE)
    assert token

    answer = biller.post("/sign-out")

    assert answer.headers["Clear-Site-Data"] == '"cookies", "storage"'
    assert "You are signed out." in biller.says(answer.location)
    again = Browser(app.test_client())  # type: ignore[attr-defined]
    again.client.set_cookie(SESSION_COOKIE, token.value)
    assert again.get("/jobs").status_code == 302


def test_a_page_fragment_without_a_session_is_refused_and_not_redirected_to_sign_in(stranger: Browser) -> None:
    assert stranger.get("/jobs", **{"Sec-Fetch-Dest": "empty"}).status_code == 401


def test_an_administrator_is_not_referred_to_an_administrator(browser_of: object, practice: GivenPractice) -> None:
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))  # type: ignore[operator]
    assert "admin · administrator" in admin.says("/claims"), "the header's name of the role"

    answer = admin.get("/operations")

    assert answer.status_code == 403
    assert "Your role (administrator) does not allow this. It requires the operations role." in answer.text
    assert "ask an administrator" not in answer.text.lower()


def test_a_refused_biller_sees_which_roles_may_do_it_and_whom_to_ask(biller: Browser, ops: Browser) -> None:
    answer = biller.get("/audit")

    message = "Your role (biller) does not allow this. It requires the approver or administrator role."
    assert f"{message} Ask an administrator of your practice." in answer.text
    assert "It requires the biller, approver or administrator role." in ops.get("/claims").text


# Sessions


def test_users_see_their_browsers_and_sign_them_out(ortiz: str, app: Flask, practice: GivenPractice) -> None:
    here, there, third = (Browser(app.test_client(), headers={"User-Agent": agent}) for agent in AGENTS)
    for browser in (here, there, third):
        agent = browser.headers["User-Agent"]
        browser.client.environ_base |= {"HTTP_USER_AGENT": agent, "REMOTE_ADDR": "203.0.113.77"}
        sign_in(browser, ortiz, PASSWORD)
    shown = here.says("/account")
    assert "Firefox on Windows (this browser) 203.0.113.x 11/23/2026 10:00:00 AM 11/23/2026 10:00:00 AM" in shown
    assert "Safari on iPhone 203.0.113.x" in shown

    end = [form for form in here.forms("/account") if re.fullmatch(r"/account/sessions/\d+/end", form)]
    assert len(end) == 2
    here.post(end[0], on="/account")
    assert sorted(browser.get("/jobs").status_code for browser in (there, third)) == [200, 302]
    here.post("/account/sessions/end-others", on="/account")
    assert "1 other browser signed out." in here.says("/account")
    assert [browser.get("/jobs").status_code for browser in (here, there, third)] == [200, 302, 302]
    assert here.post("/account/sessions/1000000/end", on="/account").status_code == 404
    cookie = here.client.get_cookie(SESSION_COOKIE)
    here.post("/sign-in", on="/account", email=ortiz, password=PASSWORD)
    again = Browser(app.test_client())
    again.client.set_cookie(SESSION_COOKIE, cookie.value if cookie else "")
    assert again.get("/jobs").status_code == 302, "the sign-in ended the earlier session of that browser"


def test_the_audit_log_has_the_address_of_failed_sign_ins_and_refusals(
    ortiz: str, stranger: Browser, biller: Browser, practice: GivenPractice
) -> None:
    for browser in (stranger, biller):
        browser.client.environ_base["REMOTE_ADDR"] = "203.0.113.77"
    sign_in(stranger, ortiz, "wrong")
    biller.post("/jobs/7/reverse", on="/jobs")

    failed, refused = practice.audited()[-2:]
    assert (failed.act, failed.facts) == ("user.sign_in_failed", {"address": "203.0.113.77"})
    assert (refused.act, refused.user_id) == ("user.refused", practice.biller.user_id)
    assert refused.facts == {
        "page": "reversals.reverse", "method": "POST", "address": "203.0.113.77", "job_id": 7,
    }  # fmt: skip


# API tokens


def test_users_create_a_token_that_is_shown_once_and_revoke_it(biller: Browser, app: Flask) -> None:
    assert Browser(app.test_client()).post("/account/tokens", on="/sign-in").location.startswith("/sign-in")
    given = {"on": "/account", "name": "Export", "scopes": ["read", "post"], "days": "30"}
    for wrong, fault in (({"name": ""}, "name"), ({"scopes": []}, "scopes"), ({"days": "x"}, "days")):
        refused = biller.post("/account/tokens", **{**given, **wrong})
        assert (refused.status_code, re.findall(r'id="([a-z]+)-fault"', refused.text)) == (422, [fault])
        assert refused.text.count(" checked") == (0 if "scopes" in wrong else 2)

    made = biller.post("/account/tokens", **given)

    found = re.search(r'value="(settle_[^"]+)"', made.text)
    assert found
    assert (made.status_code, "It expires in 30 days." in page_text(made)) == (201, True)
    headers = {"Authorization": f"Bearer {found[1]}"}
    assert app.test_client().get("/api/v1/settle-jobs", headers=headers).status_code == 200
    shown = biller.says("/account")
    assert "Export read, post 11/23/2026 10:00:00 AM 11/23/2026 10:00:00 AM 12/23/2026 10:00:00 AM Revoke" in shown
    (revoke,) = (form for form in biller.forms("/account") if form.endswith("/revoke"))
    biller.post(revoke, on="/account")
    assert app.test_client().get("/api/v1/settle-jobs", headers=headers).status_code == 401
    assert biller.post(revoke, on="/account").status_code == 404


# Passwords


def test_a_given_password_leads_to_the_page_that_sets_an_own_one(
    ortiz: str, stranger: Browser, practice: GivenPractice
) -> None:
    practice.sql("UPDATE app_user SET must_change_password = true WHERE email = :email", email=ortiz)

    answer = sign_in(stranger, ortiz, PASSWORD)

    assert stranger.get("/jobs").status_code == 302, "not signed in"
    assert "The password that you were given works only once." in stranger.says(answer.location)
    weak = stranger.client.post(answer.location, data={"new_password": "password1234", "repeated": "password1234"})
    assert (weak.status_code, "too easy to guess" in weak.text) == (422, True)
    assert stranger.client.post(answer.location, data={"new_password": NEW, "repeated": NEW}).location == "/sign-in"
    assert sign_in(stranger, ortiz, NEW).location == "/"


def test_without_a_mail_server_a_forgotten_password_leads_to_an_administrator(stranger: Browser) -> None:
    assert "Forgot your password?" in stranger.says("/sign-in")
    assert "Ask an administrator of your practice" in stranger.says("/forgot-password")
    assert stranger.post("/forgot-password", on="/sign-in", email=EMAIL).status_code == 409


def test_a_forgotten_password_gets_the_same_answer_for_every_address(
    ortiz: str, practice: GivenPractice, engine: Engine, clock: Clock
) -> None:
    mail = {
        "smtp_url": "smtp://mail.example",
        "mail_from": "settle@lakeside.example",
        "public_url": "https://s.example",
    }
    app = application(engine, clock, settings=Settings(database_url=None, broker_url=None, **mail))
    stranger = Browser(app.test_client())

    answers = set()
    for email in (ortiz, "unknown@lakeside.example", "no address\x00"):
        with stranger.post("/forgot-password", on="/forgot-password", email=email) as answer:
            answers.add(page_text(answer))

    (shown,) = answers
    assert "If an account has this address, we are sending it a link." in shown
    assert [entry.act for entry in practice.audited()][-1] == "user.password_forgotten"
    with practice.sessions() as session:
        assert session.query(OutboxMessage).count() == 1
    limited = [stranger.post("/forgot-password", on="/forgot-password", email=ortiz).status_code for _ in range(3)]
    assert limited == [200, 200, 429]


def test_users_change_their_own_password_and_stay_signed_in(ortiz: str, stranger: Browser, app: Flask) -> None:
    other = Browser(app.test_client())
    assert stranger.get("/account").location == "/sign-in?next=/account"
    for browser in (stranger, other):
        sign_in(browser, ortiz, PASSWORD)
    given = {"on": "/account", "new_password": NEW, "repeated": NEW}

    wrong = stranger.post("/account/password", password="wrong", **given)
    differ = stranger.post("/account/password", password=PASSWORD, **{**given, "repeated": "x"})
    weak = stranger.post("/account/password", password=PASSWORD, **{**given, "new_password": EMAIL, "repeated": EMAIL})
    assert [(one.status_code, re.findall(r'id="([a-z_]+)-fault"', one.text)) for one in (wrong, differ, weak)] == [
        (401, ["password"]), (422, ["repeated"]), (422, ["new_password"])
    ]  # fmt: skip
    assert other.get("/jobs").status_code == 200
    assert "API token" not in stranger.says("/account").partition("Change password")[0]
    stranger.post("/account/tokens", on="/account", name="Robot", scopes="read", days="9")
    assert "Keep my 1 API token Otherwise, a new password revokes it." in stranger.says("/account")
    stranger.post("/account/password", password=PASSWORD, **given)

    shown = stranger.says("/account")
    assert "Password changed. Your other browsers are signed out. 1 API token revoked." in shown
    assert "Robot" not in shown
    assert other.get("/jobs").status_code == 302
    for _ in range(7):
        stranger.post("/account/password", password="wrong", **given)
    assert stranger.post("/account/password", password=NEW, **given).status_code == 429
