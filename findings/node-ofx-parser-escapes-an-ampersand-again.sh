#!/usr/bin/env bash
# node-ofx-parser 0.5.1 (npm): a payer named A & B is read as A &amp;amp;amp; B from a bank's statement.
#
# In OFX, & is written as &amp; and < as &lt;.
# Expected: A & B, as ofx-js reads it.
# Seen: the & of each escape is escaped twice more. A name without these signs is read as it is.
# It matters because the deposit of A & B finds no payer of that name, and each reader that shows the name as HTML shows
# the escapes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" node-ofx-parser@0.5.1 ofx-js@1.1.1 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const one = require("node-ofx-parser");
const two = require("ofx-js");
const statement = `OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

<OFX>
<BANKMSGSRSV1><STMTTRNRS><STMTRS>
<BANKTRANLIST>
<STMTTRN>
<TRNTYPE>CREDIT
<DTPOSTED>20260105
<TRNAMT>70.50
<FITID>1
<NAME>EXAMPLE A &amp; B
</STMTTRN>
<STMTTRN>
<TRNTYPE>CREDIT
<DTPOSTED>20260105
<TRNAMT>20.00
<FITID>2
<NAME>EXAMPLE PLAN
</STMTTRN>
</BANKTRANLIST>
</STMTRS></STMTTRNRS></BANKMSGSRSV1>
</OFX>
`;
const names = (file) => file.OFX.BANKMSGSRSV1.STMTTRNRS.STMTRS.BANKTRANLIST.STMTTRN.map(({ NAME }) => NAME).join(", ");
(async () => {
  console.log("node-ofx-parser:", names(one.parse(statement)));
  console.log("ofx-js:", names(await two.parse(statement)));
})();
NODE
seen=$(node "$folder/script.cjs")
echo "node-ofx-parser 0.5.1 and ofx-js 1.1.1 on <NAME>EXAMPLE A &amp; B:"
echo "$seen"
test "$seen" = "node-ofx-parser: EXAMPLE A &amp;amp;amp; B, EXAMPLE PLAN
ofx-js: EXAMPLE A & B, EXAMPLE PLAN"
