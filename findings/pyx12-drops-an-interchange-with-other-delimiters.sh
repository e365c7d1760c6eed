#!/usr/bin/env bash
# pyx12 4.0.0: an interchange after the first one is dropped without an error if it uses different delimiters.
#
# Each ISA segment declares the delimiters of its own interchange, and one file may contain several interchanges.
# Expected: both interchanges are read, or an error says that the second one was not.
# Seen: two interchanges with the same delimiters give two claims. If the second uses | ! > instead of * ~ :, X12Reader
# gives one claim and no error. Alone, that interchange is read. oxedi 0.6.0 also gives one claim, but reports the
# rest as an unknown segment.
# It matters because a clearinghouse joins the remittances of several payers into one file, and then the lost one
# looks like a payer that has not answered.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" pyx12==4.0.0 oxedi==0.6.0
cat >"$folder/script.py" <<'PYTHON'
import io

import oxedi
from pyx12.x12file import X12Reader


def remittance(number: int, element: str, end: str, component: str) -> str:
    control = f"{number:09}"
    segments = [
        f"ISA*00*          *00*          *ZZ*PAYER{number}         *ZZ*PRACTICE       *260105*0930*^*00501*{control}*0*P*:",
        f"GS*HP*PAYER{number}*PRACTICE*20260105*0930*{number}*X*005010X221A1", "ST*835*0001",
        "BPR*I*80*C*CHK************20260105", f"TRN*1*900{number}*1999999999", "DTM*405*20260105",
        "N1*PR*EXAMPLE PLAN", "N3*1 MAIN ST", "N4*DENVER*CO*80201", "PER*BL*HELP*TE*3035550100",
        "N1*PE*EXAMPLE CLINIC*XX*1234567893", "LX*1", f"CLP*A{number}*1*100*80**12*ICN1*11*1",
        "NM1*QC*1*SAMPLE*PETRA****MI*W1", "SVC*HC:99213*100*80**1", "DTM*472*20260102", "CAS*CO*45*20",
        "SE*16*0001", f"GE*1*{number}", f"IEA*1*{control}",
    ]
    text = "".join(segment + "~" for segment in segments)
    return text.translate(str.maketrans("*~:", element + end + component))


def read(text: str) -> tuple[int, int, int, list[str]]:
    """Return pyx12's claims and errors, and oxedi's claims and findings."""
    reader = X12Reader(io.StringIO(text))
    claims = [segment.get_seg_id() for segment in reader].count("CLP")
    peer = oxedi.parse(text.encode())
    return claims, len(reader.pop_errors()), peer.count_claims(), [one.kind for one in peer.diagnostics]


first, same, other = remittance(1, *"*~:"), remittance(2, *"*~:"), remittance(2, *"|!>")
print("same delimiters:", *read(first + same))
print("other delimiters:", *read(first + other))
print("alone:", *read(other))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "pyx12 4.0.0 claims and errors, then oxedi 0.6.0 claims and findings:"
echo "$seen"
test "$seen" = "same delimiters: 2 0 2 []
other delimiters: 1 0 1 ['UnknownSegment']
alone: 1 0 1 []"
