"""The clock of beat: Celery's own, but it sends nothing to a queue in which enough waits already."""

import datetime as dt
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from celery.signals import beat_init

from core.watch import heartbeat
from core.watch.pulse import Pulse
from worker import health_file, hints
from worker.process import sessions


class BoundedScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
    """Sends what is due, and makes the rounds that a health check looks for, whether or not the broker takes it."""

    def apply_async(self, entry: ScheduleEntry, producer: Any = None, **options: Any) -> Any:
        """Send the entry, unless its queue has enough; without a worker it would fill the broker for days."""
        health_file.touch()
        if hints.queue_has_enough(entry.task):
            return None
        return super().apply_async(entry, producer=producer, **options)


@beat_init.connect
def start_beat_heartbeat(**_: object) -> None:
    """Beat in the database too: the broker may be away, and a stop has a last word."""
    me = heartbeat.this_process(heartbeat.BEAT, started_at=_utc_now())
    Pulse(sessions(), me, clock=_utc_now).start()


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
