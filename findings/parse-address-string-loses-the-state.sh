#!/usr/bin/env bash
# parse-address-string 0.0.3 (npm): an address with a nine-digit ZIP code has no state, and four digits less.
#
# Expected: CO 80237-1234 is the state CO and the ZIP code 80237-1234.
# Seen: the state is null and the ZIP code is 80237. With five digits all is there. No error is raised: the
# documentation says that there is never one.
# It matters because an 837 needs the state, and the billing provider's ZIP code must have nine digits. The claim is
# rejected.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" parse-address-string@0.0.3 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const parse = require("parse-address-string");
for (const address of ["1 Main St, Denver, CO 80237", "1 Main St, Denver, CO 80237-1234"])
  parse(address, (error, { city, state, postal_code }) => console.log(`${address}: ${error} ${city} ${state} ${postal_code}`));
NODE
seen=$(node "$folder/script.cjs")
echo "parse-address-string 0.0.3, the error, the city, the state and the ZIP code:"
echo "$seen"
test "$seen" = "1 Main St, Denver, CO 80237: false Denver CO 80237
1 Main St, Denver, CO 80237-1234: false Denver null 80237"
