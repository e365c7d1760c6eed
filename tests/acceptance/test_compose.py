"""The compose file's services, wired as it wires them, do the main job while one of two workers is stopped.

No container engine is needed: see `compose_run.py` for what is replaced.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import psycopg
import pytest
import redis
from sqlalchemy import Engine, text

from core.db.engine import make_engine
from tests.acceptance.compose_run import HOST, Stack, compose_up
from tests.acceptance.product import PATIENCE_SECONDS, Hold
from tests.http_client import ask, basic
from tests.processes import command_of, family_of, living
from tests.waiting import eventually

PRACTICE = "Compose Clinic"
CLAIMS = 600
CHUNK_CLAIMS = 10
POOL = 2  # pool processes of each worker, the file's own default


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Yield all services, started and healthy."""
    with compose_up(CHUNK_CLAIMS=str(CHUNK_CLAIMS)) as stack:
        yield stack


@pytest.fixture
def engine(stack: Stack) -> Iterator[Engine]:
    """Yield an engine on the database, with the chosen password."""
    engine = make_engine(stack.database_url(password=stack.secrets["settle_database_password"]))
    yield engine
    engine.dispose()


class Api:
    """The HTTP API at the address that the file publishes."""

    def __init__(self, stack: Stack, token: str) -> None:
        self._stack, self._token = stack, token

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send one request. Return the status and the body."""
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        answer = ask(self._stack.ports["8000"], method, f"/api/v1{path}", body=body, headers=sent)
        return answer.status, answer.json

    def progress(self, job: str) -> dict[str, Any]:
        """Return the job's progress. Assert that it adds up."""
        status, seen = self.ask("GET", f"/settle-jobs/{job}/progress")
        assert status == HTTPStatus.OK, seen
        assert seen["settled"] + seen["skipped"] + seen["failed"] + seen["remaining"] == seen["total"]
        return dict(seen)


def pools_at_work(stack: Stack, engine: Engine, job: str) -> set[str]:
    """Return the worker containers with a process that has taken a chunk of the job."""
    with engine.connect() as connection:
        taken = text(
            "SELECT DISTINCT split_part(taken_by, ':', 2) FROM job_chunk WHERE job_id = :job AND taken_by <> ''"
        )
        pids = {int(pid) for pid in connection.scalars(taken, {"job": int(job)})}
    return {
        one.name
        for one in stack.containers.values()
        if one.service.name == "worker" and one.child.is_running()
        and pids & {process.pid for process in family_of(one.child.pid)}
    }  # fmt: skip


def test_each_service_passes_its_own_health_check(stack: Stack) -> None:
    one_shot = stack.containers["migrate-1"]
    assert one_shot.child.process.returncode == 0

    for container in stack.containers.values():
        if container is not one_shot:
            assert container.health_check, container.name
            eventually(container.is_healthy, seconds=PATIENCE_SECONDS)
    assert {"worker-1", "worker-2"} <= stack.containers.keys()


def test_a_health_check_fails_for_a_process_that_does_not_answer_or_tick(stack: Stack) -> None:
    ports = "|".join(map(str, stack.ports.values()))
    for container in stack.containers.values():
        if container.health_check:
            at_no_port = [re.sub(rf"\b(?:{ports})\b", "1", word) for word in container.health_check]
            long_ago = stack.folder / f"{container.name}-alive"
            long_ago.touch()
            os.utime(long_ago, (0, 0))
            environment = {**container.environment, "SETTLE_ALIVE_FILE": str(long_ago)}
            done = subprocess.run(at_no_port, env=environment, capture_output=True, check=False)
            assert done.returncode != 0, container.name


def test_every_service_requires_the_chosen_password(stack: Stack) -> None:
    for user, password in (("settle", ""), ("settle", "settle"), ("postgres", "postgres")):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(stack.database_url(user=user, password=password))
    for password in (None, "redis"):
        client = redis.Redis(HOST, stack.ports["6379"], password=password)
        with client, pytest.raises(redis.AuthenticationError):
            client.ping()
    user, _, password = stack.secrets["settle_flower_basic_auth"].partition(":")
    for headers, status in (({}, 401), (basic("ops", "ops"), 401), (basic(user, password), 200)):
        assert ask(stack.ports["5555"], "GET", "/workers", headers=headers).status == status


