"""Access to the API: tokens, roles, and other practices' data, which is not found."""

import datetime as dt
from typing import Any

import pytest
from werkzeug.test import TestResponse

from core.access import tokens
from core.access.permissions import Scope
from core.db.engine import make_sessions
from core.enums.people import Role
from tests.webui.addresses import ACTION_OF, API
from tests.webui.api.conftest import NOON, Api, World

PATHS = [(method, path.removeprefix(API)) for method, path in ACTION_OF if path.startswith(API)]


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}]
)
def test_every_request_requires_a_valid_token(shared_world: World, header: dict[str, str]) -> None:
    client = shared_world.app.test_client()
    for number, (method, path) in enumerate(PATHS):
        # Use another address each time, because failures are counted by address.
        here = {"REMOTE_ADDR": f"127.0.{number}.1"}
        answer = client.open(f"{API}{path}", method=method, headers=header, environ_base=here)
        assert (answer.status_code, answer.json["code"]) == (401, "token_needed"), (method, path)
        assert answer.headers["WWW-Authenticate"] == "Bearer", (method, path)
        assert answer.content_type == "application/problem+json", (method, path)


def test_a_browsers_session_does_not_authorize_the_api(shared_world: World, reader: Api) -> None:
    client = shared_world.app.test_client()
    client.set_cookie("settle_session", reader.token)
    assert client.get("/api/v1/claims", environ_base={"REMOTE_ADDR": "127.1.1.1"}).status_code == 401


def test_a_revoked_token_is_refused(world: World, biller: Api) -> None:
    assert biller.get("/claims").status_code == 200
    with make_sessions(world.engine).begin() as session:
        tokens.revoke(session, biller.token, NOON)
    assert biller.get("/claims").status_code == 401


def test_an_invalid_token_is_limited_and_a_valid_one_from_the_same_address_is_not(
    shared_world: World, reader: Api
) -> None:
    client, here = shared_world.app.test_client(), {"REMOTE_ADDR": "127.2.2.2"}

    def ask(token: str) -> TestResponse:
        return client.get("/api/v1/settle-jobs", headers={"Authorization": f"Bearer {token}"}, environ_base=here)

    assert [ask("settle_old").status_code for _ in range(61)] == [401] * 60 + [429]
    last = ask("settle_old")
    assert (last.json["code"], last.content_type) == ("too_many_requests", "application/problem+json")
    assert int(last.headers["Retry-After"]) > 0
    assert [ask(token).status_code for token in (reader.token, "settle_other")] == [200, 401]
    without = [client.get("/api/v1/claims", environ_base=here).status_code for _ in range(61)]
    assert without == [401] * 60 + [429]
    assert ask(reader.token).status_code == 200


def test_a_token_does_only_what_its_scopes_allow(world: World) -> None:
    admin = world.api(Role.ADMIN)
    with make_sessions(world.engine).begin() as session:
        by = tokens.find_actor_by_token(session, admin.token, NOON)
        assert by is not None
        read, post = (
            Api(world.app.test_client(), tokens.add_own(session, name="x", scopes=scopes, days=1, by=by, now=NOON), 0)
            for scopes in ([Scope.READ], [Scope.READ, Scope.POST])
        )

    asked = [
        read.get("/claims"), read.post("/claims/search", json={}), read.get("/account/tokens"),
        read.post("/views", json={"name": "Mine"}), read.preview(), read.get("/users"),
        read.send("DELETE", "/account/sessions"), read.send("DELETE", "/account/tokens/1"),
        post.post("/views", json={"name": "Mine"}), post.preview(),
    ]  # fmt: skip
    confirmed = post.confirm(asked[-1].json["id"])

    assert [answer.status_code for answer in asked] == [200, 200, 200, 403, 403, 403, 403, 403, 201, 201]
    assert asked[0].headers["Cache-Control"] == "no-store"
    assert (confirmed.status_code, confirmed.json["code"]) == (403, "scope_missing")
    assert confirmed.json["detail"] == "This token does not have the scope confirm, which this action needs."
    own = asked[2].json["tokens"]
    assert [one["scopes"] for one in own] == [["read", "post"], ["read"], ["read", "post", "confirm", "manage"]]
    assert admin.send("DELETE", f"/account/tokens/{own[1]['id']}").status_code == 204
    assert (read.get("/claims").status_code, post.get("/claims").status_code) == (401, 200)
    assert read.post("/logout").status_code == 401


