"""A program gets a token with a password, under the rules of the sign-in page."""

from typing import Any

import pyotp
import pytest
from werkzeug.test import TestResponse

from core.access import second_factor, totp, users
from core.db.engine import make_sessions
from core.enums.people import Role
from core.models.people import User
from tests.webui.api.conftest import NOON, Api, World

EMAIL, PASSWORD = "ann@example.org", "correct horse battery staple"


@pytest.fixture
def ann(world: World) -> str:
    with make_sessions(world.engine).begin() as session:
        users.add_user(
            session, practice_id=world.hill, email=EMAIL, name="Ann", role=Role.OPS, password=PASSWORD, now=NOON
        )
    return EMAIL


def log_in(world: World, body: Any, address: str = "127.3.3.3") -> TestResponse:
    return world.app.test_client().post("/api/v1/login", json=body, environ_base={"REMOTE_ADDR": address})


def test_a_user_of_any_role_gets_a_token_and_revokes_it(world: World, ann: str) -> None:
    answer = log_in(world, {"email": "Ann@Example.org", "password": PASSWORD})

    assert answer.status_code == 201
    token = answer.json["token"]
    assert answer.json == {"token": token, "email": ann, "name": "Ann", "role": "ops", "practice": "Hill"}
    api = Api(world.app.test_client(), token, world.hill)
    assert api.get("/operations").status_code == 200
    assert api.post("/logout").status_code == 204
    assert (api.get("/operations").status_code, api.post("/logout").status_code) == (401, 401)
    acts = [act for (act,) in world.sql("SELECT act FROM audit_entry WHERE user_id IS NOT NULL ORDER BY id")]
    assert acts[-3:] == ["user.signed_in", "token.added", "token.revoked"]


@pytest.mark.parametrize("email", [EMAIL, "stranger@example.org", "no address"])
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(world: World, ann: str, email: str) -> None:
    answer = log_in(world, {"email": email, "password": "a wrong password"})

    assert (answer.status_code, answer.json["code"]) == (401, "sign_in_failed")
    assert answer.json["detail"] == "The e-mail address or password is wrong."


def test_failures_on_the_page_and_in_the_api_count_together(world: World, ann: str) -> None:
    page = world.app.test_client()
    world.app.config["WTF_CSRF_ENABLED"] = False
    for _ in range(4):
        assert log_in(world, {"email": ann, "password": "a wrong password"}, "127.3.3.4").status_code == 401
        assert page.post("/sign-in", data={"email": ann, "password": "a wrong password"}).status_code == 401

    refused = log_in(world, {"email": f" {ann.upper()} ", "password": PASSWORD}, "127.3.3.5")
    on_page = page.post("/sign-in", data={"email": ann, "password": PASSWORD})
    world.app.config["WTF_CSRF_ENABLED"] = True

    assert (refused.status_code, refused.json["code"], on_page.status_code) == (429, "too_many_requests", 429)
    assert refused.json["detail"] == "Too many failed sign-ins. Wait 5 minutes and try again."
    assert refused.json["detail"] in on_page.text
    assert 0 < int(refused.headers["Retry-After"]) <= 300
    assert log_in(world, {"email": "bob@example.org", "password": "wrong"}, "127.3.3.5").status_code == 401


@pytest.mark.parametrize("body", [{}, {"email": EMAIL}, {"email": EMAIL, "password": 1}, [], "text", {"email": []}])
def test_a_body_without_both_is_refused(world: World, body: Any) -> None:
    assert log_in(world, body).status_code in {400, 422}


def test_a_given_password_is_changed_at_the_first_sign_in(world: World, ann: str) -> None:
    world.sql("UPDATE app_user SET must_change_password = true WHERE email = :email", email=ann)
    given = {"email": ann, "password": PASSWORD}

    refused, weak = log_in(world, given), log_in(world, {**given, "new_password": "password1234"})
    signed_in = log_in(world, {**given, "new_password": "orchid tunnel 44 velvet"})

    assert (refused.status_code, refused.json["code"]) == (403, "password_change_needed")
    assert (weak.status_code, weak.json["code"]) == (422, "weak_password")
    assert signed_in.status_code == 201
    assert log_in(world, given).status_code == 401


def test_a_user_changes_their_own_password(world: World, ann: str) -> None:
    new = "orchid tunnel 44 velvet"
    api = Api(world.app.test_client(), log_in(world, {"email": ann, "password": PASSWORD}).json["token"], world.hill)

    other = Api(world.app.test_client(), log_in(world, {"email": ann, "password": PASSWORD}).json["token"], world.hill)
    wrong = api.put("/account/password", json={"password": "wrong", "new_password": new})
    weak = api.put("/account/password", json={"password": PASSWORD, "new_password": "short"})
    done = api.put("/account/password", json={"password": PASSWORD, "new_password": new})

    assert [(one.status_code, one.json["code"]) for one in (wrong, weak)] == [
        (401, "wrong_password"), (422, "bad_password")
    ]  # fmt: skip
    assert done.status_code == 204
    assert log_in(world, {"email": ann, "password": new}).status_code == 201
    assert [one.get("/account/tokens").status_code for one in (api, other)] == [200, 401], "only this token stays"
    stranger = Api(world.app.test_client(), "settle_nothing", world.hill)
    assert stranger.put("/account/password", json={}).json["code"] == "token_needed"


def test_a_second_factor_needs_its_code(world: World, ann: str) -> None:
    secret = totp.make_secret()
    with make_sessions(world.engine).begin() as session:
        user = session.query(User).filter_by(email=ann).one()
        second_factor.store(session, user.id, secret, used_step=0, now=NOON)
    body = {"email": ann, "password": PASSWORD}
    code = pyotp.TOTP(secret).at(NOON)

    answers = [log_in(world, body | more) for more in ({}, {"code": "000000"}, {"code": code}, {"code": code})]

    assert [(one.status_code, one.json.get("code")) for one in answers] == [
        (403, "code_needed"), (401, "wrong_code"), (201, None), (401, "code_used")
    ]  # fmt: skip


def test_a_user_lists_and_ends_their_browser_sessions(world: World, ann: str) -> None:
    api = Api(world.app.test_client(), log_in(world, {"email": ann, "password": PASSWORD}).json["token"], world.hill)
    world.app.config["WTF_CSRF_ENABLED"] = False
    for _ in range(3):
        world.app.test_client().post("/sign-in", data={"email": ann, "password": PASSWORD})
    world.app.config["WTF_CSRF_ENABLED"] = True

    one, *_ = found = api.get("/account/sessions").json["sessions"]

    assert (len(found), one["address"], one["browser"]) == (3, "127.0.0.x", "Unknown browser")
    assert api.send("DELETE", f"/account/sessions/{one['id']}").status_code == 204
    assert api.send("DELETE", f"/account/sessions/{one['id']}").status_code == 404
    assert len(api.get("/account/sessions").json["sessions"]) == 2
    assert api.send("DELETE", "/account/sessions").status_code == 204
    assert api.get("/account/sessions").json["sessions"] == []
