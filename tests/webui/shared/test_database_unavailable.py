"""Without the database, pages and programs get a 503 with the time of the next try."""

import pytest

from tests.webui.operations.test_metrics import UNREACHABLE, an_app
from webui.shared.auth import SESSION_COOKIE
from webui.shared.problem_json import PROBLEM_JSON

TOKEN = "x" * 43


@pytest.mark.parametrize("path", ["/claims", "/jobs/7", "/operations"])
def test_a_page_explains_that_the_database_is_not_answering(path: str) -> None:
    with an_app(UNREACHABLE) as client:
        client.set_cookie(SESSION_COOKIE, TOKEN)
        answer = client.get(path)

    assert answer.status_code == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert "The database is not answering" in answer.text
    assert ("The broker (Redis) is not answering either." in answer.text) == (path == "/operations")


def test_the_operations_page_shows_whether_the_broker_answers(broker_url: str) -> None:
    with an_app(UNREACHABLE, broker_url=broker_url) as client:
        client.set_cookie(SESSION_COOKIE, TOKEN)
        assert "The broker (Redis) is answering." in client.get("/operations").text


def test_a_form_also_gets_503_and_retry_after() -> None:
    with an_app(UNREACHABLE, secret_key="a key of tests, long enough to sign with") as client:
        client.application.config["WTF_CSRF_ENABLED"] = False
        answer = client.post("/sign-in", data={"email": "biller@lakeside.example", "password": "a password"})

    assert answer.status_code == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 5


def test_a_program_gets_the_code_database_away() -> None:
    with an_app(UNREACHABLE) as client:
        answer = client.get("/api/v1/claims", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert (answer.content_type, answer.json["code"]) == (PROBLEM_JSON, "database_away")
