#!/usr/bin/env bash
# ofx-data-extractor 1.5.0 (npm): the summary of a statement without line breaks says that no money came in.
#
# In OFX 1, a value ends where the next tag begins. Line breaks between tags mean nothing, and some banks send a
# statement on one line. The documentation says that in the default mode, strict, an error is thrown.
# Expected (our guess before the first run): the summary's credit is the sum of the positive amounts.
# Seen: with each tag on a line, the credit is 220.5, from two deposits. On one line it is 0, from none, and the dates
# are empty. The list of the same transactions throws a SyntaxError. ofx-js 1.1.1 reads the one line.
# It matters because a program that shows the sum of a day's deposits shows 0, and nothing tells it from a day without
# payments.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" ofx-data-extractor@1.5.0 ofx-js@1.1.1 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { Ofx } = require("ofx-data-extractor");
const { parse } = require("ofx-js");

const header = ["OFXHEADER:100", "DATA:OFXSGML", "VERSION:102", "SECURITY:NONE", "ENCODING:USASCII", "CHARSET:1252",
  "COMPRESSION:NONE", "OLDFILEUID:NONE", "NEWFILEUID:NONE", "", ""].join("\n");
const status = ["<STATUS>", "<CODE>0", "<SEVERITY>INFO", "</STATUS>"];
const deposit = (id, amount) => [
  "<STMTTRN>", "<TRNTYPE>CREDIT", "<DTPOSTED>20260131", `<TRNAMT>${amount}`, `<FITID>${id}`, "<NAME>PLAN A",
  "</STMTTRN>",
];
const tags = [
  "<OFX>", "<SIGNONMSGSRSV1>", "<SONRS>", ...status, "<DTSERVER>20260201", "<LANGUAGE>ENG", "</SONRS>",
  "</SIGNONMSGSRSV1>", "<BANKMSGSRSV1>", "<STMTTRNRS>", "<TRNUID>1", ...status, "<STMTRS>", "<CURDEF>USD",
  "<BANKACCTFROM>", "<BANKID>011401533", "<ACCTID>13579", "<ACCTTYPE>CHECKING", "</BANKACCTFROM>", "<BANKTRANLIST>",
  "<DTSTART>20260101", "<DTEND>20260131", ...deposit("F1", "145.50"), ...deposit("F2", "75.00"), "</BANKTRANLIST>",
  "<LEDGERBAL>", "<BALAMT>1220.50", "<DTASOF>20260131", "</LEDGERBAL>", "</STMTRS>", "</STMTTRNRS>",
  "</BANKMSGSRSV1>", "</OFX>",
];
const list = (text) => {
  try {
    return `${new Ofx(text).getBankTransferList().length} transactions`;
  } catch (error) {
    return error.name;
  }
};
(async () => {
  for (const [name, separator] of [["lines", "\n"], ["one line", ""]]) {
    const text = header + tags.join(separator) + "\n";
    const { credit, amountOfCredits, dateStart } = new Ofx(text).getTransactionsSummary();
    const peer = (await parse(text)).OFX.BANKMSGSRSV1.STMTTRNRS.STMTRS.BANKTRANLIST.STMTTRN.map((row) => row.TRNAMT);
    console.log(name, JSON.stringify({ credit, amountOfCredits, dateStart }), list(text), JSON.stringify(peer));
  }
})();
NODE
seen=$(node "$folder/script.cjs")
echo "ofx-data-extractor 1.5.0, its summary and its list, and ofx-js 1.1.1:"
echo "$seen"
test "$seen" = 'lines {"credit":220.5,"amountOfCredits":2,"dateStart":"2026-01-01"} 2 transactions ["145.50","75.00"]
one line {"credit":0,"amountOfCredits":0,"dateStart":""} SyntaxError ["145.50","75.00"]'
