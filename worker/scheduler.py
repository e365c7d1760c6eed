"""Celery's scheduler for beat, which sends nothing to a queue that is already full."""

import datetime as dt
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from celery.signals import beat_init

from core.local import health_file
from core.watch import heartbeat
from core.watch.pulse import HeartbeatThread
from worker import hints
from worker.process import sessions


class BoundedScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
    """Send due tasks unless the queue is full, and touch the health-check file on every tick."""

    def apply_async(self, entry: ScheduleEntry, producer: Any = None, **options: Any) -> Any:
        """Send the entry unless its queue is full. Without workers, beat would fill the broker for days."""
        health_file.touch()
        if hints.queue_has_enough(entry.task):
            return None
        return super().apply_async(entry, producer=producer, **options)


@beat_init.connect
def start_beat_heartbeat(**_: object) -> None:
    """Start beat's heartbeat in the database, which works without the broker and records a shutdown."""
    me = heartbeat.this_process(heartbeat.BEAT, started_at=_utc_now())
    HeartbeatThread(sessions(), me, clock=_utc_now).start()


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
