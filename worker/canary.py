"""`python -m worker.canary QUEUE CANARY_ID …`: send a test hint to each queue."""

import sys

from core.broker import causes
from core.settings import HINT_EXPIRES_SECONDS, TASK_CANARY
from worker.app import app


def hint(queue: str, canary_id: int) -> None:
    """Send a test hint. Raise if the broker does not answer."""
    app.send_task(TASK_CANARY, args=[canary_id], queue=queue, expires=HINT_EXPIRES_SECONDS, retry=False)


if __name__ == "__main__":
    for queue, canary_id in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        try:
            hint(queue, int(canary_id))
        except Exception as error:  # noqa: BLE001  kombu and redis-py raise many kinds; the cause tells them apart
            sys.exit(causes.diagnose(error).sentence)
