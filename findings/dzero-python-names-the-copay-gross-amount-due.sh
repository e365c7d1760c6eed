#!/usr/bin/env bash
# dzero-python 1.0.2: the patient's share of a pharmacy claim is named the gross amount due, and of repeated amounts one
# is kept.
#
# In an NCPDP D.0 response, field 505-F5 is the patient pay amount. Gross amount due is 430-DU, in the request. Other
# amounts paid (J3, J4) and the amounts that other payers paid (HC, DV) are repeated, and a count comes before them.
# Expected: F5 is the patient's share, and repeated fields are a list, or an error says that they are not read.
# Seen: the readable JSON names F5 gross_amount_due. Of two amounts that other payers paid, only the second is left,
# beside the count 2. Written again, the segment has the count 2 and one amount. No error is raised.
# It matters because a $10 copay is booked as the whole charge, and what a second payer paid is billed to the patient.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" dzero-python==1.0.2 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from dzero_python.segments.coord_of_benefits import CoordOfBenefits
from dzero_python.segments.response_pricing import ResponsePricing

# Amounts end in a letter or brace that holds the last digit and the sign: 100{ is 10.00.
priced = ResponsePricing.parse("\x1cAM23\x1cF5100{\x1cF6450{\x1cF9350{")
print(priced.to_json(readable=True))
benefits = CoordOfBenefits.parse("\x1cAM05\x1c4C1\x1c5C01\x1cHB2\x1cHC07\x1cDV200{\x1cHC08\x1cDV50{")
print(benefits.to_json(readable=True))
print(benefits.to_s().replace("\x1c", " ").replace("\x1e", "").strip())
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "dzero-python 1.0.2 on a response's prices, and on two amounts that other payers paid:"
echo "$seen"
test "$seen" = "{'segment_identification': '23', 'gross_amount_due': '100{', 'ingredient_cost_paid': '450{', 'total_amount_paid': '350{'}
{'segment_identification': '05', 'coordination_of_benefits_other_payments_count': '1', 'other_payer_coverage_type': '01', 'other_payer_amount_paid_count': '2', 'other_payer_amount_paid_qualifier': '08', 'other_payer_amount_paid': '50{'}
AM05 4C1 5C01 HB2 HC08 DV50{"
