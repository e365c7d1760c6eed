"""`python -m worker.canary CANARY_ID [QUEUE]`: send the hint that asks a worker to stamp the row."""

import sys

from core.settings import HINT_EXPIRES_SECONDS, QUEUE_SETTLE, TASK_CANARY
from worker.app import app


def hint(canary_id: int, queue: str = QUEUE_SETTLE) -> None:
    """Send it; a broker that does not answer raises."""
    app.send_task(TASK_CANARY, args=[canary_id], queue=queue, expires=HINT_EXPIRES_SECONDS, retry=False)


if __name__ == "__main__":
    hint(int(sys.argv[1]), *sys.argv[2:3])
