"""How much of a request the server reads before and after sign-in."""

import pytest
from flask.testing import FlaskClient

from core.access import tokens, user_sessions
from core.db.engine import transaction
from core.models.people import User
from tests.factories import NOW, GivenPractice
from tests.webui.operations.test_metrics import an_app
from webui.shared.auth import SESSION_COOKIE
from webui.shared.body_limits import BODY_BYTES_BEFORE_SIGN_IN_MAX

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