def test_the_product_is_not_a_database_superuser_and_redis_evicts_nothing(stack: Stack, engine: Engine) -> None:
    with engine.connect() as connection:
        is_super = connection.scalar(text("SELECT usesuper FROM pg_user WHERE usename = current_user"))
        shown = {name: connection.scalar(text(f"SHOW {name}")) for name in ("max_connections", "log_error_verbosity")}
    assert is_super is False
    assert shown == {"max_connections": "200", "log_error_verbosity": "terse"}

    with redis.Redis(HOST, stack.ports["6379"], password=stack.secrets["settle_broker_password"]) as broker:
        assert broker.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_no_secret_is_on_a_command_line_or_in_a_log(stack: Stack) -> None:
    seen = "".join(container.log_text() for container in stack.containers.values())
    seen += "".join(map(command_of, family_of(os.getpid())))
    assert not [name for name, secret in stack.secrets.items() if secret in seen]


def test_the_main_job_completes_while_a_worker_is_replaced(stack: Stack, engine: Engine) -> None:
    """As at an upgrade, a worker gets its warm stop in the middle of a chunk, and a new one replaces it."""
    stack.run("settle", "sample", "--claims", str(CLAIMS), "--practice", PRACTICE, "--seed", "7")
    stack.run(
        "settle", "user", "add", "ops@clinic.example", "--practice", PRACTICE, "--role", "admin", "--limit", "unlimited"
    )
    api = Api(stack, stack.run("settle", "token", "add", "ops@clinic.example").strip())
    asked = {"selection": {"all": True}, "reason": "charity"}
    status, preview = api.ask("POST", "/settle-jobs", asked, **{"Idempotency-Key": "upgrade"})
    assert (status, preview["status"]) == (HTTPStatus.CREATED, "previewed"), stack.log_text("web-1")
    job = preview["id"]

    half = text("SELECT claim_id FROM job_item WHERE job_id = :job AND position = :half")
    with engine.connect() as connection:
        first_held = connection.scalar(half, {"job": int(job), "half": CLAIMS // 2})
    held = Hold(engine, "SELECT 1 FROM line_item WHERE claim_id >= :claim FOR UPDATE", {"claim": first_held})
    try:
        word = {"confirmation": "CONFIRM", "cost_share_reason": "Hardship, looked into"}
        assert api.ask("POST", f"/settle-jobs/{job}/confirm", word)[0] == HTTPStatus.ACCEPTED
        eventually(lambda: held.waiting() >= POOL * 2, seconds=PATIENCE_SECONDS)
        assert pools_at_work(stack, engine, job) == {"worker-1", "worker-2"}
        before = api.progress(job)
        assert 0 < before["settled"] < before["total"]

        leaving = stack.containers["worker-2"]
        family = family_of(leaving.child.pid)
        assert leaving.stop() == 0, stack.log_text("worker-2")
        assert not living(family)
        assert api.progress(job)["status"] == "running"
        stack.start("worker", 3)
    finally:
        held.release()

    done = eventually(lambda: _finished(api, job), seconds=PATIENCE_SECONDS)
    assert done is not None
    assert (done["status"], done["failed"], done["remaining"]) == ("completed", 0, 0)
    assert done["settled"] + done["skipped"] == CLAIMS
    assert json.loads(stack.run("settle", "verify", "--json"))["violations"] == []
    assert stack.containers["worker-1"].child.is_running()
    assert "Traceback" not in stack.containers["web-1"].log_text()


def _finished(api: Api, job: str) -> dict[str, Any] | None:
    seen = api.progress(job)
    return seen if seen["finished_at"] is not None else None


def test_services_stop_in_order_and_leave_no_process(stack: Stack) -> None:
    """This must be the last test of the module, because no other test restarts the services."""
    ours = {process for one in stack.containers.values() for process in family_of(one.child.pid)}
    family = {process for process in family_of(os.getpid()) if process.pid != os.getpid()}
    # PostgreSQL starts and ends helper processes at any time, so compare only those that are still running.
    assert living(ours) <= family

    codes = stack.down()

    assert codes.keys() == {"postgres-1", "redis-1", "web-1", "worker-1", "worker-3", "control-1", "beat-1", "flower-1"}
    assert set(codes.values()) == {0}, codes
    assert not living(ours)
    assert "database system is shut down" in stack.containers["postgres-1"].log_text()
