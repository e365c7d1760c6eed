#!/usr/bin/env bash
# csv2ofx 0.34.2: two copays of $25.00 on one day are written with the same ID, and two OFX libraries cannot read the
# file.
#
# In OFX, FITID is unique for each transaction of an account, and programs use it to omit those that they have. A text
# has & as &amp;. TRNUID is required, and a header comes first. csv2ofx makes OFX of a bank's CSV file, and has mappings
# for some banks.
# Expected (our guess before the first run): each transaction has its own ID, and A & B is written as A &amp; B.
# Seen: without a check number, the ID is a hash of the other fields, so both copays have the same one. A & B is A &amp
# B, without the semicolon. TRNUID is empty, and the header has two of its nine lines. ofxparse 0.21 raises IndexError,
# and ofxtools 1.1.1 OFXHeaderError. Parentheses around an amount are refused with a message.
# It matters because the second patient's copay is omitted as a duplicate, and the patient is billed again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" csv2ofx==0.34.2 ofxparse==0.21 ofxtools==1.1.1 2>/dev/null
cat >"$folder/bank.csv" <<'CSV'
Date,Check Number,Description,Amount,Comments
01/02/2026,,A & B HEALTH,145.50,DEPOSIT
01/05/2026,,CARD PAYMENT,25.00,COPAY
01/05/2026,,CARD PAYMENT,25.00,COPAY
01/06/2026,1001,REFUND,-20.00,CHECK
CSV
cat >"$folder/script.py" <<'PYTHON'
import re
import sys
from collections import Counter

from ofxparse import OfxParser
from ofxtools.Parser import OFXTree

with open(sys.argv[1]) as file:
    text = file.read()
ids = Counter(re.findall("<FITID>(.*)</FITID>", text))
print(len(re.findall("<STMTTRN>", text)), "transactions,", len(ids), "IDs,", re.findall("A &.*HEALTH", text))
for name, read in (("ofxparse", OfxParser.parse), ("ofxtools", OFXTree().parse)):
    try:
        with open(sys.argv[1], "rb") as file:
            read(file)
        print(name, "reads it")
    except Exception as error:
        print(name, type(error).__name__)
PYTHON
PYTHONPATH="$folder/libraries" python3 -W ignore -m csv2ofx.main -m creditunion -D 2026-01-07 -e 2026-01-31 \
    "$folder/bank.csv" "$folder/bank.ofx"
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/bank.ofx")
echo "csv2ofx 0.34.2, and what ofxparse 0.21 and ofxtools 1.1.1 do with its file:"
echo "$seen"
test "$seen" = "4 transactions, 3 IDs, ['A &amp B HEALTH']
ofxparse IndexError
ofxtools OFXHeaderError"
