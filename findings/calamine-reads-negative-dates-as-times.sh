#!/usr/bin/env bash
# python-calamine 0.9.1: a negative number in a date format is read as a time of day, and its whole part is lost.
#
# Expected: the number, as for a number above the last date (2958466 is read as 2958466.0), or the date before 1900.
# Seen: -1, -45992 and -7 are all read as midnight, and -12.34 as 15:50:24. openpyxl returns the date before 1900, from
# which the number can be recovered.
# It matters because a negative balance in a column that was formatted as dates by mistake cannot be recovered, or even
# distinguished from a time.
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
    sheet, dates = book.add_worksheet(), book.add_format({"num_format": "mm/dd/yyyy"})
    for row, number in enumerate((-1, -7, -45992, -12.34, 2958466)):
        sheet.write_number(row, 0, number, dates)
print(*(row[0] for row in CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()), sep=" | ")
print(openpyxl.load_workbook(path).active["A4"].value)
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/book.xlsx")
echo "python-calamine 0.9.1, then openpyxl 3.1.5 on -12.34:"
echo "$seen"
test "$seen" = "00:00:00 | 00:00:00 | 00:00:00 | 15:50:24 | 2958466.0
1899-12-17 15:50:24"
