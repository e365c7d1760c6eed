#!/usr/bin/env bash
# celery-singleton 0.3.1: a task for claim 17 is queued a second time if one caller writes 17 and another claim=17.
#
# The library makes sure that a task with the same name and arguments is queued once.
# Expected (our guess before the first run): send(17) and send(claim=17) are one task. celery-once, which does the same
# work, computes one key for both.
# Seen: both are queued. send(17) twice is one. With unique_on, send(17) and send(claim=17) are one too.
# It matters because the page writes one form and the schedule, which names arguments, the other. The patient gets the
# statement twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" celery-singleton==0.3.1 celery-once==3.0.1 celery==5.7.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from celery import Celery
from celery_once import QueueOnce
from celery_singleton import Singleton
from celery_singleton.backends.base import BaseBackend


class Locks(BaseBackend):
    """Hold the locks in memory. The library documents this way to do without Redis."""

    def __init__(self, *_: object, **__: object) -> None:
        self.held: dict[str, str] = {}

    def lock(self, lock: str, task_id: str, expiry: int | None = None) -> bool:
        return self.held.setdefault(lock, task_id) == task_id

    def unlock(self, lock: str) -> None:
        self.held.pop(lock, None)

    def get(self, lock: str) -> str | None:
        return self.held.get(lock)

    def clear(self, key_prefix: str) -> None:
        self.held.clear()


app = Celery(broker="memory://", backend="cache+memory://")
app.conf.singleton_backend_class = Locks


def send(claim: int) -> None:
    """Send the statement of a claim."""


def queued(task: object) -> int:
    """Return the number of tasks that three calls put into the queue."""
    with app.connection_for_read() as connection:
        connection.default_channel.queue_purge("celery")
    for given, named in (((17,), {}), ((17,), {}), ((), {"claim": 17})):
        task.apply_async(given, named)
    with app.connection_for_read() as connection:
        return connection.default_channel._size("celery")


app.amqp.queues.select_add("celery")
with app.connection_for_write() as connection:
    app.amqp.queues["celery"](connection.default_channel).declare()
print("celery-singleton:", queued(app.task(send, base=Singleton, name="one")), "tasks in the queue")
print("with unique_on:", queued(app.task(send, base=Singleton, unique_on=["claim"], name="two")), "tasks in the queue")
once = app.task(send, base=QueueOnce, name="three")
print("celery-once:", len({once.get_key([17]), once.get_key([], {"claim": 17})}), "key")
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "send(17), send(17) and send(claim=17):"
echo "$seen"
test "$seen" = "celery-singleton: 2 tasks in the queue
with unique_on: 1 tasks in the queue
celery-once: 1 key"
