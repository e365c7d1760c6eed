#!/usr/bin/env bash
# parsecurrency 1.1.1 (npm): a credit in parentheses is read as a positive amount, and $.50 is read as 50 dollars.
#
# Statements and exported ledgers show a credit as (12.34), $12.34- or -$12.34, and less than a dollar often as $.50.
# Expected: ($1,234.56) is -1234.56 (our guess before the first run: that, or null), and $.50 is 0.5. The documentation
# names only signs in front of the amount.
# Seen: ($1,234.56) and $1,234.56- are 1234.56, with an empty sign. The parenthesis becomes part of the currency's
# symbol. $.50 is 50, with "$." as the symbol. Nothing tells these from amounts that were understood.
# It matters because a refund is posted as a charge, which is wrong by twice its amount, and a balance of fifty cents
# that should be written off looks like fifty dollars.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" parsecurrency@1.1.1 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const parse = require("parsecurrency");
for (const text of ["-$1,234.56", "$-1,234.56", "($1,234.56)", "$1,234.56-", "0.50", "$0.50", "$.50"]) {
  const { value, symbol, sign } = parse(text);
  console.log(text, "is", value, JSON.stringify(symbol), JSON.stringify(sign));
}
NODE
seen=$(node "$folder/script.cjs")
echo "parsecurrency 1.1.1, the value, the symbol and the sign:"
echo "$seen"
test "$seen" = '-$1,234.56 is -1234.56 "$" "-"
$-1,234.56 is -1234.56 "$" "-"
($1,234.56) is 1234.56 "($" ""
$1,234.56- is 1234.56 "$" ""
0.50 is 0.5 "" ""
$0.50 is 0.5 "$" ""
$.50 is 50 "$." ""'
