"""The progress of a worker's import, written on its own connection while the import's transaction is open."""

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import update

from core.db.engine import Sessions, transaction
from core.enums.imports import ImportStatus
from core.intake.uploads.lifecycle import ImportKey
from core.models.imports import ImportJob

WRITE_SECONDS: Final = 1.0

_RUNNING: Final = (ImportStatus.CHECKING, ImportStatus.IMPORTING)


class ImportStopped(Exception):
    """A user discarded the import while a worker checked it."""


class WorkerStopping(Exception):
    """The worker is stopping. Another worker starts over."""


class ProgressWriter:
    """Write the progress at most once a second."""

    def __init__(self, sessions: Sessions, key: ImportKey, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Write nothing yet."""
        self._sessions, self._key, self._is_stopping = sessions, key, is_stopping
        self._phase: str | None = None
        self._written_at = -WRITE_SECONDS

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Write the progress if a second has passed or the phase is new. `total` 0 means unknown.

        Raise `ImportStopped` and `WorkerStopping`.
        """
        if self._is_stopping():
            raise WorkerStopping
        now = time.monotonic()
        if phase == self._phase and now - self._written_at < WRITE_SECONDS:
            return
        self._phase, self._written_at = phase, now
        running = update(ImportJob).where(*self._key.of(ImportJob), ImportJob.status.in_(_RUNNING))
        shown = running.values(phase=phase, phase_done=done, phase_total=total).returning(ImportJob.id)
        with transaction(self._sessions, self._key.practice_id) as session:
            if session.scalar(shown) is None:
                raise ImportStopped
