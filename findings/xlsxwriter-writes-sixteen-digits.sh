#!/usr/bin/env bash
# XlsxWriter 3.3.1: a float is written with sixteen digits, so 999.94 is stored as 999.9400000000001.
#
# Expected: write_number stores the shortest text that reads back as the same float, as repr does.
# Seen: of the amounts from $0.01 to $2,999.99, 9,045 are stored with extra digits. A Decimal of the same amount is
# stored as it is.
# It matters because a program that reads the sheet's XML sums amounts that differ from the ledger's cents.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" XlsxWriter==3.3.1
cat >"$folder/script.py" <<'PYTHON'
import re
import sys
import zipfile
from decimal import Decimal

import xlsxwriter

CENTS = range(1, 300_000)
path = sys.argv[1]
with xlsxwriter.Workbook(path) as book:
    floats, decimals = book.add_worksheet(), book.add_worksheet()
    for row, cents in enumerate(CENTS):
        floats.write_number(row, 0, cents / 100)
        decimals.write_number(row, 0, Decimal(cents) / 100)
with zipfile.ZipFile(path) as file:
    sheets = [re.findall("<v>(.*?)</v>", file.read(f"xl/worksheets/sheet{n}.xml").decode()) for n in (1, 2)]
differ = [sum(len(v) > len("2999.99") for v in sheet) for sheet in sheets]
print(sheets[0][99_993], differ)
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py" "$folder/book.xlsx")
echo "XlsxWriter 3.3.1: 999.94 is stored as ${seen% \[*}; differing floats and Decimals: [${seen#*\[}"
test "$seen" = "999.9400000000001 [9045, 0]"
