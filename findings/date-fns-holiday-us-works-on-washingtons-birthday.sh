#!/usr/bin/env bash
# date-fns-holiday-us 1.1.0 (npm): Washington's Birthday is not a federal holiday.
#
# The third Monday of February is a federal holiday (5 U.S.C. 6103).
# Expected: getFederalHolidays has the eleven holidays of that law.
# Seen: it has ten. isFederalHoliday is false for February 16, 2026, which the library calls Presidents' Day and counts
# as a bank holiday. It is true for Columbus Day and Juneteenth.
# It matters because a deadline in federal working days comes a day too early in each February.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" date-fns-holiday-us@1.1.0 date-fns@2.30.0 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { getFederalHolidays, isBankHoliday, isFederalHoliday } = require("date-fns-holiday-us");
console.log(Object.keys(getFederalHolidays(2026)).length, "federal holidays in 2026");
for (const [name, date] of [["Juneteenth", [2026, 5, 19]], ["Columbus Day", [2026, 9, 12]], ["Washington's Birthday", [2026, 1, 16]]])
  console.log(`${name}: federal ${isFederalHoliday(new Date(...date))}, bank ${isBankHoliday(new Date(...date))}`);
NODE
seen=$(node "$folder/script.cjs")
echo "date-fns-holiday-us 1.1.0:"
echo "$seen"
test "$seen" = "10 federal holidays in 2026
Juneteenth: federal true, bank true
Columbus Day: federal true, bank true
Washington's Birthday: federal false, bank true"
