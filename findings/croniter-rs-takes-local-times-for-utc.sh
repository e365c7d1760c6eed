#!/usr/bin/env bash
# croniter-rs 0.2.0: a job at 8:00 AM in New York is due at 4:00 AM.
#
# The library calls itself drop-in compatible with croniter: change the import, and nothing else. In a table at its end,
# the documentation lists times with a zone, with full support of daylight saving, as planned.
# Expected (our guess before the first run): the same times as from croniter 7.0.0.
# Seen: the next run of a job at 8:00 AM, after a time in New York, has no zone, and as a timestamp it is 8:00 AM in
# UTC. A job at 2:30 AM is due on March 8 at 2:30 AM, which New York skips. croniter gives 8:00 AM and 3:00 AM in New
# York. No error is raised.
# It matters because the statements are sent four or five hours early, before the remittances of the morning are posted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" croniter-rs==0.2.0 croniter==7.0.0 tzdata==2026.6 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from datetime import datetime
from zoneinfo import ZoneInfo

import croniter
import croniter_rs

NEW_YORK = ZoneInfo("America/New_York")
for name, library in (("croniter", croniter), ("croniter_rs", croniter_rs)):
    for schedule in ("0 8 * * *", "30 2 * * *"):
        start = datetime(2026, 3, 7, 9, 0, tzinfo=NEW_YORK)
        due = library.croniter(schedule, start).get_next(datetime)
        timestamp = library.croniter(schedule, start).get_next(float)
        print(name, schedule, due.isoformat(), datetime.fromtimestamp(timestamp, NEW_YORK).isoformat())
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "croniter 7.0.0 and croniter-rs 0.2.0, the next run after March 7, as a date and from its timestamp:"
echo "$seen"
test "$seen" = "croniter 0 8 * * * 2026-03-08T08:00:00-04:00 2026-03-08T08:00:00-04:00
croniter 30 2 * * * 2026-03-08T03:00:00-04:00 2026-03-08T03:00:00-04:00
croniter_rs 0 8 * * * 2026-03-08T08:00:00 2026-03-08T04:00:00-04:00
croniter_rs 30 2 * * * 2026-03-08T02:30:00 2026-03-07T21:30:00-05:00"
