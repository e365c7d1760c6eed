"""While the database is away, people and programs are told that, and when to try again."""

import pytest

from tests.webui.operations.test_metrics import AWAY, an_app
from webui.shared.auth import SESSION_COOKIE
from webui.shared.problem_json import PROBLEM_JSON

TOKEN = "x" * 43


@pytest.mark.parametrize("path", ["/claims", "/jobs/7", "/operations"])
def test_a_page_says_so_in_words(path: str) -> None:
    with an_app(AWAY) as client:
        client.set_cookie(SESSION_COOKIE, TOKEN)
        answer = client.get(path)

    assert answer.status_code == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert "The database is not answering" in answer.text
    assert ("The broker (Redis) is not answering either." in answer.text) == (path == "/operations")


def test_of_operations_the_page_tells_whether_the_other_server_answers(broker_url: str) -> None:
    with an_app(AWAY, broker_url=broker_url) as client:
        client.set_cookie(SESSION_COOKIE, TOKEN)
        assert "The broker (Redis) is up." in client.get("/operations").text


def test_a_form_is_told_so_too() -> None:
    with an_app(AWAY, secret_key="a key of tests, long enough to sign with") as client:
        client.application.config["WTF_CSRF_ENABLED"] = False
        answer = client.post("/sign-in", data={"email": "biller@lakeside.example", "password": "a password"})

    assert answer.status_code == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 5


def test_a_program_gets_the_problem_by_its_code() -> None:
    with an_app(AWAY) as client:
        answer = client.get("/api/v1/claims", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert (answer.content_type, answer.json["code"]) == (PROBLEM_JSON, "database_away")
