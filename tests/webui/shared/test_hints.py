"""Hints to workers: confirming a job never waits for the broker."""

import json
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core import settings
from core.settings import HINT_EXPIRES_SECONDS, HINTS_PER_CONFIRM_MAX, TASK_PREPARE, TASK_WORK
from tests.servers import broker_client
from tests.waiting import eventually
from webui.shared.hints import QUEUED_HINTS_MAX, Hints, _publish


def waiting(broker_url: str, count: int) -> list[dict[str, Any]]:
    """Return the messages in the queue, once there are `count` of them."""
    client = broker_client(broker_url)
    eventually(lambda: client.llen("settle:settle") >= count)
    return [json.loads(message) for message in client.lrange("settle:settle", 0, -1)]


def test_a_hint_is_a_message_of_ids_that_expires(broker_url: str) -> None:
    Hints(broker_url).send(7, 42, count=3)

    messages = waiting(broker_url, 3)
    assert [m["headers"]["task"] for m in messages] == [TASK_WORK] * 3
    assert {m["headers"]["argsrepr"] for m in messages} == {"(7, 42)"}
    assert all(m["headers"]["expires"] for m in messages)
    assert HINT_EXPIRES_SECONDS == 60


def test_a_waiting_preview_gets_one_hint(broker_url: str) -> None:
    Hints(broker_url).prepare(7, 42)

    assert [m["headers"]["task"] for m in waiting(broker_url, 1)] == [TASK_PREPARE]


def test_a_million_claims_get_no_more_hints_than_the_maximum_per_confirm(broker_url: str) -> None:
    hints = Hints(broker_url)
    hints.send(7, 42, count=1_000)
    hints.prepare(7, 43)

    assert len(waiting(broker_url, HINTS_PER_CONFIRM_MAX + 1)) == HINTS_PER_CONFIRM_MAX + 1


def test_without_workers_confirmed_jobs_fill_the_queue_only_up_to_its_limit(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "HINTS_WAITING_MAX", 40)
    hints = Hints(broker_url)
    for job in range(3):
        hints.send(7, job, count=32)
    hints.prepare(7, 42)  # the last one sent

    tasks = [m["headers"]["task"] for m in waiting(broker_url, 41)]
    assert tasks == [TASK_PREPARE] + [TASK_WORK] * 40


@pytest.mark.parametrize("broker", ["mute", "gone", "none"])
def test_sending_hints_never_waits_for_a_broker_that_is_silent_gone_or_missing(
    broker: str, mute_broker: str, tmp_path: Path
) -> None:
    url = {"mute": mute_broker, "gone": f"redis+socket://{tmp_path}/gone?virtual_host=0", "none": None}[broker]
    hints = Hints(url)

    before = time.monotonic()
    for job in range(3 * QUEUED_HINTS_MAX):
        hints.send(1, job, count=32)

    assert time.monotonic() - before < 30  # waiting for the broker each time would take hours


def test_hints_are_dropped_while_the_broker_is_away_and_sent_again_once_it_is_back(
    broker_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish, at_the_broker, broker_is_gone = _publish, threading.Event(), threading.Event()

    def hang_and_fail(*_: Any) -> None:
        at_the_broker.set()
        broker_is_gone.wait(10)
        monkeypatch.setattr("webui.shared.hints._publish", publish)
        raise TimeoutError

    monkeypatch.setattr("webui.shared.hints._publish", hang_and_fail)
    hints = Hints(broker_url)
    hints.send(7, 1)
    assert at_the_broker.wait(10)
    hints.send(7, 2)
    hints.send(7, 3)
    broker_is_gone.set()
    eventually(lambda: "3 hints dropped: TimeoutError" in caplog.text)
    hints.send(7, 4)

    assert [m["headers"]["argsrepr"] for m in waiting(broker_url, 1)] == ["(7, 4)"]


def test_a_forked_web_process_sends_hints_from_its_own_thread(broker_url: str) -> None:
    hints = Hints(broker_url)
    hints.send(7, 1)
    assert len(waiting(broker_url, 1)) == 1

    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            hints.send(7, 2)
            time.sleep(30)
        os._exit(0)
    try:
        assert len(waiting(broker_url, 2)) == 2
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
