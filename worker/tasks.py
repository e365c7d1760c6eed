"""The tasks. A message is only a hint: each task asks the database what to do."""

import datetime as dt

from core.audit import regular_events
from core.claims import patient_searches
from core.db.engine import transaction
from core.delivery import outbox, retention, send
from core.intake.remittances import held
from core.intake.uploads import commands
from core.intake.watched_folders import look
from core.jobs import prepare
from core.jobs.execution import engine, sweep
from core.jobs.keys import JobKey
from core.schedules import tick
from core.settings import (
    TASK_CANARY,
    TASK_IMPORT,
    TASK_PREPARE,
    TASK_SEND,
    TASK_SWEEP,
    TASK_TICK,
    TASK_WORK,
    load_settings,
)
from core.watch import canary, heartbeat, tally
from worker import hints, poll, turns
from worker.app import app
from worker.process import sessions, utc_now, worker_name


@app.task(name=TASK_WORK)
def work(practice_id: int, job_id: int) -> None:
    """Settle free chunks for about a second. The job is only a label for Flower."""
    with turns.task_turn():
        worked = engine.work(sessions(), worker=worker_name(), clock=utc_now)
        tally.count_work(worked)
    # After the turn, because a hung broker may delay this hint for seconds while the process keeps working.
    if worked.more_to_do:
        hints.send_work(JobKey(practice_id, job_id))


@app.task(name=TASK_PREPARE)
def prepare_preview(practice_id: int, job_id: int) -> None:
    """Prepare a preview that was too large for a request."""
    with turns.task_turn(), transaction(sessions(), practice_id) as session:
        prepare.prepare(session, JobKey(practice_id, job_id), now=utc_now())


@app.task(name=TASK_SWEEP)
def find_missed_work() -> None:
    """Find work that was left undone, and send hints for it."""
    found = sweep.sweep(sessions(), now=utc_now())
    with transaction(sessions()) as session:
        commands.expire(session, now=utc_now())
        patient_searches.tidy(session, now=utc_now())
    tally.count("sweep_rescues", by=found.rescued)
    hints.send_found_work(found)
    held.post_due(sessions(), now=utc_now())


@app.task(name=TASK_TICK)
def start_due_runs() -> None:
    """Start the scheduled runs that are due, and send hints for their work."""
    found = tick.tick(sessions(), now=utc_now())
    hints.send_found_work(found.jobs)
    regular_events.record_due(sessions(), now=utc_now())
    with transaction(sessions()) as session:
        outbox.tidy(session, now=utc_now())
        retention.remove_old(session, now=utc_now())
        has_messages = outbox.has_due(session, now=utc_now())
    hints.send_after_tick(messages=has_messages, tick=found.more_to_do, folders=_has_due_folder())
    with transaction(sessions()) as session:
        heartbeat.record_tick(session, now=utc_now())


def _has_due_folder() -> bool:
    settings = load_settings()
    if settings.watch_dir is None:
        return False
    with transaction(sessions()) as session:
        return look.has_due(session, every=dt.timedelta(seconds=settings.watch_seconds), now=utc_now())


@app.task(name=TASK_SEND)
def send_messages() -> None:
    """Send the e-mails and the requests to webhooks that are due."""
    with turns.task_turn():
        send.send_due(sessions(), clock=utc_now, waiting=turns.lend_task_turn)


@app.task(name=TASK_IMPORT)
def check_or_import(practice_id: int = 0, import_id: int = 0) -> None:  # noqa: ARG001  labels for Flower
    """Check or import uploaded files, and those of watched folders."""
    with turns.task_turn():
        poll.import_files()


@app.task(name=TASK_CANARY)
def stamp_canary(canary_id: int) -> None:
    """Stamp a row, to show that hints arrive."""
    with turns.task_turn(), transaction(sessions()) as session:
        canary.stamp(session, canary_id, by=worker_name(), now=utc_now())