def test_only_an_administrator_can_override_a_skip_rule(world: World, biller: Api) -> None:
    assert biller.preview(include=["in_process"]).status_code == 403
    assert world.api(Role.ADMIN).preview(include=["in_process"]).status_code == 201


def test_settling_a_claim_leaves_another_practices_claim_with_the_same_number_alone(
    world: World, biller: Api, stranger: Api
) -> None:
    world.sql("UPDATE patient SET name = 'Of Vale ' || id WHERE practice_id = :vale", vale=world.vale)
    number = biller.claim_ids(1, eligibility="can_settle")[0]
    before = stranger.get(f"/claims/{number}").json
    assert before["patient"].startswith("Of Vale")
    assert not biller.get(f"/claims/{number}").json["patient"].startswith("Of Vale")

    job_id = biller.previewed({"claim_ids": [number]})
    assert biller.confirm(job_id).status_code == 202
    world.work()

    assert biller.get(f"/claims/{number}").json["billing_status"] == "Settled"
    assert stranger.get(f"/claims/{number}").json == before
    assert all(
        posting["settle_job_id"] is None for posting in stranger.get(f"/claims/{number}/postings").json["postings"]
    )


def test_the_same_idempotency_key_of_different_users_makes_different_jobs(
    biller: Api, stranger: Api, world: World
) -> None:
    colleague = world.api(Role.BILLER)
    ids = {api.preview(key="the same").json["id"] for api in (biller, stranger, colleague)}
    assert len(ids) == 3


def test_a_webhook_is_added_once_for_each_idempotency_key(world: World) -> None:
    admin = world.api(Role.ADMIN)

    def add(url: str, api: Api = admin, **headers: str) -> Any:
        body = {"url": url, "events": ["job.completed"]}
        return api.post("/webhooks", json=body, headers={"Idempotency-Key": "the same", **headers})

    first = add("https://pm.example/")

    assert add("https://pm.example/").json == first.json
    assert (add("https://other.example/").status_code, add("https://other.example/").json["code"]) == (
        422, "idempotency_mismatch"
    )  # fmt: skip
    assert admin.post("/webhooks", json={"url": "https://pm.example/"}).json["code"] == "idempotency_key_missing"
    assert add("https://pm.example/", world.api(Role.ADMIN)).json["id"] != first.json["id"]


@pytest.mark.parametrize("job_id", ["0", "-1", "x", "1.0", "٣", "9" * 18, "9" * 19, "9" * 400, "01", "1%00"])
def test_an_unknown_job_is_not_found(reader: Api, job_id: str) -> None:
    answer = reader.get(f"/settle-jobs/{job_id}")
    assert answer.status_code == (400 if "%00" in job_id else 404)
    assert answer.content_type == "application/problem+json"


def has_problem_fields(problem: dict[str, Any]) -> bool:
    return {"type", "title", "status", "code", "detail"} <= problem.keys()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not_found"),
        ("DELETE", "/claims", 405, "method_not_allowed"),
        ("PUT", "/settle-jobs", 405, "method_not_allowed"),
        ("GET", "/settle-jobs/1/confirm", 405, "method_not_allowed"),
        ("GET", "/claims?patient=%00", 400, "nul_in_address"),
        ("GET", "/claims?%00=1", 400, "nul_in_address"),
        ("GET", "/claims/%00", 400, "nul_in_address"),
    ],
)
def test_every_refusal_is_problem_json(reader: Api, method: str, path: str, status: int, code: str) -> None:
    answer = reader.send(method, path)
    assert (answer.status_code, answer.json["code"], answer.json["status"]) == (status, code, status)
    assert answer.content_type == "application/problem+json"
    assert has_problem_fields(answer.json)


def test_an_unexpected_error_is_answered_and_logged_by_id_without_personal_data(
    world: World, biller: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from core.claims import feed

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("patient Jane Doe owes $12.34")

    monkeypatch.setattr(feed, "page", fail)
    answer = biller.get("/claims")

    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert answer.json["facts"]["request_id"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "Jane" not in caplog.text + answer.get_data(as_text=True)


def test_a_tokens_time_of_use_changes_with_each_use(world: World, biller: Api) -> None:
    biller.get("/claims")
    world.clock.turn_on(minutes=5)
    biller.get("/claims")
    assert {at for (at,) in world.sql("SELECT used_at FROM api_token WHERE used_at IS NOT NULL")} == {
        NOON + dt.timedelta(minutes=5)
    }
