#!/usr/bin/env bash
# pylightxl 1.61: a payer named A & B is written as A &amp; B, for other readers and for its own.
#
# In a workbook's XML, an & of a text is written once as &amp;.
# Expected: each reader returns the text that was written.
# Seen: the file contains &amp;amp;, so openpyxl, python-calamine and pylightxl itself read A &amp; B. An apostrophe, an
# angle bracket and an é are read as they were written.
# It matters because each payer and practice with an & in its name is a new one in every import, so exclusions and
# settings by payer do not apply to it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" pylightxl==1.61 openpyxl==3.1.5 python-calamine==0.9.1 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys

import openpyxl
import pylightxl
from python_calamine import CalamineWorkbook

path = sys.argv[1]
book = pylightxl.Database()
book.add_ws("Claims")
for column, payer in enumerate(("A & B Health", "O'Brien Clinic", "<65 Plan", "Café Plan"), 1):
    book.ws("Claims").update_index(1, column, payer)
pylightxl.writexl(book, path)
print("pylightxl", pylightxl.readxl(path).ws("Claims").row(1))
print("openpyxl", [cell.value for cell in openpyxl.load_workbook(path).active[1]])
print("calamine", CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()[0])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/book.xlsx")
echo "pylightxl 1.61, read by itself, python-calamine 0.9.1 and openpyxl 3.1.5:"
echo "$seen"
test "$seen" = "pylightxl ['A &amp; B Health', \"O'Brien Clinic\", '<65 Plan', 'Café Plan']
openpyxl ['A &amp; B Health', \"O'Brien Clinic\", '<65 Plan', 'Café Plan']
calamine ['A &amp; B Health', \"O'Brien Clinic\", '<65 Plan', 'Café Plan']"
