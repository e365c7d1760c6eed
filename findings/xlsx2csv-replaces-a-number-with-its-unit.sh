#!/usr/bin/env bash
# xlsx2csv 0.8.6 and pylightxl 1.61: a number whose format has a quoted word is read as a date, and the number is lost.
#
# In Excel's number format 0 "days", the quoted word is only text: a cell of 45 shows 45 days.
# Expected: 45, or 45 days, as from openpyxl and python-calamine.
# Seen: xlsx2csv writes 0 "13ays", because it puts the day of the month of date 45 in place of the letter d. Claim number 7
# in format "CLM-"000 becomes "cl01-"000, and so do claims 8 to 31. pylightxl returns 1900/02/13 for 45 days and reads the
# claim number as it is.
# It matters because an aging column loses its days, and different claims get the same claim number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" xlsx2csv==0.8.6 pylightxl==1.61 XlsxWriter==3.3.1 openpyxl==3.1.5 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import csv
import io
import sys

import openpyxl
import pylightxl
import xlsxwriter
from xlsx2csv import Xlsx2csv

path = sys.argv[1]
with xlsxwriter.Workbook(path) as book:
    sheet = book.add_worksheet("Claims")
    sheet.write_number(0, 0, 45, book.add_format({"num_format": '0 "days"'}))
    for column, claim in enumerate((7, 8, 31), 1):
        sheet.write_number(0, column, claim, book.add_format({"num_format": '"CLM-"000'}))
text = io.StringIO()
Xlsx2csv(path).convert(text)
print("xlsx2csv", next(csv.reader(io.StringIO(text.getvalue()))))
print("pylightxl", next(iter(pylightxl.readxl(path).ws("Claims").rows)))
print("openpyxl", [cell.value for cell in openpyxl.load_workbook(path).active[1]])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/book.xlsx")
echo "xlsx2csv 0.8.6, pylightxl 1.61 and openpyxl 3.1.5 on 45 days and claims 7, 8 and 31:"
echo "$seen"
test "$seen" = "xlsx2csv ['0 \"13ays\"', '\"cl01-\"000', '\"cl01-\"000', '\"cl01-\"000']
pylightxl ['1900/02/13 00:00:00', 7, 8, 31]
openpyxl [45, 7, 8, 31]"
