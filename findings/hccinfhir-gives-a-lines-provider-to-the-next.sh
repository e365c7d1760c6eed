#!/usr/bin/env bash
# hccinfhir 0.4.0: the rendering provider of a service line is given to the line after it, and not to its own line.
#
# In an 837P, loop 2310B names the claim's rendering provider. Loop 2420A comes after a service line and names another
# provider for this line only.
# Expected: line 2 has its own provider, lines 1 and 3 have the claim's.
# Seen: each line has the provider named last before it. Line 2 has the physician of the claim. Line 3, which names no
# provider, has the therapist of line 2.
# It matters because both diagnoses are credited to the wrong provider, and an audit of the risk scores asks the wrong
# one for the record.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" hccinfhir==0.4.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from hccinfhir.extractor import extract_sld

BODY = """ST*837*0001*005010X222A1
BHT*0019*00*1*20260105*0930*CH
NM1*41*2*EXAMPLE CLINIC*****46*1
PER*IC*HELP*TE*3035550100
NM1*40*2*EXAMPLE PLAN*****46*2
HL*1**20*1
NM1*85*2*EXAMPLE CLINIC*****XX*1234567893
N3*1 MAIN ST
N4*DENVER*CO*802010000
REF*EI*999999999
HL*2*1*22*0
SBR*P*18*******MB
NM1*IL*1*SAMPLE*PETRA****MI*W1
N3*2 ELM ST
N4*DENVER*CO*80201
DMG*D8*19500102*F
NM1*PR*2*EXAMPLE PLAN*****PI*2
CLM*A1*300***11:B:1*Y*A*Y*Y
HI*ABK:E1165*ABF:M545
NM1*82*1*PHYSICIAN*ANN****XX*1111111112
PRV*PE*PXC*207R00000X
LX*1
SV1*HC:99213*100*UN*1***1
DTP*472*D8*20260102
LX*2
SV1*HC:97110*100*UN*1***2
DTP*472*D8*20260102
NM1*82*1*THERAPIST*BEN****XX*1234567893
PRV*PE*PXC*225100000X
LX*3
SV1*HC:99214*100*UN*1***1
DTP*472*D8*20260103""".split("\n")
claim = (
    "ISA*00*          *00*          *ZZ*PRACTICE       *ZZ*EXAMPLEPLAN    *260105*0930*^*00501*000000001*0*P*:~"
    "GS*HC*PRACTICE*EXAMPLEPLAN*20260105*0930*1*X*005010X222A1~"
    + "".join(segment + "~" for segment in [*BODY, f"SE*{len(BODY) + 1}*0001"]) + "GE*1*1~IEA*1*000000001~"
)
for line in extract_sld(claim, format="837"):
    print(line.procedure_code, line.performing_provider_npi, line.provider_specialty)
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "hccinfhir 0.4.0, the provider of each line. The claim's is 1111111112, an internist. Line 2 has a therapist:"
echo "$seen"
test "$seen" = "99213 1111111112 207R00000X
97110 1111111112 207R00000X
99214 1234567893 225100000X"
