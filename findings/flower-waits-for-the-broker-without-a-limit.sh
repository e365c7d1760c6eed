#!/usr/bin/env bash
# Flower 2.2.0: it doubles its wait for the broker after each failed try, without a limit.
#
# Flower reads the workers' events from the broker. If the broker is away, Flower waits and tries again.
# Expected (our guess before the first run): the wait has a limit, such as half a minute.
# Seen: 2, 4, 8 s and so on. The tenth wait is 17 minutes, and the twelfth is over an hour.
# It matters because the broker came back after ten minutes, the workers followed within seconds, and Flower showed
# nothing for eight minutes more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" flower==2.2.0 "celery[redis]==5.7.0" 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from types import SimpleNamespace

from celery import Celery
from flower import events

TRIES = 12
waits: list[float] = []


def note(seconds: float) -> None:
    """Note the wait, and end after twelve."""
    waits.append(seconds)
    if len(waits) == TRIES:
        raise SystemExit


events.time = SimpleNamespace(sleep=note)
app = Celery(broker="redis://127.0.0.1:1/0")  # no server listens there
thread = events.Events(app, io_loop=None, max_tasks_in_memory=10)
try:
    thread.run()
except SystemExit:
    print(*waits)
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" 2>/dev/null)
echo "Seconds that Flower waits after each try: $seen"
test "$seen" = "2 4 8 16 32 64 128 256 512 1024 2048 4096"
