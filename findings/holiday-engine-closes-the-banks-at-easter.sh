#!/usr/bin/env bash
# holiday-engine 1.2.0: the calendar of the Federal Reserve Banks is closed on Good Friday and on Easter Monday.
#
# The Federal Reserve Banks, by which ACH payments move, have the eleven federal holidays. If one is on a Saturday, they
# are open on the Friday before. The documentation says that the calendar "banking" has all eleven, and is for ACH
# windows.
# Expected (our guess before the first run): ten weekdays in 2026: the eleven holidays less July 4, a Saturday.
# Seen: thirteen. Good Friday (April 3), Easter Monday (April 6) and July 3 are closed. In 2027, there are fourteen, and
# the three Fridays are June 18, December 24 and December 31.
# It matters because a payer's deposit of one of these days is expected a day or two late, and a job that runs on
# banking days does not run from Good Friday to Easter Monday, when deposits arrive on both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" holiday-engine==1.2.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from datetime import date, timedelta

from isholiday import is_holiday

for year in (2026, 2027):
    days = [date(year, 1, 1) + timedelta(number) for number in range(365)]
    closed = [day for day in days if day.weekday() < 5 and is_holiday(day, "banking")]
    print(year, len(closed), *[day.strftime("%m-%d") for day in closed])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "holiday-engine 1.2.0, the days on which the banks are closed:"
echo "$seen"
test "$seen" = "2026 13 01-01 01-19 02-16 04-03 04-06 05-25 06-19 07-03 09-07 10-12 11-11 11-26 12-25
2027 14 01-01 01-18 02-15 03-26 03-29 05-31 06-18 07-05 09-06 10-11 11-11 11-25 12-24 12-31"
