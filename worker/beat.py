"""What beat sends, as often as it says. Any number of beats is harmless: the sweep runs once at a time."""

from core.settings import QUEUE_CONTROL, SWEEP_SECONDS, TASK_SWEEP

BEAT_SCHEDULE = {
    "sweep": {
        "task": TASK_SWEEP,
        "schedule": SWEEP_SECONDS,
        # It expires before the next is sent, so that a broker without workers never fills up.
        "options": {"queue": QUEUE_CONTROL, "expires": SWEEP_SECONDS - 1},
    }
}
