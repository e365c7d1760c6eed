#!/usr/bin/env bash
# iso20022.js 0.0.15 (npm): a deposit of $1.15 is read as 114.99999999999999 cents, and a reversal is not marked as one.
#
# A camt.053 statement has amounts with two decimals. RvslInd is true for an entry that takes an earlier one back. An
# account's number may begin with zeros. The library gives amounts in cents and has a field reversal.
# Expected (our guess before the first run): amounts are whole cents, reversal is true, and 0013579 is 0013579.
# Seen: 1.15 is 114.99999999999999, and 20.10 is 2010.0000000000002. Of the amounts from $0.01 to $29.99, 286 are not
# whole. reversal is false for RvslInd true. The account is 13579. No error is raised.
# It matters because an amount that is compared with a remittance's, or cut to whole cents, is not equal to it. A
# returned deposit is a debit without a reason.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" iso20022.js@0.0.15 >/dev/null
cat >"$folder/script.mjs" <<'NODE'
import { CashManagementEndOfDayReport } from "iso20022.js";

const entry = (amount, sign, reversal) => `<Ntry><Amt Ccy="USD">${amount}</Amt><CdtDbtInd>${sign}</CdtDbtInd>
  ${reversal ? "<RvslInd>true</RvslInd>" : ""}<Sts>BOOK</Sts><BookgDt><Dt>2026-01-05</Dt></BookgDt>
  <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd></Ntry>`;
const balance = (code) => `<Bal><Tp><CdOrPrtry><Cd>${code}</Cd></CdOrPrtry></Tp><Amt Ccy="USD">1000.00</Amt>
  <CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-01-05</Dt></Dt></Bal>`;
const read = (entries) => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
    <Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
    <GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-01-05T20:00:00</CreDtTm></GrpHdr>
    <Stmt><Id>S1</Id><ElctrncSeqNb>1</ElctrncSeqNb><CreDtTm>2026-01-05T20:00:00</CreDtTm>
    <Acct><Id><Othr><Id>0013579</Id></Othr></Id><Ccy>USD</Ccy>
    <Svcr><FinInstnId><BIC>EXAMUS33</BIC></FinInstnId></Svcr></Acct>
    ${balance("OPBD")}${balance("CLBD")}${entries.join("")}</Stmt></BkToCstmrStmt></Document>`;
  return CashManagementEndOfDayReport.fromXML(xml).statements[0];
};
const statement = read([entry("1.15", "CRDT"), entry("20.10", "DBIT"), entry("75.00", "DBIT", true)]);
console.log(statement.account.accountNumber);
for (const row of statement.entries) console.log(row.amount, row.creditDebitIndicator, row.reversal);
const amounts = Array.from({ length: 2999 }, (_, index) => ((index + 1) / 100).toFixed(2));
const cents = read(amounts.map((amount) => entry(amount, "CRDT"))).entries.map((row) => row.amount);
console.log(cents.filter((cent) => !Number.isInteger(cent)).length, "of", cents.length);
NODE
seen=$(node "$folder/script.mjs")
echo "iso20022.js 0.0.15, the account, three entries, and the amounts from \$0.01 to \$29.99 that are not whole cents:"
echo "$seen"
test "$seen" = "13579
114.99999999999999 credit false
2010.0000000000002 debit false
7500 debit false
286 of 2999"
