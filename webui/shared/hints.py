"""Send hints to the workers from a separate thread, and never wait for them.

A request commits before it hints. So the answer is sent even if the broker is down, hangs or is full.
Workers find work without a hint, so a lost one costs less than a second.
"""

import logging
import os
import queue
import threading
from contextlib import suppress
from typing import Final, NamedTuple

import structlog
from celery import Celery

from core.broker.causes import diagnose
from core.settings import (
    BROKER_TRANSPORT_OPTIONS,
    HINT_EXPIRES_SECONDS,
    HINTS_PER_CONFIRM_MAX,
    QUEUE_SETTLE,
    REQUEST_ID_HEADER,
    TASK_IMPORT,
    TASK_PREPARE,
    TASK_WORK,
    Settings,
    queue_length_max,
)
from core.watch import tally

QUEUED_HINTS_MAX: Final = 1_000  # users rarely confirm this many jobs while a broker is down; workers find the rest

log = logging.getLogger(__name__)


class Hint(NamedTuple):
    """A number of messages of one task about one job, and the request that caused them."""

    task: str
    practice_id: int
    job_id: int
    times: int
    request_id: str | None


class Hints:
    """Sends hints to one broker, or to none if there is no address."""

    def __init__(self, broker_url: str | None) -> None:
        """Remember the broker. Nothing is connected or started before the first hint."""
        self._broker_url = broker_url
        self._lock = threading.Lock()
        self._process: int | None = None
        self._waiting: queue.Queue[Hint] = queue.Queue(QUEUED_HINTS_MAX)

    def send(self, practice_id: int, job_id: int, count: int = 1) -> None:
        """Send `count` hints that this job may have free chunks, so that as many workers can start at once."""
        self._put(TASK_WORK, practice_id, job_id, min(count, HINTS_PER_CONFIRM_MAX))

    def prepare(self, practice_id: int, job_id: int) -> None:
        """Send a hint to prepare this job's preview."""
        self._put(TASK_PREPARE, practice_id, job_id, 1)

    def import_files(self, practice_id: int, import_id: int) -> None:
        """Send a hint to check or import this import's files."""
        self._put(TASK_IMPORT, practice_id, import_id, 1)

    def _put(self, task: str, practice_id: int, job_id: int, times: int) -> None:
        if self._broker_url is None:
            return
        self._start_in_this_process()
        hint = Hint(task, practice_id, job_id, times, structlog.contextvars.get_contextvars().get("request_id"))
        try:
            self._waiting.put_nowait(hint)
        except queue.Full:
            tally.count("hints_lost", task, times)
            log.warning("hint dropped: %d are waiting for the broker", QUEUED_HINTS_MAX)

    def _start_in_this_process(self) -> None:
        # A web server that forks after creating the application leaves its threads behind.
        if self._process == os.getpid():
            return
        with self._lock:
            if self._process == os.getpid():
                return
            self._waiting = queue.Queue(QUEUED_HINTS_MAX)
            publishing = threading.Thread(
                target=_publish_forever, args=(self._broker_url, self._waiting), name="hints", daemon=True
            )
            publishing.start()
            self._process = os.getpid()


def _publish_forever(broker_url: str | None, waiting: queue.Queue[Hint]) -> None:
    producer = _producer(broker_url)
    while True:
        hint = waiting.get()
        try:
            tally.count("hints_sent", hint.task, _publish(producer, hint))
        except Exception as error:  # noqa: BLE001  (whatever it is, workers find the work)
            # Waiting hints would fail one by one, each after its time-out, while newer ones wait behind them.
            dropped = [hint, *_drain(waiting)]
            for lost in dropped:
                tally.count("hints_lost", lost.task, lost.times)
            log.warning("%d hints dropped: %s %s", len(dropped), type(error).__name__, diagnose(error).sentence)


def _drain(waiting: queue.Queue[Hint]) -> list[Hint]:
    dropped = []
    with suppress(queue.Empty):
        while True:
            dropped.append(waiting.get_nowait())
    return dropped


def _publish(producer: Celery, hint: Hint) -> int:
    """Send it as often as requested, or until the queue is full. Return how often it was sent."""
    for sent in range(hint.times):
        if _queue_has_enough(producer, hint.task):
            return sent
        producer.send_task(
            hint.task,
            args=(hint.practice_id, hint.job_id),
            queue=QUEUE_SETTLE,
            expires=HINT_EXPIRES_SECONDS,
            ignore_result=True,
            retry=False,
            headers={REQUEST_ID_HEADER: hint.request_id} if hint.request_id else {},
        )
    return hint.times


def _queue_has_enough(producer: Celery, task: str) -> bool:
    with producer.producer_or_acquire() as sender:
        return bool(sender.channel.queue_declare(QUEUE_SETTLE).message_count >= queue_length_max(task))


def make_hints(settings: Settings) -> Hints:
    """Return the hint sender for an application with these settings."""
    return Hints(settings.broker_url.get_secret_value() if settings.broker_url else None)


def _producer(broker_url: str | None) -> Celery:
    producer = Celery("settle-hints", broker=broker_url, set_as_current=False)
    producer.conf.update(
        broker_transport_options=BROKER_TRANSPORT_OPTIONS,
        broker_connection_retry=False,
        task_publish_retry=False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
    )
    return producer
