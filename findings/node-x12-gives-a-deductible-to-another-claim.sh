#!/usr/bin/env bash
# node-x12 1.7.1 (npm): a deductible of the second claim is given to the first, and the second gets the text of the
# query.
#
# toObject maps each claim of an 835 to an object with queries such as FOREACH(CLP)=>CLP01. A CAS segment is optional.
# Expected: the claim without an adjustment has an empty deductible, as a claim without a patient's share has an empty
# share.
# Seen: values are counted without regard to their claim. A1, which was paid in full, has the deductible of A2. A2 has
# the query as its deductible. No error is raised.
# It matters because the patient of A1 is billed $40 that the patient of A2 owes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" node-x12@1.7.1 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { X12Parser } = require("node-x12");
const body = [
  "ST*835*0001", "BPR*I*260*C*ACH*CCP*01*011401533*DA*0072*1999999999**01*011401533*DA*0073*20260109",
  "TRN*1*9001*1999999999", "DTM*405*20260105", "N1*PR*EXAMPLE PLAN", "N3*1 MAIN ST", "N4*DENVER*CO*80201",
  "PER*BL*HELP*TE*3035550100", "N1*PE*EXAMPLE CLINIC*XX*1234567893", "LX*1",
  "CLP*A1*1*150*150**12*ICN1*11*1", "NM1*QC*1*SAMPLE*PETRA****MI*W1", "SVC*HC:99213*150*150**1", "DTM*472*20260102",
  "CLP*A2*1*150*110*40*12*ICN2*11*1", "NM1*QC*1*SAMPLE*PAUL****MI*W2", "SVC*HC:99214*150*110**1", "DTM*472*20260103",
  "CAS*PR*1*40",
];
const remittance =
  "ISA*00*          *00*          *ZZ*EXAMPLEPLAN    *ZZ*PRACTICE       *260105*0930*^*00501*000000001*0*P*:~" +
  "GS*HP*EXAMPLEPLAN*PRACTICE*20260105*0930*1*X*005010X221A1~" +
  [...body, `SE*${body.length + 1}*0001`].map((segment) => segment + "~").join("") + "GE*1*1~IEA*1*000000001~";
const [group] = new X12Parser(true).parse(remittance).functionalGroups;
const claims = group.transactions[0].toObject({
  claim: "FOREACH(CLP)=>CLP01",
  share: "FOREACH(CLP)=>CLP05",
  deductible: 'FOREACH(CLP)=>CAS03:CAS01["PR"]',
});
for (const claim of claims) console.log(JSON.stringify(claim));
NODE
seen=$(node "$folder/script.cjs")
echo "node-x12 1.7.1, a claim paid in full and one with a deductible of 40:"
echo "$seen"
test "$seen" = '{"claim":"A1","share":"","deductible":"40"}
{"claim":"A2","share":"40","deductible":"FOREACH(CLP)=>CAS03:CAS01[\"PR\"]"}'
