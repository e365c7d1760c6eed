#!/usr/bin/env bash
# xlsx-populate 1.21.0 (npm): openpyxl cannot open a workbook in which a cell is bold or shows two decimals.
#
# A workbook's styles have a list of fills, and each fill has a pattern or a gradient in it.
# Expected (our guess before the first run): openpyxl 3.1.5 reads the texts and amounts that xlsx-populate wrote.
# Seen: for each style of a cell, an empty fill is added to the list. openpyxl raises TypeError, and pandas, which uses
# it, too. Without a style, the file is read. python-calamine 0.9.1 reads both.
# It matters because the office's export opens in Excel, and the import that reads it with openpyxl refuses it. The
# message names a fill, although no cell has a color.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" xlsx-populate@1.21.0 >/dev/null
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" openpyxl==3.1.5 python-calamine==0.9.1 2>/dev/null
cat >"$folder/script.cjs" <<'NODE'
const populate = require("xlsx-populate");

(async () => {
  for (const [name, style, value] of [["plain"], ["bold", "bold", true], ["amount", "numberFormat", "#,##0.00"]]) {
    const book = await populate.fromBlankAsync();
    book.sheet(0).cell("A1").value("00742");
    const cell = book.sheet(0).cell("B1").value(1234.5);
    if (style) cell.style(style, value);
    await book.toFileAsync(`${process.argv[2]}/${name}.xlsx`);
  }
})();
NODE
cat >"$folder/script.py" <<'PYTHON'
import sys

import openpyxl
from python_calamine import CalamineWorkbook

for name in ("plain", "bold", "amount"):
    path = f"{sys.argv[1]}/{name}.xlsx"
    try:
        seen = [[cell.value for cell in row] for row in openpyxl.load_workbook(path).active]
    except TypeError as error:
        seen = f"TypeError: {error}"
    print(name, seen, CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python())
PYTHON
node "$folder/script.cjs" "$folder"
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py" "$folder")
echo "What openpyxl 3.1.5 and python-calamine 0.9.1 read from xlsx-populate 1.21.0:"
echo "$seen"
test "$seen" = "plain [['00742', 1234.5]] [['00742', 1234.5]]
bold TypeError: expected <class 'openpyxl.styles.fills.Fill'> [['00742', 1234.5]]
amount TypeError: expected <class 'openpyxl.styles.fills.Fill'> [['00742', 1234.5]]"
