"""Each pool process that takes settle hints also polls the database, because a hint may never come.

The broker may be down, full or hanging, or it may lose a hint. So a thread polls the database twice a second and does
what the tasks do. It needs no broker and does not check for one.
"""

import datetime as dt
import mmap
import random
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down

from core.db.engine import transaction
from core.delivery import send
from core.intake.uploads import run
from core.intake.watched_folders import look
from core.jobs import job_queries, prepare
from core.jobs.execution import engine
from core.settings import QUEUE_SETTLE, TASK_IMPORT, TASK_PREPARE, TASK_SEND, TASK_WORK, load_settings
from core.watch import tally
from worker import heartbeat, import_turn, turns
from worker.app import app
from worker.process import progress_sessions, sessions, utc_now, worker_name

ERROR_BACKOFF_SECONDS: Final = 10  # after a step failed; the other steps continue

log: Final = structlog.get_logger(__name__)


def _work() -> bool:
    worked = engine.work(sessions(), worker=worker_name(), clock=utc_now)
    tally.count_work(worked)
    return worked.chunks > 0


def _prepare() -> bool:
    with transaction(sessions()) as session:
        waiting = job_queries.list_preparing(session)
    random.shuffle(waiting)  # a preview that cannot be prepared must not block the others
    for key in waiting:
        with transaction(sessions(), key.practice_id) as session:
            if prepare.prepare(session, key, now=utc_now()):
                return True
    return False


def _send() -> bool:
    return send.send_due(sessions(), clock=utc_now, waiting=turns.lend_polling_turn) > 0


def import_files() -> bool:
    """Look into a watched folder that is due, and check or import the files of one waiting import.

    Return whether there was either.
    """
    with import_turn.try_import_turn() as is_mine:
        if not is_mine:
            return False
        looked = _look_into_folder()
        found = run.work(
            sessions(),
            progress_sessions=progress_sessions(),
            bytes_max=load_settings().import_bytes_max,
            clock=utc_now,
            is_stopping=lambda: _stopping.is_set() or bool(_worker_shutdown_flag[0]),
        )
        progress_sessions().kw["bind"].dispose()  # a worker keeps this connection only while it imports
        if found:
            _follow_folders()
        return found or looked


def _look_into_folder() -> bool:
    settings = load_settings()
    if settings.watch_dir is None:
        return False
    every = dt.timedelta(seconds=settings.watch_seconds)
    return look.look(sessions(), settings.watch_dir, every=every, bytes_max=settings.import_bytes_max, now=utc_now())


def _follow_folders() -> None:
    settings = load_settings()
    if settings.watch_dir is not None:
        look.follow(sessions(), settings.watch_dir, bytes_max=settings.import_bytes_max, now=utc_now())


class PollStep(NamedTuple):
    """One kind of work to look for. `do` returns whether there was any."""

    task: str  # the task that does the same for a hint
    do: Callable[[], bool]


# An import takes minutes, so it comes last.
POLL_STEPS: Final = (
    PollStep(TASK_WORK, _work),
    PollStep(TASK_PREPARE, _prepare),
    PollStep(TASK_SEND, _send),
    PollStep(TASK_IMPORT, import_files),
)

_stopping: Final = threading.Event()
_threads: Final[list[threading.Thread]] = []
# Shared with pool processes that fork later. A main process stuck in a call to the broker cannot ask them to stop, and
# work started after SIGTERM would be killed.
_worker_shutdown_flag: Final = mmap.mmap(-1, 1)


@worker_process_init.connect
def start_polling(**_: object) -> None:
    """Start the thread in a pool process, with or without a broker."""
    if QUEUE_SETTLE in app.amqp.queues.consume_from:
        _threads.append(threading.Thread(target=_poll_until_stopped, name="poll", daemon=True))
        _threads[-1].start()


@worker_shutting_down.connect
def flag_worker_shutdown(**_: object) -> None:
    """Tell the pool processes to start no more work."""
    _worker_shutdown_flag[0] = 1


@worker_process_shutdown.connect
def stop_polling(**_: object) -> None:
    """Wait for the current step, so that no interrupted attempt counts against a chunk."""
    _stopping.set()
    for thread in _threads:
        thread.join()


def _poll_until_stopped() -> None:
    rests_until: dict[str, float] = {}
    while not _stopping.wait(turns.POLL_SECONDS):
        while not _worker_shutdown_flag[0] and _poll_once(rests_until):
            pass


def _poll_once(rests_until: dict[str, float]) -> bool:
    """If it is this thread's turn, run the first step that finds work. Return whether one did."""
    with turns.try_polling_turn() as is_mine:
        return is_mine and not _stopping.is_set() and any(_try(act, rests_until) for act in POLL_STEPS)


def _try(act: PollStep, rests_until: dict[str, float]) -> bool:
    if time.monotonic() < rests_until.get(act.task, 0):
        return False
    structlog.contextvars.bind_contextvars(task=act.task, hinted=False)
    try:
        found = act.do()
    except Exception:  # retried in any case
        log.exception("unhinted_act_broke")
        rests_until[act.task] = time.monotonic() + ERROR_BACKOFF_SECONDS
        return False
    if found:
        tally.count("unhinted_acts", act.task)
        heartbeat.flush_counts()
    return found
