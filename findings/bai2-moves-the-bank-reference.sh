#!/usr/bin/env bash
# bai2 0.15.0: a transaction that is read and written again has its bank reference in the place of another field.
#
# In a BAI2 transaction record (16), the bank's reference and the customer's reference follow the funds type. Types 0, 1, 2
# and Z have no fields of their own in between.
# Expected: reading a file and writing it gives the same transaction.
# Seen: the writer adds an empty field after funds type Z, 0 or none. The next reader finds no bank reference, takes it for
# the customer reference, and puts the customer reference in front of the text. Types S and V are written as they were read.
# The file's control totals stay right, so no check finds it.
# It matters because deposits are matched to remittances by these references, often the check or trace number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" bai2==0.15.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from bai2 import bai2


def read(text: str) -> list[str | None]:
    """Return the references and the text of the only transaction, after the checks of counts and totals."""
    one = bai2.parse_from_string(text).children[0].children[0].children[0]
    return [one.bank_reference, one.customer_reference, one.text]


for funds in ("Z", "0", "", "S,100000,50000,0", "V,260107,0900"):
    before = (
        "01,122099999,123456789,260105,0815,1,80,1,2/\n02,031001234,122099999,1,260105,,USD,2/\n03,0123456789,USD,015,150000,,/\n"
        f"16,165,150000,{funds},BANK1,CHECK9001,HCCLAIMPMT\n49,300000,3/\n98,300000,1,5/\n99,300000,1,7/\n"
    )
    print(f"{funds!r}:", read(before), read(bai2.write(bai2.parse_from_string(before))))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "bai2 0.15.0, the fields as they are read, and after they were written and read again:"
echo "$seen"
test "$seen" = "'Z': ['BANK1', 'CHECK9001', 'HCCLAIMPMT'] [None, 'BANK1', 'CHECK9001,HCCLAIMPMT']
'0': ['BANK1', 'CHECK9001', 'HCCLAIMPMT'] [None, 'BANK1', 'CHECK9001,HCCLAIMPMT']
'': ['BANK1', 'CHECK9001', 'HCCLAIMPMT'] [None, 'BANK1', 'CHECK9001,HCCLAIMPMT']
'S,100000,50000,0': ['BANK1', 'CHECK9001', 'HCCLAIMPMT'] ['BANK1', 'CHECK9001', 'HCCLAIMPMT']
'V,260107,0900': ['BANK1', 'CHECK9001', 'HCCLAIMPMT'] ['BANK1', 'CHECK9001', 'HCCLAIMPMT']"
