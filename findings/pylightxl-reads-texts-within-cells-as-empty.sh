#!/usr/bin/env bash
# pylightxl 1.61: a workbook's texts are read as empty if they are in their cells and not in the shared table.
#
# A cell's text may be in the workbook's table of shared strings, or in the cell itself (inlineStr). Programs that write
# large files row by row use the second form, as XlsxWriter does with constant_memory.
# Expected (our guess before the first run): both forms are read alike.
# Seen: with texts in the cells, each is ''. The numbers are there. With shared strings, all is right. openpyxl and
# python-calamine read both. No error is raised.
# It matters because an export of claims comes back as amounts without claim numbers, patients or headings.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" pylightxl==1.61 XlsxWriter==3.3.1 openpyxl==3.1.5 python-calamine==0.9.1 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys

import openpyxl
import pylightxl
import xlsxwriter
from python_calamine import CalamineWorkbook

ROWS = [["claim", "amount"], ["00742", 123.45]]
for constant_memory in (False, True):
    with xlsxwriter.Workbook(sys.argv[1], {"constant_memory": constant_memory}) as book:
        sheet = book.add_worksheet("Claims")
        for number, row in enumerate(ROWS):
            sheet.write_row(number, 0, row)
    seen = [list(row) for row in pylightxl.readxl(sys.argv[1]).ws("Claims").rows]
    peers = [
        [[cell.value for cell in row] for row in openpyxl.load_workbook(sys.argv[1]).active],
        CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_index(0).to_python(),
    ]
    print(constant_memory, seen, [peer == ROWS for peer in peers])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py" "$folder/claims.xlsx")
echo "Texts in the cells or not, pylightxl 1.61, and whether openpyxl 3.1.5 and python-calamine 0.9.1 are right:"
echo "$seen"
test "$seen" = "False [['claim', 'amount'], ['00742', 123.45]] [True, True]
True [['', ''], ['', 123.45]] [True, True]"
