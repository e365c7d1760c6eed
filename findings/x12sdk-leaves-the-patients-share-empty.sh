#!/usr/bin/env bash
# x12sdk 2.2.0: a generated remittance says neither what the patient owes nor when the payer paid.
#
# CLP05 is the patient's responsibility: the sum of the claim's PR adjustments, required if there is one. BPR16 is the
# date of the payment, and always required.
# Expected: a claim with a PR adjustment has it in CLP05, and each file has BPR16.
# Seen: CLP05 is empty on each claim, also with PR adjustments, and BPR ends with BPR04. The library's own reader accepts
# such a file, and no error is raised.
# It matters because a program that reads the patient's share from CLP05 passes all tests with these files, and shows that
# no patient owes anything. A payment without a date cannot be posted to a month.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" x12sdk==2.2.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from decimal import Decimal

from x12sdk.generate import generate_835
from x12sdk.io import X12ModelReader

files = dated = read = owing = shown = 0
for seed in range(100):
    text = generate_835(seed=seed, claims=5)
    with X12ModelReader(text) as reader:
        read += len(list(reader.models()))
    files += 1
    owes, share = False, ""
    for segment in [*text.split("~\n"), "CLP"]:
        name, *elements = segment.split("*")
        if name == "BPR":
            dated += len(elements) >= 16
        elif name == "CLP":
            owing += owes
            shown += owes and bool(share) and Decimal(share) > 0
            owes, share = False, "".join(elements[4:5])
        elif name == "CAS" and elements[0] == "PR":
            owes = True
print(f"{files} files, {read} accepted, {dated} with BPR16; {owing} claims with PR adjustments, {shown} with CLP05")
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "x12sdk 2.2.0: $seen"
test "$seen" = "100 files, 100 accepted, 0 with BPR16; 156 claims with PR adjustments, 0 with CLP05"
