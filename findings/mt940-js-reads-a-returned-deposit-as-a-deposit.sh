#!/usr/bin/env bash
# mt940-js 1.0.0 (npm): a deposit that the bank reversed is read as a deposit.
#
# In field 61 of an MT940 statement, C is a credit and D a debit. RC reverses a credit, so money leaves the account. RD
# reverses a debit, so money comes in.
# Expected (our guess before the first run): RC is a debit or is marked as a reversal. mt940js, a package with almost
# the same name, reads it as a negative amount.
# Seen: RC is a credit and RD is a debit. Nothing tells them from C and D. With the opening balance, the transactions do
# not make the closing balance, and no error is raised. (The package also needs tslib, which it does not name.)
# It matters because a check that bounced is posted as a second payment, and the patient is not billed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" mt940-js@1.0.0 mt940js@1.3.5 tslib@2.8.1 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { read } = require("mt940-js");
const { Parser } = require("mt940js");
const statement = `:20:STATEMENT1
:25:011401533/0000123456
:28C:1/1
:60F:C260101USD1000,00
:61:2601310131C150,00NTRFCHECK1
:86:PATIENT CHECK
:61:2601310131RC150,00NTRFCHECK1
:86:RETURNED CHECK
:61:2601310131D10,00NTRFFEE1
:86:FEE
:61:2601310131RD10,00NTRFFEE1
:86:FEE RETURNED
:62F:C260131USD1000,00
`;
(async () => {
  const [one] = await read(Buffer.from(statement));
  const [two] = new Parser().parse(statement);
  one.transactions.forEach(({ description, amount, isCredit }, place) =>
    console.log(`${description}: ${isCredit ? "credit" : "debit"} ${amount}, in mt940js ${two.transactions[place].amount}`));
  const change = one.transactions.reduce((sum, { isCredit, amount }) => sum + (isCredit ? amount : -amount), 0);
  console.log(`${one.openingBalance.value} and ${change} make ${one.openingBalance.value + change}, not ${one.closingBalance.value}`);
})();
NODE
seen=$(node "$folder/script.cjs")
echo "mt940-js 1.0.0, a check that was returned and a fee that was given back:"
echo "$seen"
test "$seen" = "PATIENT CHECK: credit 150, in mt940js 150
RETURNED CHECK: credit 150, in mt940js -150
FEE: debit 10, in mt940js -10
FEE RETURNED: debit 10, in mt940js 10
1000 and 280 make 1280, not 1000"
