#!/usr/bin/env bash
# validedi 0.4.0: a remittance that balances is reported as out of balance, and an amount is taken for a claim number.
#
# The three balances of an 835: a line's charge less its adjustments is its payment. A claim's charge less its own and
# its lines' adjustments is the claim's payment. The claims' payments less the adjustments in PLB are the check.
# Expected: validate says nothing about a remittance in which all three are right.
# Seen: three warnings. The adjustments of lines are not counted for the claim. PLB is not subtracted from the check.
# The amount 10 in PLB04 is looked for among the claim numbers.
# It matters because a warning on each claim that is adjusted by line hides the claim that is short.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" validedi==0.4.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys
from pathlib import Path

import validedi

BODY = """ST*835*0001
BPR*I*130*C*ACH*CCP*01*011401533*DA*0072*1999999999**01*011401533*DA*0073*20260109
TRN*1*9001*1999999999
DTM*405*20260105
N1*PR*EXAMPLE PLAN
N3*1 MAIN ST
N4*DENVER*CO*80201
PER*BL*HELP*TE*3035550100
N1*PE*EXAMPLE CLINIC*XX*1234567893
LX*1
CLP*A1*1*200*140**12*ICN1*11*1
NM1*QC*1*SAMPLE*PETRA****MI*W1
SVC*HC:99213*150*90**1
DTM*472*20260102
CAS*CO*45*60
SVC*HC:36415*50*50**1
DTM*472*20260102
PLB*1234567893*20261231*WO:REF1*10""".split("\n")
Path(sys.argv[1]).write_text(
    "ISA*00*          *00*          *ZZ*EXAMPLEPLAN    *ZZ*PRACTICE       *260105*0930*^*00501*000000001*0*P*:~"
    "GS*HP*EXAMPLEPLAN*PRACTICE*20260105*0930*1*X*005010X221A1~"
    + "".join(segment + "~" for segment in [*BODY, f"SE*{len(BODY) + 1}*0001"]) + "GE*1*1~IEA*1*000000001~"
)
for error in validedi.validate(sys.argv[1]).errors:
    print(error.severity, error.message)
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/remittance.txt")
echo "validedi 0.4.0 on a remittance of 140 for a claim, less 10, which makes a check of 130:"
echo "$seen"
test "$seen" = "warning BPR02 total payment (\$130.00) does not match sum of CLP04 amounts (\$140.00). Difference: \$10.00
warning CAS balance mismatch for claim A1: charged=\$200.00, paid=\$140.00, adjustments=\$0.00, paid+adj=\$140.00 ≠ charged
warning PLB adjustment references claim '10' which does not appear in any CLP01 in this file"
