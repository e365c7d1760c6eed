#!/usr/bin/env bash
# celery-redbeat 2.4.2: a time without a zone in the arguments of a scheduled task comes back as UTC.
#
# RedBeat keeps schedules, with their arguments, in Redis as JSON. The application's time zone is America/New_York here.
# Expected: midnight of January 31 comes back as it was saved, without a zone, as from Celery's own JSON (kombu 5.7.0), or
# as midnight in the application's time zone.
# Seen: it comes back as midnight UTC, which is January 30, 7:00 PM in New York. A time with a zone comes back as it was.
# It matters because a task that gets "all payments before January 31" in its arguments sees another day when RedBeat sends
# it than when the program calls it, and the two runs take different payments.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" celery-redbeat==2.4.2 celery==5.7.0 kombu==5.7.0 redis==8.1.0 tzdata==2026.6 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import datetime as dt
import json
from zoneinfo import ZoneInfo

from celery import Celery
from kombu.utils import json as kombu_json
from redbeat.decoder import RedBeatJSONDecoder, RedBeatJSONEncoder

NEW_YORK = ZoneInfo("America/New_York")
app = Celery("office")
app.conf.timezone = "America/New_York"
app.set_current()
for name, saved in (("without a zone", dt.datetime(2026, 1, 31)), ("with a zone", dt.datetime(2026, 1, 31, tzinfo=NEW_YORK))):
    redbeat = json.loads(json.dumps({"before": saved}, cls=RedBeatJSONEncoder), cls=RedBeatJSONDecoder)["before"]
    celery = kombu_json.loads(kombu_json.dumps({"before": saved}))["before"]
    print(f"{name}: RedBeat {redbeat}, in New York {redbeat.astimezone(NEW_YORK):%m/%d/%Y %-I:%M %p}; Celery {celery}")
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "celery-redbeat 2.4.2 and celery 5.7.0:"
echo "$seen"
test "$seen" = "without a zone: RedBeat 2026-01-31 00:00:00+00:00, in New York 01/30/2026 7:00 PM; Celery 2026-01-31 00:00:00
with a zone: RedBeat 2026-01-31 00:00:00-05:00, in New York 01/31/2026 12:00 AM; Celery 2026-01-31 00:00:00-05:00"
