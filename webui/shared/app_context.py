"""What every view needs from outside: the database, the settings, the hints and the time."""

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from flask import current_app
from sqlalchemy import Engine

from core.db.engine import Sessions
from core.models.jobs import IN_PROGRESS_STATUSES, JobStatus, SettleJob
from core.settings import Settings


class HintSender(Protocol):
    """Tells the workers that there is work, and never waits for them."""

    def send(self, practice_id: int, job_id: int, count: int = 1) -> None:
        """Say, `count` times, that this job may have work."""

    def prepare(self, practice_id: int, job_id: int) -> None:
        """Say that this job's preview waits to be made."""


@dataclass(frozen=True)
class AppContext:
    """The world, as the views of one application see it."""

    engine: Engine
    sessions: Sessions
    settings: Settings
    hints: HintSender
    clock: Callable[[], dt.datetime]


def app_context() -> AppContext:
    """The door of the application that serves this request."""
    found: AppContext = current_app.extensions["settle"]
    return found


def hint_workers(job: SettleJob) -> None:
    """Tell the workers, after the commit so that they find the job, what there is to do for it; of one at rest nothing.

    To settle it is hinted once for each chunk, for as many workers as may begin; they also take the second step of
    pausing and of cancelling.
    """
    if job.status is JobStatus.PREPARING:
        app_context().hints.prepare(job.practice_id, job.id)
    elif job.status in IN_PROGRESS_STATUSES:
        chunks = math.ceil((job.claims_total or 0) / app_context().settings.chunk_claims)
        app_context().hints.send(job.practice_id, job.id, count=max(1, chunks))


def now() -> dt.datetime:
    """The time, as this application's clock tells it."""
    return app_context().clock()


def utc_now() -> dt.datetime:
    """The real time."""
    return dt.datetime.now(dt.UTC)
