#!/usr/bin/env bash
# @18f/us-federal-holidays 4.0.0 (npm): a federal holiday on December 31 is in no list of its year, although it is a
# holiday.
#
# When January 1 is a Saturday, as in 2028, federal offices close on Friday, December 31.
# Expected: isAHoliday, allForYear and inRange agree on each day.
# Seen: isAHoliday says that December 31, 2027, is a holiday. allForYear(2027) and inRange for December 2027 do not have
# it. It is in the list of 2028. inRange finds it only if the range reaches into 2028.
# It matters because Medicare's payment dates and deadlines count federal business days, and a list for December is one
# day short at the end of the year, when deposits are assigned to a year.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" @18f/us-federal-holidays@4.0.0 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const federal = require("@18f/us-federal-holidays");
const dates = (holidays) => holidays.map((holiday) => holiday.dateString).join(" ");
const noon = (year, month, day) => new Date(Date.UTC(year, month - 1, day, 12));
console.log("isAHoliday 2027-12-31:", federal.isAHoliday(noon(2027, 12, 31)));
console.log("allForYear 2027:", dates(federal.allForYear(2027)));
console.log("allForYear 2028:", dates(federal.allForYear(2028)));
console.log("inRange 2027-12-01 to 2027-12-31:", dates(federal.inRange(noon(2027, 12, 1), noon(2027, 12, 31))));
console.log("inRange 2027-12-01 to 2028-01-01:", dates(federal.inRange(noon(2027, 12, 1), noon(2028, 1, 1))));
NODE
seen=$(TZ=UTC node "$folder/script.cjs")
echo "@18f/us-federal-holidays 4.0.0:"
echo "$seen"
test "$seen" = "isAHoliday 2027-12-31: true
allForYear 2027: 2027-01-01 2027-01-18 2027-02-15 2027-05-31 2027-06-18 2027-07-05 2027-09-06 2027-10-11 2027-11-11 2027-11-25 2027-12-24
allForYear 2028: 2027-12-31 2028-01-17 2028-02-21 2028-05-29 2028-06-19 2028-07-04 2028-09-04 2028-10-09 2028-11-10 2028-11-23 2028-12-25
inRange 2027-12-01 to 2027-12-31: 2027-12-24
inRange 2027-12-01 to 2028-01-01: 2027-12-24 2027-12-31"
