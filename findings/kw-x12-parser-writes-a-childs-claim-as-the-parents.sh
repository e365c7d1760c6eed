#!/usr/bin/env bash
# kw-x12-parser 0.1.6: a child's claim is read and written back as the claim of the parent who has the insurance.
#
# In an 837P a dependent has a level of its own (HL*3*2*23, PAT, NM1*QC) under the subscriber's. The reader offers a full
# parse with every loop and segment, and a writer that builds an 837P from its frame.
# Expected: the written file has the dependent's level, the child's name and PAT*19.
# Seen: it has neither. The claim stands under the parent, with the parent's date of birth and sex, and SBR02 is 18, which
# says that the subscriber is the patient. The child is not in the file, and no error is raised.
# It matters because the payer denies the claim, or books a child's visit to the parent's deductible.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" kw-x12-parser==0.1.6 pandas==2.3.3 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys

from kw_x12_parser import full_parse_x837p, write_to_edi_x837p

HEAD = [
    "ST*837*0001*005010X222A1", "BHT*0019*00*244579*20260115*1023*CH", "NM1*41*2*BILLING SERVICE*****46*S1",
    "PER*IC*HELP*TE*3035550100", "NM1*40*2*CLEARINGHOUSE*****46*R1", "HL*1**20*1", "NM1*85*2*EXAMPLE CLINIC*****XX*1234567893",
    "N3*1 MAIN ST", "N4*DENVER*CO*802010001", "REF*EI*999999999",
]


def envelope(segments: list[str]) -> str:
    return (
        "ISA*00*          *00*          *ZZ*S1             *ZZ*R1             *260115*1023*^*00501*000000001*0*P*:~"
        "GS*HC*S1*R1*20260115*1023*1*X*005010X222A1~"
        + "".join(segment + "~" for segment in [*segments, f"SE*{len(segments) + 1}*0001"]) + "GE*1*1~IEA*1*000000001~"
    )


SEGMENTS = [
    *HEAD,
    "HL*2*1*22*1", "SBR*P**G1******CI", "NM1*IL*1*SAMPLE*PETRA****MI*W1", "N3*2 MAIN ST", "N4*DENVER*CO*80201",
    "DMG*D8*19830501*F", "NM1*PR*2*PLAN A*****PI*59999",
    "HL*3*2*23*0", "PAT*19", "NM1*QC*1*SAMPLE*CASEY", "N3*2 MAIN ST", "N4*DENVER*CO*80201", "DMG*D8*20150601*M",
    "CLM*A1*80***11:B:1*Y*A*Y*I", "HI*ABK:J029", "LX*1", "SV1*HC:99212*80*UN*1***1", "DTP*472*D8*20260103",
]
before, after = sys.argv[1:]
with open(before, "w") as file:
    file.write(envelope(SEGMENTS))
write_to_edi_x837p(full_parse_x837p(before), after)
for path in (before, after):
    with open(path) as file:
        text = file.read().replace("\n", "").split("~")
    print([one for one in text if one.startswith(("SBR", "PAT", "NM1*IL", "NM1*QC", "DMG", "CLM"))])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/before.txt" "$folder/after.txt")
echo "kw-x12-parser 0.1.6, the file that is read and the file that is written:"
echo "$seen"
test "$seen" = "['SBR*P**G1******CI', 'NM1*IL*1*SAMPLE*PETRA****MI*W1', 'DMG*D8*19830501*F', 'PAT*19', 'NM1*QC*1*SAMPLE*CASEY', 'DMG*D8*20150601*M', 'CLM*A1*80***11:B:1*Y*A*Y*I']
['SBR*P*18*******CI', 'NM1*IL*1*SAMPLE*PETRA****MI*W1', 'DMG*D8*19830501*F', 'CLM*A1*80.00***11:B:1*Y*A*Y*Y*P']"
