#!/usr/bin/env bash
# cron-schedule 6.0.0 (npm): a job that runs each half hour does not run for 90 minutes when daylight saving ends.
#
# On November 1, 2026, in New York, the hour from 1:00 to 2:00 AM occurs twice. Vixie cron runs jobs with * in the hour
# by the time that passes, so each half hour of both. It holds back only jobs at a fixed time.
# Expected: */30 * * * * runs at 1:00 and 1:30 AM twice, as croniter 7.0.0 says.
# Seen: it runs at 1:30 AM, daylight time, and then at 2:00 AM, standard time. 0 * * * * has no run for two hours. The
# documentation says nothing about it.
# It matters because a job that fetches remittances or renews a lock each half hour stands still for 90 minutes, and an
# alert that waits for an hour at most goes off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" cron-schedule@6.0.0 >/dev/null
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" croniter==7.0.0 tzdata==2026.6 2>/dev/null
cat >"$folder/script.mjs" <<'NODE'
import { parseCronExpression } from "cron-schedule";

const start = new Date("2026-11-01T04:45:00Z");
for (const schedule of ["*/30 * * * *", "0 * * * *"]) {
  const runs = parseCronExpression(schedule).getNextDates(4, start);
  console.log("cron-schedule", schedule, runs.map((run) => run.toISOString().slice(11, 16)).join(" "));
}
NODE
cat >"$folder/script.py" <<'PYTHON'
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from croniter import croniter

start = datetime(2026, 11, 1, 0, 45, tzinfo=ZoneInfo("America/New_York"))
for schedule in ("*/30 * * * *", "0 * * * *"):
    dates = croniter(schedule, start)
    runs = [dates.get_next(datetime).astimezone(timezone.utc) for _ in range(4)]
    print("croniter", schedule, *[run.strftime("%H:%M") for run in runs])
PYTHON
seen=$(
    TZ=America/New_York node "$folder/script.mjs"
    PYTHONPATH="$folder/libraries" python3 "$folder/script.py"
)
echo "cron-schedule 6.0.0 and croniter 7.0.0, the runs on November 1, 2026, after 12:45 AM in New York, in UTC:"
echo "$seen"
test "$seen" = "cron-schedule */30 * * * * 05:00 05:30 07:00 07:30
cron-schedule 0 * * * * 05:00 07:00 08:00 09:00
croniter */30 * * * * 05:00 05:30 06:00 06:30
croniter 0 * * * * 05:00 06:00 07:00 08:00"
