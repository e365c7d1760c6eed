#!/usr/bin/env bash
# edi-835-parser 1.8.0: only the first adjustment of a CAS segment is read.
#
# A CAS segment holds up to six adjustments of one group: a reason code, an amount and a quantity each.
# Expected (our guess before the first run): the data frame shows all adjustments, so charge less adjustments is paid.
# Seen: a line of $150.00 with CO-45 $40.00, CO-253 $1.50, PR-1 $20.00 and PR-2 $18.00 in two segments shows only
# CO-45 and PR-1. The other two, $19.50 in all, are in no column and no error is raised. One adjustment a segment works.
# It matters because the patient is billed $20.00 instead of $38.00, and the sequestration disappears from the books.
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


def adjustments(segments: list[str]) -> list[str]:
    """Return the group, reason and amount of each adjustment in the data frame."""
    claim = ["CLP*A1*1*150*70.5*38*12*ICN1*11*1", "NM1*QC*1*SAMPLE*PETRA****MI*W1", "SVC*HC:99213*150*70.5**1", "DTM*472*20260102"]
    with open(sys.argv[1], "w") as file:
        file.write(envelope([remittance(claim + segments, "70.5")]))
    row = parse(sys.argv[1]).to_dataframe().iloc[0]
    places = range(sum(name.endswith("_amount") and name.startswith("adj_") for name in row.index))
    return [f"{row[f'adj_{place}_group']}-{row[f'adj_{place}_code']} {row[f'adj_{place}_amount']}" for place in places]


print(adjustments(["CAS*CO*45*40**253*1.5", "CAS*PR*1*20**2*18"]))
print(adjustments(["CAS*CO*45*40", "CAS*CO*253*1.5", "CAS*PR*1*20", "CAS*PR*2*18"]))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/remittance.txt")
echo "edi-835-parser 1.8.0, two adjustments a segment and one a segment:"
echo "$seen"
test "$seen" = "['CO-45 40.0', 'PR-1 20.0']
['CO-45 40.0', 'CO-253 1.5', 'PR-1 20.0', 'PR-2 18.0']"
