"""How much the server reads of a request, before and after it knows whose it is."""

import pytest
from flask.testing import FlaskClient

from core.access import sessions as user_sessions, tokens
from core.db.engine import Sessions, transaction
from core.models.people import User
from tests.factories import NOW, GivenPractice, a_practice
from tests.webui.operations.test_metrics import an_app
from webui.shared.auth import SESSION_COOKIE
from webui.shared.body_limits import BODY_BYTES_BEFORE_SIGN_IN_MAX

LARGE = "x" * BODY_BYTES_BEFORE_SIGN_IN_MAX


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    return a_practice(sessions)


def _sign_in(client: FlaskClient, practice: GivenPractice) -> str:
    """Sign the biller's browser in; give a token of theirs too."""
    with transaction(practice.sessions) as session:
        client.set_cookie(SESSION_COOKIE, user_sessions.start(session, practice.biller, NOW))
        return tokens.add_token(session, session.get_one(User, practice.biller.user_id), NOW)


@pytest.mark.parametrize("path", ["/sign-in", "/jobs", "/feed/filters", "/no/such/page"])
def test_a_large_form_of_a_stranger_is_refused_unread(path: str, database_url: str) -> None:
    with an_app(database_url) as client:
        client.set_cookie(SESSION_COOKIE, "a session that there is not")
        answer = client.post(path, data={"email": LARGE})

    assert answer.status_code == 413
    assert "This request is too large." in answer.text


def test_a_large_body_without_a_valid_token_is_refused_unread(database_url: str) -> None:
    with an_app(database_url) as client:
        asked = {"Authorization": "Bearer none", "Idempotency-Key": "large"}
        answer = client.post("/api/v1/settle-jobs", json={"selection": LARGE}, headers=asked)

    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_needed")


def test_who_is_signed_in_sends_large_forms_and_bodies(database_url: str, practice: GivenPractice) -> None:
    with an_app(database_url) as client:
        token = _sign_in(client, practice)
        form = client.post("/feed/filters", data={"name": LARGE})
        asked = {"Authorization": f"Bearer {token}", "Idempotency-Key": "large"}
        body = {"selection": {"claim_ids": ["C00001"] * 10_000}, "reason": "small_balance"}
        answer = client.post("/api/v1/settle-jobs", json=body, headers=asked)

    assert form.status_code == 400, "the form was read, and has no token of its page"
    assert "has expired" in form.text
    assert answer.status_code == 422, "the body was read, and names claims that there are not"
