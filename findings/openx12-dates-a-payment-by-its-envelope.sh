#!/usr/bin/env bash
# openx12 0.2.1: the payment date of an 835 is the day on which the file was made, and the method is not the method.
#
# BPR16 is the date of the check or of the transfer, and BPR04 the method: ACH, CHK or NON. ISA09 is the date of the file.
# Expected: the summary has payment_date 20260109 from BPR16, and payment_method ACH.
# Seen: payment_date is 260105 from ISA09, four days before the money moves. payment_method is I from BPR01, which says
# only that the remittance travels apart from the money.
# It matters because a deposit is posted on the wrong day, and in the wrong month at the month's end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" openx12==0.2.1
cat >"$folder/script.py" <<'PYTHON'
from openx12 import x835


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


CLAIM = ["CLP*A1*1*150*70.5*0*12*ICN1*11*1", "NM1*QC*1*SAMPLE*PETRA****MI*W1", "SVC*HC:99213*150*70.5**1", "DTM*472*20260102", "CAS*CO*45*79.5"]
summary = x835.parse(envelope([remittance(CLAIM, "70.5")])).summary()
print("ISA09 260105, BPR01 I, BPR04 ACH, BPR16 20260109:", summary["payment_date"], summary["payment_method"])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "openx12 0.2.1:"
echo "$seen"
test "$seen" = "ISA09 260105, BPR01 I, BPR04 ACH, BPR16 20260109: 260105 I"
