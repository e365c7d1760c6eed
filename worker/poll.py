"""Each pool process that takes settle hints also looks for work by itself, because a hint may never come.

The broker may be away, full or frozen, or it may lose a hint; a command confirms without one. So a thread asks the
database twice a second and does the same acts as the tasks. It needs no broker and does not ask whether one is there.
"""

import mmap
import random
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down

from core.db.engine import transaction
from core.jobs import prepare as preparing, queries
from core.jobs.execution import engine
from core.schedules import mail as mailing
from core.settings import QUEUE_SETTLE, TASK_MAIL, TASK_PREPARE, TASK_WORK
from core.watch import tally
from worker import heartbeat, turns
from worker.app import app
from worker.process import sessions, utc_now, worker_name

ERROR_BACKOFF_SECONDS: Final = 10  # after an act broke; the other acts go on

log: Final = structlog.get_logger(__name__)


def _work() -> bool:
    worked = engine.work(sessions(), worker=worker_name(), clock=utc_now)
    tally.count_work(worked)
    return worked.chunks > 0


def _prepare() -> bool:
    with transaction(sessions()) as session:
        waiting = queries.list_preparing(session)
    random.shuffle(waiting)  # one that cannot be frozen must not keep the others waiting
    for key in waiting:
        with transaction(sessions()) as session:
            if preparing.prepare(session, key, now=utc_now()):
                return True
    return False


def _mail() -> bool:
    return mailing.send_due(sessions(), clock=utc_now) > 0


class PollStep(NamedTuple):
    """One thing to look for. `do` tells whether it found some."""

    task: str  # the task that does the same on a hint
    do: Callable[[], bool]


POLL_STEPS: Final = (PollStep(TASK_WORK, _work), PollStep(TASK_PREPARE, _prepare), PollStep(TASK_MAIL, _mail))

_stopping: Final = threading.Event()
_threads: Final[list[threading.Thread]] = []
# Shared with the pool processes that fork later: a main process that is stuck in a call to the broker cannot ask them
# to stop, and what they begin after SIGTERM would be killed in the middle.
_worker_shutdown_flag: Final = mmap.mmap(-1, 1)


@worker_process_init.connect
def start_polling(**_: object) -> None:
    """Start the thread in a pool process, connected to the broker or not."""
    if QUEUE_SETTLE in app.amqp.queues.consume_from:
        _threads.append(threading.Thread(target=_poll_until_stopped, name="poll", daemon=True))
        _threads[-1].start()


@worker_shutting_down.connect
def flag_worker_shutdown(**_: object) -> None:
    """Let the pool processes begin nothing more."""
    _worker_shutdown_flag[0] = 1


@worker_process_shutdown.connect
def stop_polling(**_: object) -> None:
    """Finish the act in hand, so that no chunk counts an attempt that nobody made."""
    _stopping.set()
    for thread in _threads:
        thread.join()


def _poll_until_stopped() -> None:
    rests_until: dict[str, float] = {}
    while not _stopping.wait(turns.POLL_SECONDS):
        while not _worker_shutdown_flag[0] and _poll_once(rests_until):
            pass


def _poll_once(rests_until: dict[str, float]) -> bool:
    """Do the first act that finds something to do, if it is this thread's turn; tell whether there was one."""
    with turns.try_polling_turn() as is_mine:
        return is_mine and not _stopping.is_set() and any(_try(act, rests_until) for act in POLL_STEPS)


def _try(act: PollStep, rests_until: dict[str, float]) -> bool:
    if time.monotonic() < rests_until.get(act.task, 0):
        return False
    structlog.contextvars.bind_contextvars(task=act.task, hinted=False)
    try:
        found = act.do()
    except Exception:  # whatever it was, it is tried again
        log.exception("unhinted_act_broke")
        rests_until[act.task] = time.monotonic() + ERROR_BACKOFF_SECONDS
        return False
    if found:
        tally.count("unhinted_acts", act.task)
        heartbeat.flush_counts()
    return found
