#!/usr/bin/env bash
# x12-python 0.1.0: a file of claims for $230 has no patients, or claims for $460 of one patient.
#
# An 837P has the billing provider, then each subscriber (HL 22) with the claims, and dependents (HL 23) with theirs.
# Parser and LoopBuilder make loops of it, and Claim837P.from_transaction makes a claim model of these.
# Expected (our guess before the first run): two claims, A1 for Petra Sample and A2 for Pat Parent's child.
# Seen: after Parser, the provider is UNKNOWN with NPI 0000000000, and the patient UNKNOWN. After LoopBuilder, provider
# and subscriber are read, but A1 and A2 are in the list twice, and Petra Sample, the first subscriber, is the one of
# all. No error is raised.
# It matters because a total of charges is twice what was billed, and a child's visit is in another patient's account.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" x12-python==0.1.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from x12.core.loop_builder import LoopBuilder
from x12.core.parser import Parser, SegmentParser
from x12.models.envelope import TransactionSet
from x12.transactions.healthcare import Claim837P

BODY = [
    "ST*837*0001*005010X222A1", "BHT*0019*00*B1*20260105*0930*CH", "NM1*41*2*EXAMPLE CLINIC*****46*123456789",
    "PER*IC*HELP*TE*3035550100", "NM1*40*2*EXAMPLE PLAN*****46*987654321", "HL*1**20*1",
    "NM1*85*2*EXAMPLE CLINIC*****XX*1234567893", "N3*1 MAIN ST", "N4*DENVER*CO*802370000", "REF*EI*123456789",
    "HL*2*1*22*0", "SBR*P*18*G1******CI", "NM1*IL*1*SAMPLE*PETRA****MI*W1", "N3*2 MAIN ST", "N4*DENVER*CO*80201",
    "DMG*D8*19800131*F", "NM1*PR*2*EXAMPLE PLAN*****PI*12345", "CLM*A1*150***11:B:1*Y*A*Y*Y", "HI*ABK:E119", "LX*1",
    "SV1*HC:99213*150*UN*1***1", "DTP*472*D8*20260102",
    "HL*3*1*22*1", "SBR*P**G2******CI", "NM1*IL*1*PARENT*PAT****MI*W2", "NM1*PR*2*EXAMPLE PLAN*****PI*12345",
    "HL*4*3*23*0", "PAT*19", "NM1*QC*1*PARENT*KIM", "N3*3 MAIN ST", "N4*DENVER*CO*80201", "DMG*D8*20150131*F",
    "CLM*A2*80***11:B:1*Y*A*Y*Y", "HI*ABK:J020", "LX*1", "SV1*HC:99213*80*UN*1***1", "DTP*472*D8*20260103",
]
TEXT = "~".join([
    "ISA*00*          *00*          *ZZ*PRACTICE       *ZZ*EXAMPLEPLAN    *260105*0930*^*00501*000000001*0*P*:",
    "GS*HC*PRACTICE*EXAMPLEPLAN*20260105*0930*1*X*005010X222A1", *BODY, f"SE*{len(BODY) + 1}*0001", "GE*1*1",
    "IEA*1*000000001", "",
])
segments = [segment for segment in SegmentParser().parse(TEXT) if segment.segment_id not in ("ISA", "GS", "GE", "IEA")]
root = LoopBuilder(transaction_type="837", version="005010X222A1").build(segments)
for name, transaction in (
    ("Parser", Parser().parse(TEXT).functional_groups[0].transactions[0]),
    ("LoopBuilder", TransactionSet("837", "0001", root)),
):
    model = Claim837P.from_transaction(transaction)
    claims = [claim.claim_id for claim in model.claims]
    total = sum(claim.total_charge for claim in model.claims)
    print(name, model.billing_provider.npi, model.subscriber.last_name, model.patient, claims, total)
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "x12-python 0.1.0, the provider, the subscriber, the patient, the claims and their total, after two readers:"
echo "$seen"
test "$seen" = "Parser 0000000000 UNKNOWN None ['A1', 'A2'] 230
LoopBuilder 1234567893 SAMPLE None ['A1', 'A1', 'A2', 'A2'] 460"
