#!/usr/bin/env bash
# cron-converter 2.0.2: 0 8 1 * 1 runs only when the first of the month is a Monday.
#
# In cron, a schedule with both a day of the month and a weekday runs on each day that matches one of them.
# Expected: on the first of each month and on each Monday, as croniter 7.0.0 and cronsim 2.8 say, and as cron-descriptor
# 2.2.1 says in words.
# Seen: the first run after March 7, 2026 is on June 1, and the one after it on February 1, 2027. No error is raised.
# It matters because a write-off job planned with the library's dates runs once in three months instead of every week, and
# the screen next to it says "or on Monday".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" cron-converter==2.0.2 croniter==7.0.0 cronsim==2.8 cron-descriptor==2.2.1 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import datetime as dt
import itertools

from cron_converter import Cron
from cron_descriptor import get_description
from croniter import croniter
from cronsim import CronSim

SCHEDULE, START = "0 8 1 * 1", dt.datetime(2026, 3, 7)
plan, peer = Cron(SCHEDULE).schedule(START), croniter(SCHEDULE, START)
print("cron-converter", [str(plan.next().date()) for _ in range(3)])
print("croniter", [str(peer.get_next(dt.datetime).date()) for _ in range(3)])
print("cronsim", [str(run.date()) for run in itertools.islice(CronSim(SCHEDULE, START), 3)])
print("cron-descriptor", get_description(SCHEDULE))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "cron-converter 2.0.2, croniter 7.0.0, cronsim 2.8 and cron-descriptor 2.2.1:"
echo "$seen"
test "$seen" = "cron-converter ['2026-06-01', '2027-02-01', '2027-03-01']
croniter ['2026-03-09', '2026-03-16', '2026-03-23']
cronsim ['2026-03-09', '2026-03-16', '2026-03-23']
cron-descriptor At 08:00 AM, on day 1 of the month, or on Monday"
