#!/usr/bin/env bash
# pyedi 1.1.0 with pyx12 4.0.0: the adjustments of all claims are in one list, without their claims.
#
# pyedi needs pyx12 2.3.3 or later, so pip installs 4.0.0, which changed the class that pyedi calls.
# Expected: each claim has its adjustments, or an error is raised.
# Seen: pyedi prints an error for each segment and continues. It returns the remittance as one loop: a list of claims,
# and a list of adjustments with no claim. With pyx12 3.1.0, each claim has its own.
# It matters because a service that does not show its output works on. It no longer knows which patient owes what.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 3.1.0 4.0.0; do
    python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/$version" pyedi==1.1.0 "pyx12==$version" 2>/dev/null
done
cat >"$folder/script.py" <<'PYTHON'
import contextlib
import io
import sys
from pathlib import Path

from pyedi import StructuredFormatter, X12Parser

BODY = """ST*835*0001
BPR*I*260*C*ACH*CCP*01*011401533*DA*0072*1999999999**01*011401533*DA*0073*20260109
TRN*1*9001*1999999999
DTM*405*20260105
N1*PR*EXAMPLE PLAN
N3*1 MAIN ST
N4*DENVER*CO*80201
PER*BL*HELP*TE*3035550100
N1*PE*EXAMPLE CLINIC*XX*1234567893
LX*1
CLP*A1*1*150*150**12*ICN1*11*1
NM1*QC*1*SAMPLE*PETRA****MI*W1
SVC*HC:99213*150*150**1
DTM*472*20260102
CLP*A2*1*150*110*40*12*ICN2*11*1
CAS*PR*1*40
NM1*QC*1*SAMPLE*PAUL****MI*W2
SVC*HC:99214*150*150**1
DTM*472*20260103""".split("\n")
Path(sys.argv[1]).write_text(
    "ISA*00*          *00*          *ZZ*EXAMPLEPLAN    *ZZ*PRACTICE       *260105*0930*^*00501*000000001*0*P*:~"
    "GS*HP*EXAMPLEPLAN*PRACTICE*20260105*0930*1*X*005010X221A1~"
    + "".join(segment + "~" for segment in [*BODY, f"SE*{len(BODY) + 1}*0001"]) + "GE*1*1~IEA*1*000000001~"
)
with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
    detail = StructuredFormatter().format(X12Parser().parse(sys.argv[1]))["detail"]


def paths(value: object, path: str = "") -> list[str]:
    """Return where claims and adjustments are."""
    if isinstance(value, dict):
        found = [place for key, inner in value.items() for place in paths(inner, f"{path}/{key}")]
        return [*found, *([path] if "patient_control_number" in value or "adjustments" in value else [])]
    items = enumerate(value) if isinstance(value, list) else ()
    return [place for number, inner in items for place in paths(inner, f"{path}[{number}]")]


print(printed.getvalue().count("Error at line"), "errors printed")
print("\n".join(paths(detail)))
PYTHON
seen=$(for version in 3.1.0 4.0.0; do
    echo "pyx12 $version:"
    PYTHONPATH="$folder/$version" python3 -W ignore "$folder/script.py" "$folder/remittance.txt"
done)
echo "Where pyedi 1.1.0 puts the claims and the adjustment of the second claim:"
echo "$seen"
test "$seen" = "pyx12 3.1.0:
0 errors printed
/claim_payment_information_loop[0]/claim_payment_information_CLP
/claim_payment_information_loop[1]/claim_payment_information_CLP
/claim_payment_information_loop[1]/claim_adjustment_CAS[0]
pyx12 4.0.0:
18 errors printed
/transaction_set_header_loop/transaction_set_header_CLP[0]
/transaction_set_header_loop/transaction_set_header_CLP[1]
/transaction_set_header_loop/transaction_set_header_CAS[0]"
