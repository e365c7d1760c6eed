"""A hint reaches a worker of its queue, also after the worker or the broker was away."""

import datetime as dt

import pytest

from core.db.engine import Sessions, transaction
from core.local import canary
from core.settings import QUEUE_CONTROL, QUEUE_SETTLE, TASK_CANARY
from tests.servers import broker_client
from tests.waiting import eventually
from tests.workers import Workers


def ask(sessions: Sessions) -> int:
    with transaction(sessions) as session:
        return canary.ask(session, now=dt.datetime.now(dt.UTC))


def is_stamped(sessions: Sessions, canary_id: int) -> bool:
    with transaction(sessions) as session:
        return canary.is_stamped(session, canary_id)


@pytest.mark.parametrize("queue", [QUEUE_SETTLE, QUEUE_CONTROL])
def test_a_hinted_worker_stamps_the_row(worker: Workers, sessions: Sessions, queue: str) -> None:
    asked = ask(sessions)

    worker.hint(TASK_CANARY, asked, queue=queue)

    eventually(lambda: is_stamped(sessions, asked))


def test_a_hint_waits_for_a_worker_that_was_killed(worker: Workers, sessions: Sessions) -> None:
    asked = ask(sessions)
    worker.settle.kill()
    worker.hint(TASK_CANARY, asked)

    worker.settle.start_again()

    eventually(lambda: is_stamped(sessions, asked))


def test_workers_outlive_a_broker_that_drops_every_connection(
    worker: Workers, sessions: Sessions, broker_url: str
) -> None:
    broker_client(broker_url).client_kill_filter(_type="normal", skipme=True)
    asked = ask(sessions)

    worker.hint(TASK_CANARY, asked)

    eventually(lambda: is_stamped(sessions, asked), seconds=30)
    assert worker.settle.is_running()
    assert worker.control.is_running()
