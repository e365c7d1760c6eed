"""What every view needs: the database, the settings, the hints and the clock."""

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from flask import current_app, g, request
from sqlalchemy import Engine

from core.db import scope
from core.db.engine import Sessions
from core.enums.jobs import IN_PROGRESS_STATUSES, JobStatus
from core.jobs.preview import preview_items
from core.models.jobs import SettleJob
from core.settings import Settings


class HintSender(Protocol):
    """Sends hints to the workers and never waits for them."""

    def send(self, practice_id: int, job_id: int, count: int = 1) -> None:
        """Send `count` hints that this job may have work."""

    def prepare(self, practice_id: int, job_id: int) -> None:
        """Send a hint to prepare this job's preview."""

    def import_files(self, practice_id: int, import_id: int) -> None:
        """Send a hint to check or import this import's files."""


@dataclass(frozen=True)
class AppContext:
    """The resources of one application."""

    engine: Engine
    unscoped: Sessions  # of no practice: for tables without one, and to find whose session it is
    settings: Settings
    hints: HintSender
    clock: Callable[[], dt.datetime]

    @property
    def sessions(self) -> Sessions:
        """Return the sessions of the signed-in user's practice. Until a user is known, they have no practice."""
        practice_id: int | None = g.get("practice_id")
        return self.unscoped if practice_id is None else scope.of_practice(self.unscoped, practice_id)

    @property
    def operations_sessions(self) -> Sessions:
        """Return the sessions that see jobs, chunks and schedules of every practice."""
        return scope.of_operations(self.unscoped)


def app_context() -> AppContext:
    """Return the resources of the current application."""
    found: AppContext = current_app.extensions["settle"]
    return found


def hint_workers(job: SettleJob) -> None:
    """Send hints to the workers, after the commit, if the job has work. A stopped job has none.

    A job in progress gets a hint for each chunk, so that many workers can start at once. Workers also complete a pause
    or a cancellation.
    """
    if job.status is JobStatus.PREPARING:
        app_context().hints.prepare(job.practice_id, job.id)
    elif job.status in IN_PROGRESS_STATUSES:
        claims = job.claims_total or 0
        size = preview_items.chunk_size(claims, most=app_context().settings.chunk_claims)
        app_context().hints.send(job.practice_id, job.id, count=max(1, math.ceil(claims / size)))


def absolute_url(path: str) -> str:
    """Return the URL of a page, with the host that the caller used if the installation has no public URL."""
    return f"{app_context().settings.public_url or request.url_root.rstrip('/')}{path}"


def now() -> dt.datetime:
    """Return the time of the application's clock."""
    return app_context().clock()


def utc_now() -> dt.datetime:
    """Return the real time."""
    return dt.datetime.now(dt.UTC)
