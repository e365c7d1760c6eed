#!/usr/bin/env bash
# bankstatementparser 0.0.29: the lines that continue a BAI2 record are dropped, with the check number and with
# balances.
#
# In BAI2, a record 88 continues the record before it: the text of a transaction (16), or the balances of an account
# (03). For a payer's deposit, that text is the addendum TRN, which names the remittance that the deposit belongs to.
# Expected (our guess before the first run): the text is HCCLAIMPMT and TRN*1*CHK0042*1512345678, in one field.
# Seen: the text is HCCLAIMPMT. The continuation is in no field, and the closing balance, which is in another
# continuation, is None. bai2 0.15.0 returns both. No error is raised.
# It matters because a deposit without TRN cannot be matched to its remittance, and must be searched for by its amount.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" bankstatementparser==0.0.29 bai2==0.15.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys
from pathlib import Path

from bai2 import bai2
from bankstatementparser import Bai2Parser

path = Path(sys.argv[1])
path.write_text(
    "01,122099999,123456789,260105,0815,1,80,1,2/\n02,031001234,122099999,1,260105,,USD,2/\n"
    "03,0123456789,USD,010,100000,,/\n88,015,250000,,/\n16,165,150000,Z,BANK1,CUSTOMER1,HCCLAIMPMT\n"
    "88,TRN*1*CHK0042*1512345678\n49,500000,5/\n98,500000,1,7/\n99,500000,1,9/\n"
)
account = bai2.parse_from_string(path.read_text()).children[0].children[0]
print("bai2", {item.type_code.code: item.amount for item in account.header.summary_items}, repr(account.children[0].text))
parser = Bai2Parser(str(path))
row = parser.parse().to_dict("records")[0]
print("bankstatementparser", parser.get_summary()["closing_balance"], {key: str(value) for key, value in row.items()})
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/deposit.bai")
echo "bai2 0.15.0 and bankstatementparser 0.0.29, the balances and the transaction:"
echo "$seen"
test "$seen" = "bai2 {'010': 100000, '015': 250000} 'HCCLAIMPMT TRN*1*CHK0042*1512345678'
bankstatementparser None {'AccountId': '0123456789', 'Currency': 'USD', 'Amount': '1500', 'BookgDt': '2026-01-05', 'ValDt': '2026-01-05', 'description': 'HCCLAIMPMT', 'Reference': 'CUSTOMER1', 'transaction_id': 'BANK1', 'amount': '1500', 'currency': 'USD', 'account_id': '0123456789', 'date': '2026-01-05'}"
