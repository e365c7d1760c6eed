#!/usr/bin/env bash
# kw-x12-parser 0.1.6: each written service line has place of service 12, the patient's home, and points to diagnosis 1.
#
# SV105 is a line's own place of service, where it differs from the claim's (CLM05). SV107 says which of the claim's
# diagnoses a line is for. The reader offers a full parse with every loop and segment, and a writer for its frame.
# Expected: an empty SV105 stays empty, and the pointers 2:3 stay 2:3.
# Seen: SV105 is 12 on every line, although the claim's place is 11, an office, and the pointers become 1. No error
# is raised.
# It matters because a visit at home is paid at another rate than one in an office, and a test that points to the wrong
# diagnosis is denied as not medically necessary.
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
    "HL*2*1*22*0", "SBR*P*18*G1******CI", "NM1*IL*1*SAMPLE*PETRA****MI*W1", "N3*2 MAIN ST", "N4*DENVER*CO*80201",
    "DMG*D8*19830501*F", "NM1*PR*2*PLAN A*****PI*59999", "CLM*A1*100***11:B:1*Y*A*Y*I", "HI*ABK:J029*ABF:E119*ABF:Z1159",
    "LX*1", "SV1*HC:99212*80*UN*1***1", "DTP*472*D8*20260103", "LX*2", "SV1*HC:86803*20*UN*1***2:3", "DTP*472*D8*20260103",
]
before, after = sys.argv[1:]
with open(before, "w") as file:
    file.write(envelope(SEGMENTS))
frame = full_parse_x837p(before)
write_to_edi_x837p(frame, after)
for path in (before, after):
    with open(path) as file:
        text = file.read().replace("\n", "").split("~")
    print([one for one in text if one.startswith(("CLM", "SV1"))])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/before.txt" "$folder/after.txt")
echo "kw-x12-parser 0.1.6, the file that is read and the file that is written:"
echo "$seen"
test "$seen" = "['CLM*A1*100***11:B:1*Y*A*Y*I', 'SV1*HC:99212*80*UN*1***1', 'SV1*HC:86803*20*UN*1***2:3']
['CLM*A1*100.00***11:B:1*Y*A*Y*Y*P', 'SV1*HC:99212*80.00*UN*1*12**1', 'SV1*HC:86803*20.00*UN*1*12**1']"
