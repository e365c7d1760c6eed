#!/usr/bin/env bash
# business-days-js 2.3.0 (npm): the Friday before a Saturday holiday is closed for three holidays and open for two
# others.
#
# When a holiday falls on a Saturday, federal offices close on the Friday before it, and the Federal Reserve Banks do
# not. So every such Friday is closed by the one calendar, and open by the other, by which ACH payments move.
# Expected (our guess before the first run): the federal offices' rule, for each holiday.
# Seen: the Friday is closed for Independence Day, Juneteenth and New Year's Day, and open for Christmas Day and
# Veterans Day.
# It matters because the day on which a payer's deposit is due is one day off on some of these Fridays and right on
# others, so neither calendar's list of exceptions corrects it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" business-days-js@2.3.0 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const days = require("business-days-js")();
const holidays = { "01-01": "New Year's Day", "06-19": "Juneteenth", "07-04": "Independence Day", "11-11": "Veterans Day", "12-25": "Christmas Day" };
for (const [date, name] of Object.entries(holidays)) {
  const fridays = [];
  for (let year = 2024; year <= 2044; year += 1) {
    const day = new Date(`${year}-${date}T12:00:00Z`);
    if (day.getUTCDay() !== 6) continue;
    const friday = new Date(day - 86400000).toISOString().slice(0, 10);
    fridays.push(`${friday} ${days.check(friday) ? "open" : "closed"}`);
  }
  console.log(`${name}: ${fridays.join(", ")}`);
}
NODE
seen=$(TZ=America/New_York node "$folder/script.cjs")
echo "business-days-js 2.3.0 on the Fridays before holidays that fall on a Saturday:"
echo "$seen"
test "$seen" = "New Year's Day: 2027-12-31 closed, 2032-12-31 closed, 2038-12-31 closed
Juneteenth: 2027-06-18 closed, 2032-06-18 closed, 2038-06-18 closed
Independence Day: 2026-07-03 closed, 2037-07-03 closed, 2043-07-03 closed
Veterans Day: 2028-11-10 open, 2034-11-10 open
Christmas Day: 2027-12-24 open, 2032-12-24 open, 2038-12-24 open"
