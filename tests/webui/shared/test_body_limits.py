"""How much of a request the server reads before and after sign-in."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.access import tokens, user_sessions
from core.db.engine import transaction
from core.enums.people import Role
from core.models.people import User
from tests.factories import NOW, GivenPractice
from tests.webui.operations.test_metrics import an_app
from webui.shared.auth import SESSION_COOKIE
from webui.shared.body_limits import BODY_BYTES_BEFORE_SIGN_IN_MAX, LARGE_BODY_BYTES

PATIENCE_SECONDS = 30
LARGE = "x" * BODY_BYTES_BEFORE_SIGN_IN_MAX


def _sign_in(client: FlaskClient, practice: GivenPractice) -> str:
    """Sign in the biller's browser, and return an API token of the biller."""
    with transaction(practice.sessions) as session:
        client.set_cookie(SESSION_COOKIE, user_sessions.start(session, practice.biller, NOW))
        return tokens.add_token(session, session.get_one(User, practice.biller.user_id), NOW)


@pytest.mark.parametrize("path", ["/sign-in", "/jobs", "/feed/views", "/no/such/page"])
def test_a_large_form_without_a_session_is_refused_unread(path: str, database_url: str) -> None:
    with an_app(database_url) as client:
        client.set_cookie(SESSION_COOKIE, "an unknown session")
        answer = client.post(path, data={"email": LARGE})

    assert answer.status_code == 413
    assert "This request is too large." in answer.text


def test_a_large_body_without_a_valid_token_is_refused_unread(database_url: str) -> None:
    with an_app(database_url) as client:
        headers = {"Authorization": "Bearer none", "Idempotency-Key": "large"}
        answer = client.post("/api/v1/settle-jobs", json={"selection": LARGE}, headers=headers)

    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_needed")


def test_a_signed_in_user_can_send_large_forms_and_bodies(database_url: str, practice: GivenPractice) -> None:
    with an_app(database_url) as client:
        token = _sign_in(client, practice)
        form = client.post("/feed/views", data={"name": LARGE})
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "large"}
        body = {"selection": {"claim_ids": ["C00001"] * 10_000}, "reason": "small_balance"}
        answer = client.post("/api/v1/settle-jobs", json=body, headers=headers)

    assert form.status_code == 400, "the form was read, but has no CSRF token"
    assert "has expired" in form.text
    assert answer.status_code == 422, "the body was read, but its claims do not exist"


class _Held(io.BytesIO):
    """A body whose first read lasts until the test lets it continue."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.is_read, self.may_continue = threading.Event(), threading.Event()

    def readinto(self, buffer: Any, /) -> int:
        self.is_read.set()
        assert self.may_continue.wait(PATIENCE_SECONDS)
        return super().readinto(buffer)


def test_a_user_sends_one_large_list_at_a_time_and_all_users_half_of_the_threads(
    database_url: str, practice: GivenPractice
) -> None:
    ids = json.dumps({"claim_ids": ["x" * 20] * (LARGE_BODY_BYTES // 20)}).encode()
    users = [practice.biller, *(practice.person(f"{n}@lakeside.example", Role.BILLER) for n in range(2))]

    def send(client: FlaskClient, token: str, body: io.BytesIO) -> TestResponse:
        given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return client.post(
            "/api/v1/claims/search", input_stream=body, headers={**given, "Content-Length": str(len(ids))}
        )

    with an_app(database_url, web_threads=4) as client, ThreadPoolExecutor(2) as pool:
        with transaction(practice.sessions) as session:
            first, second, third = (tokens.add_token(session, session.get_one(User, one.user_id), NOW) for one in users)
        held = [_Held(ids), _Held(ids)]
        slow = [
            pool.submit(send, client.application.test_client(), *one) for one in zip((first, second), held, strict=True)
        ]
        assert all(one.is_read.wait(PATIENCE_SECONDS) for one in held)

        refused = [send(client, token, io.BytesIO(ids)) for token in (first, third)]
        small = client.get("/api/v1/claims", headers={"Authorization": f"Bearer {first}"})
        for one in held:
            one.may_continue.set()

        assert [(one.status_code, one.get_json()["code"]) for one in refused] == [(429, "too_many_large_requests")] * 2
        assert refused[0].headers["Retry-After"] == "5"
        assert small.status_code == 200
        assert [one.result().status_code for one in slow] == [422, 422], "they were read"
        assert send(client, first, io.BytesIO(ids)).status_code == 422
