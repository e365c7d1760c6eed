#!/usr/bin/env bash
# money-math 2.6.3 (npm): two percent of -$70.40 is -$1.40, and two percent of $70.40 is $1.41.
#
# The library computes with amounts as texts, such as -42.10, and rounds to the whole cent.
# Expected (our guess before the first run): results are rounded to the nearest cent, also negative ones.
# Seen: a percentage of a negative amount is a cent off unless it is a whole number of cents. A product or a quotient
# with one negative amount is up to two cents off: 84.86 times -46.16 is -3917.1376, and the result is -3917.12. Of
# 13,013 such products of amounts up to $9.99, 6,353 are wrong. Sums and positive results are right. No error is raised.
# It matters because the reversal of a payment reverses its sequestration of two percent, and not all of it: a cent
# stays on the claim.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" money-math@2.6.3 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const money = require("money-math");

const text = (cents) => (cents < 0 ? "-" : "") + (Math.abs(cents) / 100).toFixed(2);
const nearest = (number, divisor) => Math.floor((2 * number + divisor) / (2 * divisor));
console.log(money.percent("70.40", "2.00"), money.percent("-70.40", "2.00"), money.mul("84.86", "-46.16"));
const wrong = { sum: 0, positive: 0, negative: 0, percent: 0 };
let all = 0;
for (let a = 1; a < 1000; a += 7)
  for (let b = 1; b < 1000; b += 11) {
    all += 1;
    const product = nearest(a * b, 100);
    if (money.add(text(a), text(-b)) !== text(a - b)) wrong.sum += 1;
    if (money.mul(text(a), text(b)) !== text(product)) wrong.positive += 1;
    if (money.mul(text(-a), text(b)) !== text(-product)) wrong.negative += 1;
    if (money.percent(text(-a), text(b)) !== text(-nearest(a * b, 10000))) wrong.percent += 1;
  }
console.log(all, JSON.stringify(wrong));
NODE
seen=$(node "$folder/script.cjs")
echo "money-math 2.6.3, three results, and how many sums, products, negative products and percentages are wrong:"
echo "$seen"
test "$seen" = '1.41 -1.40 -3917.12
13013 {"sum":0,"positive":0,"negative":6353,"percent":13006}'
