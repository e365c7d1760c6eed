#!/usr/bin/env bash
# x12-edi-tools 0.1.2: a remittance has no payer, and its payment method is its amount.
#
# In an 835, BPR02 is the amount and BPR04 the method: ACH, CHK or NON. N1*PR names the payer. Its identifier (N103 and
# N104) is optional. A file may contain several transactions.
# Expected: payer_name is EXAMPLE PLAN and payment_method is ACH. Two remittances are two results, or an error.
# Seen: payer_name is empty unless the payer has an identifier. payment_method is 127, as payment_amount is. Of two
# remittances, the first is not in the result: neither its check nor its claims. With a line feed after each tilde, as
# many files have it, the parse fails.
# It matters because the claims of the first remittance look unpaid, and a payment without a payer cannot be posted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" x12-edi-tools==0.1.2 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from x12_edi_tools.remittance_advise_parser import RemittanceAdviceParser


def remittance(claims: list[str], total: str, check: str, payer: str, number: int) -> str:
    """Return one transaction with the given claim segments."""
    body = [
        f"ST*835*{number:04}",
        f"BPR*I*{total}*C*ACH*CCP*01*011401533*DA*0072*1999999999**01*011401533*DA*0073*20260109",
        f"TRN*1*{check}*1999999999", "DTM*405*20260105", payer, "N3*1 MAIN ST", "N4*DENVER*CO*80201",
        "PER*BL*HELP*TE*3035550100", "N1*PE*EXAMPLE CLINIC*XX*1234567893", "LX*1", *claims,
    ]
    return "".join(segment + "~" for segment in [*body, f"SE*{len(body) + 1}*{number:04}"])


def read(transactions: list[str], end: str = "") -> str:
    """Return the check, the payer, the method, the amount and the claims that the library reads."""
    text = (
        "ISA*00*          *00*          *ZZ*EXAMPLEPLAN    *ZZ*PRACTICE       *260105*0930*^*00501*000000001*0*P*:~"
        "GS*HP*EXAMPLEPLAN*PRACTICE*20260105*0930*1*X*005010X221A1~"
        + "".join(transactions) + f"GE*{len(transactions)}*1~IEA*1*000000001~"
    )
    try:
        seen = RemittanceAdviceParser().parse(text.replace("~", "~" + end))
    except Exception as error:
        return str(error)
    claims = [claim.claim_id for claim in seen.claims]
    return f"{seen.transaction_id} {seen.payer_name!r} {seen.payment_method} {seen.payment_amount} {claims}"


A1 = ["CLP*A1*1*150*127*23*12*ICN1*11*1", "NM1*QC*1*SAMPLE*PETRA****MI*W1", "DTM*232*20260102",
      "SVC*HC:99213*150*127**1", "DTM*472*20260102", "CAS*PR*1*23"]
A2 = ["CLP*A2*1*100*75*25*12*ICN2*11*1", "NM1*QC*1*SAMPLE*PAUL****MI*W2", "DTM*232*20260102",
      "SVC*HC:99213*100*75**1", "DTM*472*20260102", "CAS*PR*1*25"]
first = remittance(A1, "127", "9001", "N1*PR*EXAMPLE PLAN", 1)
print(read([first]))
print(read([remittance(A1, "127", "9001", "N1*PR*EXAMPLE PLAN*XV*12345", 1)]))
print(read([first, remittance(A2, "75", "9002", "N1*PR*EXAMPLE PLAN", 2)]))
print(read([first], "\n"))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "x12-edi-tools 0.1.2, the check, the payer, the method, the amount and the claims of four files:"
echo "$seen"
test "$seen" = "9001 '' 127 127 ['A1']
9001 'EXAMPLE PLAN' 127 127 ['A1']
9002 '' 75 75 ['A2']
Failed to parse remittance advice: Failed to parse remittance advice"
