#!/usr/bin/env bash
# fixed-width-parser 3.0.0 (npm): a negative amount without a decimal point is read as 0, also one that it wrote itself.
#
# Bank and mainframe files have amounts with two implied decimals: 12345 is 123.45. The library's float type reads them,
# and its unparse method writes them.
# Expected (our guess before the first run): -500 is -5.00, and every amount is read as it was written.
# Seen: -500 is 0, and so are -1234 and -5. With a decimal point, -12.34 is right. The library writes cents with a point
# and whole dollars without one, so -12.34 comes back as it was, and -5.00 comes back as 0. No error is raised.
# It matters because refunds and reversals of whole dollars are lost, and the file's sum is too high.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" fixed-width-parser@3.0.0 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { FixedWidthParser } = require("fixed-width-parser");
const parser = new FixedWidthParser([{ type: "float", name: "amount", start: 0, width: 10, decimalCount: 2 }]);
const read = (text) => parser.parse(text)[0].amount;
for (const text of ["12345", "500", "-12345", "-500", "-5", "-123.45"]) {
  console.log(text.padStart(10), "is", read(text.padStart(10)));
}
for (const sign of [1, -1]) {
  const amounts = Array.from({ length: 300000 }, (_, cents) => (sign * (cents + 1)) / 100);
  const other = amounts.filter((amount) => read(parser.unparse([{ amount }])) !== amount);
  console.log(`of ${amounts.length} amounts up to ${amounts.at(-1)}, ${other.length} come back as`, [...new Set(other.map((amount) => read(parser.unparse([{ amount }]))))]);
}
NODE
seen=$(node "$folder/script.cjs")
echo "fixed-width-parser 3.0.0:"
echo "$seen"
test "$seen" = "     12345 is 123.45
       500 is 5
    -12345 is 0
      -500 is 0
        -5 is 0
   -123.45 is -123.45
of 300000 amounts up to 3000, 0 come back as []
of 300000 amounts up to -3000, 3000 come back as [ 0 ]"
