#!/usr/bin/env bash
# @midlandsbank/node-nacha 0.4.0 (npm): a payment file of ten records gets ten records of nines, and its count of blocks
# is wrong.
#
# An ACH file is written in blocks of ten records. Records of nines fill the last block. The file's control record says
# how many blocks there are.
# Expected: six refunds make ten records, so nothing is to be filled.
# Seen: six refunds make twenty records, ten of them nines, and the control record says one block. Sixteen refunds make
# thirty records and two blocks. Other numbers of refunds are right.
# It matters because a bank that compares the count with the file refuses it, for every tenth size of a batch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" @midlandsbank/node-nacha@0.4.0 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const nacha = require("@midlandsbank/node-nacha");
for (const refunds of [5, 6, 7, 16]) {
  let file = nacha
    .create({ from: { name: "EXAMPLE CLINIC", fein: "123456789" }, for: { name: "EXAMPLE BANK", routing: "011401533" } })
    .ppd({ effectiveDate: "260105", description: "REFUND" });
  for (let number = 0; number < refunds; number++)
    file = file.credit({ name: "SAMPLE PETRA", account: { num: "13579", type: "C" }, routing: "011401533", amount: 1050 });
  const records = nacha.from(file).to("ach").split("\n").filter(Boolean);
  const filled = records.filter((record) => /^9{94}$/.test(record)).length;
  const control = records[records.length - filled - 1];
  console.log(`${refunds} refunds: ${records.length} records, ${filled} of nines, ${Number(control.slice(7, 13))} blocks`);
}
NODE
seen=$(node "$folder/script.cjs")
echo "@midlandsbank/node-nacha 0.4.0, the records of a file and the blocks that it says it has:"
echo "$seen"
test "$seen" = "5 refunds: 10 records, 1 of nines, 1 blocks
6 refunds: 20 records, 10 of nines, 1 blocks
7 refunds: 20 records, 9 of nines, 2 blocks
16 refunds: 30 records, 10 of nines, 2 blocks"
