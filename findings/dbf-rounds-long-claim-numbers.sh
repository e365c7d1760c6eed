#!/usr/bin/env bash
# dbf 0.99.11: a claim number with 17 digits is written with other digits.
#
# Older practice systems keep their tables in dBase and FoxPro files. A field N(18,0) holds a whole number of 18 digits as
# text, and payers' claim numbers often have 17.
# Expected: the digits of the Python int are written as they are, or an error is raised.
# Seen: three claims that end in 347, 348 and 349 are all written as 20260105000012348, and the one that ends in 350 as
# 20260105000012352. No error is raised.
# It matters because a payment then finds another patient's claim.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" dbf==0.99.11 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import re
import sys

import dbf

FIRST = 20260105000012347
table = dbf.Table(sys.argv[1], "claim N(18,0)")
table.open(dbf.READ_WRITE)
for claim in range(FIRST, FIRST + 4):
    table.append((claim,))
table.close()
with open(sys.argv[1], "rb") as file:
    print(re.findall(rb"\d{17}", file.read()))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/claims.dbf")
echo "dbf 0.99.11, the digits in the file for 20260105000012347 to 20260105000012350:"
echo "$seen"
test "$seen" = "[b'20260105000012348', b'20260105000012348', b'20260105000012348', b'20260105000012352']"
