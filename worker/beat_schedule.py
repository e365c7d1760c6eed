"""What beat sends, and how often. More than one beat does no harm, because a second hint finds nothing to do."""

from typing import Any

from core.settings import QUEUE_CONTROL, SWEEP_SECONDS, TASK_SWEEP, TASK_TICK, TICK_SECONDS


def _every(seconds: int, task: str) -> dict[str, Any]:
    # A message expires before the next one is sent, so that a worker that was down sweeps once, not once per message.
    options = {"queue": QUEUE_CONTROL, "expires": seconds - 1}
    return {"task": task, "schedule": seconds, "options": options}


BEAT_SCHEDULE = {"sweep": _every(SWEEP_SECONDS, TASK_SWEEP), "tick": _every(TICK_SECONDS, TASK_TICK)}
