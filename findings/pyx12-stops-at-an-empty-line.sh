#!/usr/bin/env bash
# pyx12 4.0.0: everything after an empty line is dropped without an error.
#
# X12 lets a sender choose a line feed as the segment terminator, and one file may contain several interchanges. Tools
# that join files often put an empty line between them.
# Expected: both interchanges are read, or an error says that the second one was not. The guess before the first run
# was that pyx12 stops without an error, because it takes an empty segment for the end of the file.
# Seen: two joined interchanges give two claims. With an empty line between them, X12Reader gives one claim and no
# error. oxedi 0.6.0 gives two claims both times. The same happens after a doubled tilde inside a transaction.
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


def remittance(number: int) -> str:
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
    return "".join(segment + "\n" for segment in segments)


def read(text: str) -> tuple[int, int, int, list[str]]:
    """Return pyx12's claims and errors, and oxedi's claims and findings."""
    reader = X12Reader(io.StringIO(text))
    claims = [segment.get_seg_id() for segment in reader].count("CLP")
    peer = oxedi.parse(text.encode())
    return claims, len(reader.pop_errors()), peer.count_claims(), [one.kind for one in peer.diagnostics]


print("joined:", *read(remittance(1) + remittance(2)))
print("with an empty line between:", *read(remittance(1) + "\n" + remittance(2)))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "pyx12 4.0.0 claims and errors, then oxedi 0.6.0 claims and findings:"
echo "$seen"
test "$seen" = "joined: 2 0 2 []
with an empty line between: 1 0 2 []"
