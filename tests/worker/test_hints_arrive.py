"""A hint reaches a worker of its queue, even after the worker or the broker was down."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from celery import Celery

from core.db.engine import Sessions, transaction
from core.settings import BROKER_TRANSPORT_OPTIONS, QUEUE_CONTROL, QUEUE_SETTLE, TASK_CANARY, TASK_PREPARE, TASK_WORK
from core.watch import canary
from tests.servers import broker_client
from tests.waiting import eventually
from tests.worker.bad_messages import BAD, COMMANDS
from tests.worker.conftest import Shared
from tests.workers import Workers


def ask(sessions: Sessions) -> int:
    with transaction(sessions) as session:
        return canary.insert_canary(session, now=dt.datetime.now(dt.UTC))


def is_stamped(sessions: Sessions, canary_id: int) -> bool:
    with transaction(sessions) as session:
        return canary.is_stamped(session, canary_id)


@pytest.mark.parametrize("queue", [QUEUE_SETTLE, QUEUE_CONTROL])
def test_a_hinted_worker_stamps_the_row(shared: Shared, queue: str) -> None:
    canary_id = ask(shared.sessions)

    shared.workers.hint(TASK_CANARY, canary_id, queue=queue)

    eventually(lambda: is_stamped(shared.sessions, canary_id))


def test_a_hint_waits_for_a_killed_worker_to_restart(worker: Workers, sessions: Sessions) -> None:
    canary_id = ask(sessions)
    worker.settle.kill()
    worker.hint(TASK_CANARY, canary_id)

    worker.settle.start_again()

    eventually(lambda: is_stamped(sessions, canary_id))


def test_workers_survive_a_broker_that_drops_every_connection(shared: Shared) -> None:
    broker_client(shared.broker_url).client_kill_filter(_type="normal", skipme=True)
    canary_id = ask(shared.sessions)

    shared.workers.hint(TASK_CANARY, canary_id)

    eventually(lambda: is_stamped(shared.sessions, canary_id), seconds=30)
    assert shared.workers.settle.is_running()
    assert shared.workers.control.is_running()


def test_a_worker_drops_what_is_not_a_hint(shared: Shared) -> None:
    broker, pids = broker_client(shared.broker_url), (shared.workers.settle.pid, shared.workers.control.pid)
    for queue in (QUEUE_SETTLE, QUEUE_CONTROL):
        for bad in BAD.values():
            broker.lpush(f"settle:{queue}", bad)
        canary_id = ask(shared.sessions)

        shared.workers.hint(TASK_CANARY, canary_id, queue=queue)

        eventually(lambda canary_id=canary_id: is_stamped(shared.sessions, canary_id))
    assert (shared.workers.settle.is_running(), shared.workers.control.is_running()) == (True, True)
    assert (shared.workers.settle.pid, shared.workers.control.pid) == pids
    assert broker.hlen("settle:unacked") == 0


def test_a_worker_answers_flower_and_refuses_every_other_command(shared: Shared) -> None:
    with Celery(broker=shared.broker_url) as app:
        app.conf.update(broker_transport_options=BROKER_TRANSPORT_OPTIONS)
        for command in ("heartbeat", *COMMANDS):
            app.control.broadcast(command, arguments={})
        read = app.control.inspect(timeout=10, limit=2)
        for method in ("stats", "active_queues", "registered", "scheduled", "active", "reserved", "revoked", "conf"):
            assert len(getattr(read, method)() or {}) == 2, method
    for worker in (shared.workers.settle, shared.workers.control):
        assert worker.is_running()
        log = worker.log_text()
        assert [command for command in COMMANDS if f"KeyError('{command}')" not in log] == []
        assert "KeyError('heartbeat')" not in log, "Flower sends it at every start"


@pytest.mark.parametrize("data", [b"hello", b"[1]", b"null", json.dumps({"method": "ping"}).encode()])
def test_a_broadcast_that_is_no_command_is_dropped(shared: Shared, data: bytes) -> None:
    broker_client(shared.broker_url).publish("settle:/3.celery.pidbox", data)
    canary_id = ask(shared.sessions)

    shared.workers.hint(TASK_CANARY, canary_id)

    eventually(lambda: is_stamped(shared.sessions, canary_id))
    assert shared.workers.settle.is_running()


HINTS_MAX = 20
SEND_WITHOUT_WORKERS = f"""
from core import settings
settings.HINTS_WAITING_MAX = {HINTS_MAX}
from core.jobs.keys import JobKey
from core.jobs.execution.sweep import WorkFound
from worker import hints
from worker.app import app
from worker.scheduler import BoundedScheduler
taken = [hints.send_work(JobKey(1, 2), count=32) for _ in range(3)]
assert all(taken), "a full queue does not mean that the broker is down"
hints.send_found_work(WorkFound([], [JobKey(1, 3)]))
clock = BoundedScheduler(app)
for _ in range({HINTS_MAX} + 3):
    for entry in clock.schedule.values():
        clock.apply_async(entry)
"""


def test_without_workers_the_queues_stop_at_a_limit_and_a_preview_still_fits(broker_url: str, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    environment = {**os.environ, "SETTLE_BROKER_URL": broker_url, "SETTLE_ALIVE_FILE": str(alive)}

    subprocess.run([sys.executable, "-c", SEND_WITHOUT_WORKERS], env=environment, check=True)

    broker = broker_client(broker_url)
    waiting = Counter(json.loads(one)["headers"]["task"] for one in broker.lrange("settle:settle", 0, -1))
    assert waiting == {TASK_WORK: HINTS_MAX, TASK_PREPARE: 1}
    assert broker.llen("settle:control") == 2 * HINTS_MAX
    assert alive.exists(), "a beat that skips full queues still touches its health file"
