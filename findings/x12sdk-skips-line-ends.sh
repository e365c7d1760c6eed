#!/usr/bin/env bash
# x12sdk 2.2.0: one remittance gives one transaction, none, or an error, depending on how its segments end.
#
# X12 lets a sender choose the segment terminator, even a line feed, and lets line ends follow each segment.
# Expected: all four files give one 835.
# Seen: a tilde, and a tilde with a line feed, give one. A line feed as the terminator gives none, without an error.
# A tilde with CR LF raises UnboundLocalError.
# It matters because a remittance that reads as no transactions looks like a payer that paid nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" x12sdk==2.2.0
cat >"$folder/script.py" <<'PYTHON'
from x12sdk.io import X12ModelReader

ENVELOPE = "ISA*00*          *00*          *ZZ*PAYER          *ZZ*PRACTICE       *260105*0930*^*00501*000000001*0*P*:"
SEGMENTS = [
    ENVELOPE, "GS*HP*PAYER*PRACTICE*20260105*0930*1*X*005010X221A1", "ST*835*0001",
    "BPR*I*80*C*CHK************20260105", "TRN*1*9001*1999999999", "DTM*405*20260105",
    "N1*PR*EXAMPLE PLAN", "N3*1 MAIN ST", "N4*DENVER*CO*80201", "PER*BL*HELP*TE*3035550100",
    "N1*PE*EXAMPLE CLINIC*XX*1234567893", "LX*1", "CLP*A1*1*100*80**12*ICN1*11*1", "NM1*QC*1*SAMPLE*PETRA****MI*W1",
    "SVC*HC:99213*100*80**1", "DTM*472*20260102", "CAS*CO*45*20", "SE*16*0001", "GE*1*1", "IEA*1*000000001",
]


def transactions(end: str) -> str:
    try:
        with X12ModelReader("".join(segment + end for segment in SEGMENTS)) as reader:
            return str(len(list(reader.models())))
    except Exception as error:
        return type(error).__name__


print([transactions(end) for end in ("~", "~\n", "\n", "~\r\n")])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "x12sdk 2.2.0 $seen"
test "$seen" = "['1', '1', '0', 'UnboundLocalError']"
