#!/usr/bin/env bash
# csvmedic 0.1.3: a column of diagnosis codes is read as empty, with full confidence.
#
# The library detects numbers, dates and texts in a CSV file, keeps leading zeros, and says what it converted. ICD-10
# codes are a letter, digits and often a point. A few procedure codes and modifiers have a letter too: 0001F, G0008, 1P.
# Expected: a column in which a value is not a number stays text.
# Seen: E11.9, I10, J45.909 and M54.50 are all NaN, and the column is reported as integer with a confidence of 100
# percent. 99213 is 99213.0, and 0001F and G0008 are NaN. The modifier 1P is NaN. Claim numbers such as C17 stay texts.
# No error is raised.
# It matters because claims that are read this way have no diagnosis, and a report by procedure leaves services out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" csvmedic==0.1.3 pandas==2.3.3 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys

import csvmedic

ROWS = [
    "claim,diagnosis,procedure,modifier", "C17,E11.9,99213,25", "C18,I10,99214,59", "C19,J45.909,0001F,1P",
    "C20,M54.50,G0008,25",
]
with open(sys.argv[1], "w") as file:
    file.write("\n".join(ROWS) + "\n")
frame = csvmedic.read(sys.argv[1])
for name in frame.columns:
    print(name, frame[name].tolist())
print([line.strip() for line in str(frame.attrs["diagnosis"]).splitlines() if " diagnosis:" in line])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/claims.csv")
echo "csvmedic 0.1.3, the columns of the data frame:"
echo "$seen"
test "$seen" = "claim ['C17', 'C18', 'C19', 'C20']
diagnosis [nan, nan, nan, nan]
procedure [99213.0, 99214.0, nan, nan]
modifier [25.0, 59.0, nan, 25.0]
['✓ diagnosis: integer (confidence: 100%, converted)']"
