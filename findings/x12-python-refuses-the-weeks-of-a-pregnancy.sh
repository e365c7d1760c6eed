#!/usr/bin/env bash
# x12-python 0.1.0: Z3A.20, the 20th week of a pregnancy, is not a diagnosis, and the COVID vaccine 0001A not a
# procedure.
#
# In ICD-10-CM, the third character may be a letter: Z3A is the week of a pregnancy, M1A chronic gout, C7A and C4A are
# tumors. CPT has codes of four digits and a letter: category II (F), category III (T), laboratory (U) and vaccines (A).
# Expected (our guess before the first run): valid codes are accepted. In X12, a diagnosis has no point.
# Seen: validate_diagnosis_code wants two digits after the letter. Of the 74,724 codes of simple-icd-10-cm 1.5.0, 405
# are refused. validate_procedure_code refuses 0042T, 0001F, 0001U and 0001A, and accepts 99213 and G0008.
# It matters because each delivery is billed with a week, and all such claims are held back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" x12-python==0.1.0 simple-icd-10-cm==1.5.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from collections import Counter

import simple_icd_10_cm
from x12.codes import validate_diagnosis_code, validate_procedure_code

codes = [
    code for code in simple_icd_10_cm.get_all_codes()
    if simple_icd_10_cm.is_leaf(code) and simple_icd_10_cm.is_category_or_subcategory(code)
]
refused = [code for code in codes if not validate_diagnosis_code(code.replace(".", ""))]
print(len(refused), "of", len(codes), Counter(code[:3] for code in refused).most_common(3))
print([(code, validate_procedure_code(code)) for code in ("99213", "G0008", "0042T", "0001F", "0001U", "0001A")])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "x12-python 0.1.0, the refused diagnoses, and some procedures:"
echo "$seen"
test "$seen" = "405 of 74724 [('M1A', 242), ('Z3A', 38), ('O9A', 30)]
[('99213', True), ('G0008', True), ('0042T', False), ('0001F', False), ('0001U', False), ('0001A', False)]"
