#!/usr/bin/env bash
# openx12 0.2.1: each claim of an 837P has the payer and the group number of the patient after it.
#
# In an 837P the subscriber (SBR, NM1*IL) and the payer (NM1*PR) stand before the claim (CLM) that they belong to.
# Expected (our guess before the first run): claim A1 has PLAN A and group G1, and claim B1 has PLAN B and group G2.
# Seen: claim A1 has PLAN B and group G2. Claim B1, the last one, has no payer and no subscriber. No error is raised.
# It matters because a claim is followed up with, or sent to, another patient's plan, with that plan's group number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" openx12==0.2.1
cat >"$folder/script.py" <<'PYTHON'
from openx12 import x837p

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


def patient(level: int, claim: str, plan: str, group: str) -> list[str]:
    return [
        f"HL*{level}*1*22*0", f"SBR*P*18*{group}******CI", f"NM1*IL*1*SAMPLE*PETRA****MI*W{level}", "N3*2 MAIN ST", "N4*DENVER*CO*80201",
        "DMG*D8*19430501*F", f"NM1*PR*2*PLAN {plan}*****PI*5999{level}", f"CLM*{claim}*80***11:B:1*Y*A*Y*I", "HI*ABK:J029", "LX*1",
        "SV1*HC:99212*80*UN*1***1", "DTP*472*D8*20260103",
    ]


read = x837p.parse(envelope([*HEAD, *patient(2, "A1", "A", "G1"), *patient(3, "B1", "B", "G2")])).json()
for claim in read["summary"]["claims"]:
    print(claim["claim_number"], claim.get("payer", {}).get("last_name"), claim.get("subscriber_info", {}).get("group_number"))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "openx12 0.2.1, sent as A1 PLAN A G1 and B1 PLAN B G2:"
echo "$seen"
test "$seen" = "A1 PLAN B G2
B1 None None"
