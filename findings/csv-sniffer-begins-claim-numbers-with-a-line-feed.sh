#!/usr/bin/env bash
# csv-sniffer 0.1.1 (npm): each claim number begins with a line feed if a name in the file is in quotes.
#
# RFC 4180 ends the lines of a CSV file with CR LF, and puts a field with a comma in quotes. Excel writes files so. The
# library detects the line end, among others \r\n, the separator and the quotes, and returns the records.
# Expected (our guess before the first run): the line end is not in a field.
# Seen: the line end is detected as \r\n. With one quoted name in the file, the first field of each record is \n00742,
# and the type of the column is integer. Without quotes, or with \n alone, it is 00742. No warning is given.
# It matters because no payment finds its claim, and on a screen the two numbers look alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" csv-sniffer@0.1.1 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const Sniffer = require("csv-sniffer")();

for (const name of ["SAMPLE", '"SAMPLE, PETRA"'])
  for (const end of ["\r\n", "\n"]) {
    const text = ["Claim,Patient,Amount", `00742,${name},123.45`, "00743,DOE,45.00", ""].join(end);
    const seen = new Sniffer().sniff(text);
    const first = seen.records.map((record) => record[0]);
    console.log(JSON.stringify([seen.newlineStr, seen.types[0], first, seen.warnings]));
  }
NODE
seen=$(node "$folder/script.cjs")
echo "csv-sniffer 0.1.1, the line end, the type of the first column, its values and the warnings:"
echo "$seen"
test "$seen" = '["\r\n","integer",["00742","00743"],[]]
["\n","integer",["00742","00743"],[]]
["\r\n","integer",["\n00742","\n00743"],[]]
["\n","integer",["00742","00743"],[]]'
