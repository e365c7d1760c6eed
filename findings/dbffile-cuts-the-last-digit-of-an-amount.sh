#!/usr/bin/env bash
# dbffile 1.13.0 (npm): an amount that is too long for its field is written without its last digits.
#
# A numeric field of a DBF file has a width, which includes the point and the sign: 10 with 2 decimals in this file.
# Expected: an error, as dbf 0.99.11 (Python) raises for the same field.
# Seen: -1234567.89 is written as -1234567.8, and 123456789.12 as 123456789. No error is raised.
# It matters because a total that is carried to another program loses cents, and no step says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" dbffile@1.13.0 >/dev/null
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" dbf==0.99.11 2>/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { DBFFile } = require("dbffile");
(async () => {
  const path = process.argv[2];
  const file = await DBFFile.create(path, [{ name: "DUE", type: "N", size: 10, decimalPlaces: 2 }]);
  const written = [70.5, 1234567.89, -1234567.89, 123456789.12];
  await file.appendRecords(written.map((DUE) => ({ DUE })));
  const read = await (await DBFFile.open(path)).readRecords();
  console.log("dbffile:", written.map((due, place) => `${due} is ${read[place].DUE}`).join(", "));
})();
NODE
cat >"$folder/script.py" <<'PYTHON'
import sys
from decimal import Decimal

import dbf

with dbf.Table(sys.argv[1], "due N(10, 2)").open(dbf.READ_WRITE) as table:
    for due in ("70.50", "1234567.89", "-1234567.89", "123456789.12"):
        try:
            table.append((Decimal(due),))
        except dbf.DataOverflowError:
            print(f"dbf: {due} raises DataOverflowError")
PYTHON
seen=$(node "$folder/script.cjs" "$folder/one.dbf"; PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/two.dbf")
echo "Amounts in a field of ten characters with two decimals:"
echo "$seen"
test "$seen" = "dbffile: 70.5 is 70.5, 1234567.89 is 1234567.89, -1234567.89 is -1234567.8, 123456789.12 is 123456789
dbf: -1234567.89 raises DataOverflowError
dbf: 123456789.12 raises DataOverflowError"
