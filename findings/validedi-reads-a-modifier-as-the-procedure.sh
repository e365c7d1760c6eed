#!/usr/bin/env bash
# validedi 0.4.0: the procedure code of a service line with a modifier is the modifier.
#
# SVC01 and SV101 hold a qualifier, a procedure code and up to four modifiers: HC:99213:25.
# Expected: the procedure code is 99213, and 25 is a modifier.
# Seen: extract_payments and extract_claims give the last component, so the procedure code is 25, and 99213 is nowhere.
# A line without a modifier is right. validate finds no fault with the code.
# It matters because a payment is posted by procedure code, and one for the procedure 25 finds no charge.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" validedi==0.4.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys
from pathlib import Path

import validedi

ENVELOPE = (
    "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260105*0930*^*00501*000000001*0*P*:~"
    "GS*{group}*SENDER*RECEIVER*20260105*0930*1*X*{guide}~{body}GE*1*1~IEA*1*000000001~"
)
REMITTANCE = """ST*835*0001
BPR*I*130*C*ACH*CCP*01*011401533*DA*0072*1999999999**01*011401533*DA*0073*20260109
TRN*1*9001*1999999999
DTM*405*20260105
N1*PR*EXAMPLE PLAN
N3*1 MAIN ST
N4*DENVER*CO*80201
PER*BL*HELP*TE*3035550100
N1*PE*EXAMPLE CLINIC*XX*1234567893
LX*1
CLP*A1*1*200*130**12*ICN1*11*1
NM1*QC*1*SAMPLE*PETRA****MI*W1
SVC*HC:99213:25*150*90**1
DTM*472*20260102
CAS*CO*45*60
SVC*HC:36415*50*40**1
DTM*472*20260102
CAS*CO*45*10"""
CLAIM = """ST*837*0001*005010X222A1
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
SBR*P*18*******CI
NM1*IL*1*SAMPLE*PETRA****MI*W1
N3*2 ELM ST
N4*DENVER*CO*80201
DMG*D8*19800102*F
NM1*PR*2*EXAMPLE PLAN*****PI*2
CLM*A1*200***11:B:1*Y*A*Y*Y
HI*ABK:I10
LX*1
SV1*HC:99213:25*150*UN*1***1
DTP*472*D8*20260102
LX*2
SV1*HC:36415*50*UN*1***1
DTP*472*D8*20260102"""


def file(text: str, group: str, guide: str) -> str:
    segments = text.split("\n")
    body = "".join(segment + "~" for segment in [*segments, f"SE*{len(segments) + 1}*0001"])
    Path(sys.argv[1]).write_text(ENVELOPE.format(group=group, guide=guide, body=body))
    return sys.argv[1]


paid = validedi.extract_payments(validedi.parse(file(REMITTANCE, "HP", "005010X221A1")))
print("835:", [line["procedure_code"] for line in paid["claims"][0]["services"]])
billed = validedi.extract_claims(validedi.parse(file(CLAIM, "HC", "005010X222A1")))
print("837:", [line["procedure_code"] for line in billed[0]["service_lines"]])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/file.txt")
echo "validedi 0.4.0, the procedure codes of HC:99213:25 and HC:36415:"
echo "$seen"
test "$seen" = "835: ['25', '36415']
837: ['25', '36415']"
