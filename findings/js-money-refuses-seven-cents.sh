#!/usr/bin/env bash
# js-money 0.6.3 (npm): $0.07 is refused because it is not a whole number of cents.
#
# Money.fromDecimal takes an amount with as many decimals as the currency allows, two for dollars, and refuses one with
# more.
# Expected: each amount with two decimals is accepted.
# Seen: the amount is multiplied by 100 as a float, and the product must be whole: 0.07 * 100 is 7.000000000000001. Of
# the amounts from $0.01 to $2,999.99, 36,700 are refused with "Amount must be an integer", as 0.14, 0.28 and 0.29 are.
# 0.05 is accepted. With Math.round as a third argument, all are right.
# It matters because one claim of eight is not read, and tests with round amounts pass.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" js-money@0.6.3 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const Money = require("js-money");

const read = (amount, ...round) => {
  try {
    return Money.fromDecimal(amount, "USD", ...round).amount;
  } catch (error) {
    return error.message;
  }
};
for (const amount of [0.05, 0.07, 0.29]) console.log(amount, read(amount));
const cents = Array.from({ length: 299999 }, (_, index) => index + 1);
console.log(cents.filter((cent) => read(cent / 100) !== cent).length);
console.log(cents.filter((cent) => read(cent / 100, Math.round) !== cent).length);
NODE
seen=$(node "$folder/script.cjs")
echo "js-money 0.6.3, three amounts in cents, and how many of 299,999 are wrong, without and with Math.round:"
echo "$seen"
test "$seen" = "0.05 5
0.07 Amount must be an integer
0.29 Amount must be an integer
36700
0"
