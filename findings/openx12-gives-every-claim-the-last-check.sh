#!/usr/bin/env bash
# openx12 0.2.1: a file with two remittances is read as one, with the payer, the check and the amount of the last.
#
# One file may contain several transactions, each with its own payer (N1*PR), check (TRN) and amount (BPR).
# Expected (our guess before the first run): the claims of both, with the first remittance's amount or the sum of both.
# Seen: one result. Its claims are those of both remittances; its payer, check number and payment amount are of the last.
# No error is raised, and nothing in a claim tells which check paid it.
# It matters because the claims of one payer are posted against the check of another, and $145.50 of payments are
# compared with a check of $75.00.
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


def claim(name: str, charge: str, paid: str, adjusted: str) -> list[str]:
    return [
        f"CLP*{name}*1*{charge}*{paid}*0*12*ICN{name}*11*1", "NM1*QC*1*SAMPLE*PETRA****MI*W1", f"SVC*HC:99213*{charge}*{paid}**1",
        "DTM*472*20260102", f"CAS*CO*45*{adjusted}",
    ]


first = remittance(claim("A1", "150", "70.5", "79.5"), "70.5")
second = remittance(claim("B1", "100", "75", "25"), "75", "9002", "OTHER PLAN", 2)
read = x835.parse(envelope([first, second]))
print([one["patient_control_number"] for one in read.claims])
print({name: read.summary()[name] for name in ("payer", "check_number", "payment_amount", "total_paid")})
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "openx12 0.2.1:"
echo "$seen"
test "$seen" = "['A1', 'B1']
{'payer': 'OTHER PLAN', 'check_number': '9002', 'payment_amount': 75.0, 'total_paid': 145.5}"
