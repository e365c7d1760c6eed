#!/usr/bin/env bash
# parse-address 1.1.2 (npm): 123 1/2 Main St is read as 123 Main St.
#
# A rear unit or an upper floor often has a half in its number, which USPS Publication 28 calls a fractional address.
# The library's documentation says that it knows fractional building numbers.
# Expected: the half is in the number or in a field of its own.
# Seen: the half is in no field. 123 1/2 and 123 give the same result.
# It matters because the statement, with its diagnoses, goes to the neighbor in front, and two patients at the two doors
# are taken for one household.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" parse-address@1.1.2 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { parseLocation } = require("parse-address");
for (const address of ["123 Main St, Denver, CO 80201", "123 1/2 Main St, Denver, CO 80201", "123 1/2 N Main St"])
  console.log(`${address}: ${JSON.stringify(parseLocation(address))}`);
NODE
seen=$(node "$folder/script.cjs")
echo "parse-address 1.1.2:"
echo "$seen"
test "$seen" = '123 Main St, Denver, CO 80201: {"number":"123","street":"Main","type":"St","city":"Denver","state":"CO","zip":"80201"}
123 1/2 Main St, Denver, CO 80201: {"number":"123","street":"Main","type":"St","city":"Denver","state":"CO","zip":"80201"}
123 1/2 N Main St: {"number":"123","prefix":"N","street":"Main","type":"St"}'
