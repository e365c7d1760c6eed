"""What beat sends, as often as it says. Any number of beats is harmless: whatever comes twice finds nothing to do."""

from typing import Any

from core.settings import QUEUE_CONTROL, SWEEP_SECONDS, TASK_SWEEP, TASK_TICK, TICK_SECONDS


def _every(seconds: int, task: str) -> dict[str, Any]:
    # It expires before the next is sent: a worker that was away does not sweep once for each round that it missed.
    options = {"queue": QUEUE_CONTROL, "expires": seconds - 1}
    return {"task": task, "schedule": seconds, "options": options}


BEAT_SCHEDULE = {"sweep": _every(SWEEP_SECONDS, TASK_SWEEP), "tick": _every(TICK_SECONDS, TASK_TICK)}
