#!/usr/bin/env bash
# python-calamine 0.9.1: a cell with an error value, such as #N/A, is read as an empty string.
#
# Expected: the error's text, or an exception, so that a failed lookup differs from an empty cell.
# Seen: to_python and iter_rows both return "" for #N/A, #REF! and #DIV/0!, as for a blank cell. openpyxl returns the
# error's text.
# It matters because in an amount column filled by a lookup, a failed lookup would be read as "no balance".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" python-calamine==0.9.1 XlsxWriter==3.3.1 openpyxl==3.1.5
cat >"$folder/script.py" <<'PYTHON'
import sys

import openpyxl
import xlsxwriter
from python_calamine import CalamineWorkbook

path = sys.argv[1]
with xlsxwriter.Workbook(path) as book:
    sheet = book.add_worksheet()
    for row, error in enumerate(("#N/A", "#REF!", "#DIV/0!")):
        sheet.write_formula(row, 0, "=VLOOKUP(B1,C1:D9,2)", None, error)
        sheet.write_number(row, 1, row)
read = CalamineWorkbook.from_path(path).get_sheet_by_index(0)
peer = openpyxl.load_workbook(path, data_only=True).active
print([row[0] for row in read.to_python()], [row[0] for row in read.iter_rows()], [cell.value for cell in peer["A"]])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py" "$folder/book.xlsx")
echo "python-calamine 0.9.1 (to_python, iter_rows) and openpyxl 3.1.5: $seen"
test "$seen" = "['', '', ''] ['', '', ''] ['#N/A', '#REF!', '#DIV/0!']"
