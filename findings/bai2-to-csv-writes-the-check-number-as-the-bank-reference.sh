#!/usr/bin/env bash
# bai2-to-csv 0.1.0: the column of the customer's reference has the text of a deposit, and the check number is in
# another.
#
# A BAI2 transaction (16) has the type, the amount, the funds type, the bank's reference, the customer's reference and a
# text. The text is optional, and a record 88 may continue it. The CSV has a column for each.
# Expected: the text is in transaction_text, and the references are in their columns. bai2 0.15.0 reads them so.
# Seen: the last two fields of the record are taken for the references. With a text in it, the customer's reference is
# HCCLAIMPMT, the bank's reference is the check number, and BREF1 is lost. transaction_text has only what a record 88
# says.
# It matters because deposits are matched to remittances by the check number in the customer's reference.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" bai2-to-csv==0.1.0 bai2==0.15.0 pandas==2.3.3 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys

from bai2 import bai2
from bai2_to_csv import Bai2Converter

RECORDS = [
    "01,122099999,123456789,260105,0930,1,80,,2/",
    "02,123456789,122099999,1,260105,0930,USD,2/",
    "03,0013579,USD,010,100000,,/",
    "88,015,129100,,/",
    "16,142,14550,Z,BREF1,CHK0042/",
    "16,142,14550,Z,BREF1,CHK0042,HCCLAIMPMT",
    "88,TRN*1*CHK0042*1512345678",
    "49,258200,6/",
    "98,258200,1,8/",
    "99,258200,1,10/",
]
with open(sys.argv[1], "w") as file:
    file.write("\n".join(RECORDS) + "\n")
_, details = Bai2Converter().convert_to_dataframes(sys.argv[1])
columns = ["bank_reference", "customer_reference", "transaction_text"]
for row in details[columns].to_dict("records"):
    print(list(row.values()))
with open(sys.argv[1]) as file:
    account = bai2.parse_from_file(file).children[0].children[0]
for row in account.children:
    print("bai2", [row.bank_reference, row.customer_reference, row.text])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/file.bai")
echo "bai2-to-csv 0.1.0 and bai2 0.15.0, the bank's reference, the customer's reference and the text:"
echo "$seen"
test "$seen" = "['BREF1', 'CHK0042', '']
['CHK0042', 'HCCLAIMPMT', 'TRN*1*CHK0042*1512345678']
bai2 ['BREF1', 'CHK0042', None]
bai2 ['BREF1', 'CHK0042', 'HCCLAIMPMT TRN*1*CHK0042*1512345678']"
