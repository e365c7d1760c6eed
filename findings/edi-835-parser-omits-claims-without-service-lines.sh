#!/usr/bin/env bash
# edi-835-parser 1.8.0: a claim that was paid as a whole is not in the data frame.
#
# An 835 may pay a claim without service lines, as payers do for inpatient stays and capitated visits.
# Expected (our guess before the first run): the frame has a row for the claim, with no procedure code.
# Seen: the frame has a row for each service line and nothing else. The claim of $75.00 has no row and no error is raised,
# so the column of paid amounts sums to $70.50 in a remittance of $145.50.
# It matters because the claim looks unpaid, and the posted payments do not add up to the deposit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" edi-835-parser==1.8.0 pandas==2.3.3 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys

from edi_835_parser import parse


def remittance(claims: list[str], total: str, check: str = "9001", payer: str = "EXAMPLE PLAN", number: int = 1) -> str:
    """Return one transaction with the given claim segments."""
    body = [
        f"ST*835*{number:04}", f"BPR*I*{total}*C*ACH*CCP*01*011401533*DA*0072*1999999999**01*011401533*DA*0073*20260109",
        f"TRN*1*{check}*1999999999", "DTM*405*20260105", f"N1*PR*{payer}", "N3*1 MAIN ST", "N4*DENVER*CO*80201",
        "PER*BL*HELP*TE*3035550100", "N1*PE*EXAMPLE CLINIC*XX*1234567893", "LX*1", *claims,
    ]
    return "".join(segment + "~" for segment in [*body, f"SE*{len(body) + 1}*{number:04}"])


def envelope(transactions: list[str]) -> str:
    return (
        "ISA*00*          *00*          *ZZ*EXAMPLEPLAN    *ZZ*PRACTICE       *260105*0930*^*00501*000000001*0*P*:~"
        "GS*HP*EXAMPLEPLAN*PRACTICE*20260105*0930*1*X*005010X221A1~"
        + "".join(transactions) + f"GE*{len(transactions)}*1~IEA*1*000000001~"
    )


CLAIMS = [
    "CLP*A1*1*150*70.5*0*12*ICN1*11*1", "NM1*QC*1*SAMPLE*PETRA****MI*W1", "SVC*HC:99213*150*70.5**1", "DTM*472*20260102",
    "CAS*CO*45*79.5",
    "CLP*A2*1*100*75*0*12*ICN2*11*1", "CAS*CO*45*25", "NM1*QC*1*SAMPLE*PAUL****MI*W2", "DTM*232*20260102",
]
with open(sys.argv[1], "w") as file:
    file.write(envelope([remittance(CLAIMS, "145.5")]))
frame = parse(sys.argv[1]).to_dataframe()
print(list(frame["marker"]), frame["paid_amount"].sum(), "of 145.5")
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/remittance.txt")
echo "edi-835-parser 1.8.0, the claims and the payments of the frame:"
echo "$seen"
test "$seen" = "['A1'] 70.5 of 145.5"
