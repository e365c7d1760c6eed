"""The clock of beat: Celery's own, but it sends nothing to a queue in which enough waits already."""

from typing import Any

from celery.beat import ScheduleEntry, Scheduler

from worker import alive, hints


class Clock(Scheduler):  # type: ignore[misc]  # Celery has no types
    """Sends what is due, and makes the rounds that a health check looks for, whether or not the broker takes it."""

    def apply_async(self, entry: ScheduleEntry, producer: Any = None, **options: Any) -> Any:
        """Send the entry, unless its queue has enough; without a worker it would fill the broker for days."""
        alive.touch()
        if hints.enough_wait(entry.task):
            return None
        return super().apply_async(entry, producer=producer, **options)
