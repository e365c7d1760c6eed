#!/usr/bin/env bash
# fhirpathpy 2.2.4: round(2) rounds half a cent to the even cent, so 0.125 becomes 0.12.
#
# FHIRPath defines round with the traditional rule: a half is rounded up (hl7.org/fhirpath, section on math functions).
# Expected: 0.125.round(2) is 0.13, and 10.005.round(2) is 10.01.
# Seen: they are 0.12 and 10.00. Of the 3,000 amounts from 0.005 to 29.995, 1,500 come out a cent low. Amounts such as
# 0.375 are rounded up, so a test with one amount may pass.
# It matters because an expression that takes a patient's share of an allowed amount differs from the plan by a cent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" fhirpathpy==2.2.4 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from decimal import ROUND_HALF_UP, Decimal

from fhirpathpy import evaluate


def rounded(amount: str) -> Decimal:
    return Decimal(evaluate({}, f"{amount}.round(2)")[0])


amounts = [f"{Decimal(cents) / 100 + Decimal('0.005'):.3f}" for cents in range(3_000)]
differences = [rounded(amount) - Decimal(amount).quantize(Decimal("0.01"), ROUND_HALF_UP) for amount in amounts]
print([f"{rounded(amount):.2f}" for amount in ("0.125", "10.005", "0.375")])
print(len(amounts), differences.count(Decimal("-0.01")), differences.count(Decimal(0)))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "fhirpathpy 2.2.4, three amounts; the amounts compared, the ones a cent low, and the right ones:"
echo "$seen"
test "$seen" = "['0.12', '10.00', '0.38']
3000 1500 1500"
