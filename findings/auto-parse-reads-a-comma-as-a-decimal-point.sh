#!/usr/bin/env bash
# auto-parse 2.5.0 (npm): $1,234 is read as 1.234, and $1,234.56 is left as a text.
#
# The option parseCurrency recognizes amounts in dollars, says the documentation. parseCommaNumbers is for commas in
# numbers, as in 385,134.
# Expected (our guess before the first run): 1,234 is 1234.
# Seen: with parseCurrency, also together with parseCommaNumbers, $1,234 is 1.234, and $12,345 is 12.345. Without the
# dollar sign, 1,234 is 1234. $1,234.56 and $1,234,567 stay texts. No error is raised.
# It matters because a hospital's charge of $12,345 in a column of whole dollars becomes $12.35, and a balance of $1,234
# is small enough to be written off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" auto-parse@2.5.0 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const autoParse = require("auto-parse");
const both = { parseCurrency: true, parseCommaNumbers: true };
for (const text of ["$9.99", "$1,234", "$12,345", "1,234", "$1,234.56", "$1,234,567"])
  console.log(text, JSON.stringify([autoParse(text, { parseCurrency: true }), autoParse(text, both)]));
NODE
seen=$(node "$folder/script.cjs")
echo "auto-parse 2.5.0, a text, its value with parseCurrency, and its value with parseCommaNumbers too:"
echo "$seen"
test "$seen" = '$9.99 [9.99,9.99]
$1,234 [1.234,1.234]
$12,345 [12.345,12.345]
1,234 ["1,234",1234]
$1,234.56 ["$1,234.56","$1,234.56"]
$1,234,567 ["$1,234,567","$1,234,567"]'
