#!/usr/bin/env bash
# fhir.resources 8.3.0: an amount of 10.00 is read and written as 10.0, and nineteen digits are rounded.
#
# In FHIR, the precision of a decimal has meaning: 0.010 is not 0.01, and a program keeps the precision it received
# (hl7.org/fhir/R5/datatypes.html#decimal). The model's field is a Decimal.
# Expected: JSON with 10.00 is read as Decimal("10.00") and written as 10.00.
# Seen: it is read as Decimal("10.0") and written as 10.0. An amount with nineteen digits loses its cents when it is
# read. A Decimal("10.00") that is set in Python keeps its precision until it is written.
# It matters because a resource is no longer equal to what a payer sent or signed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" fhir.resources==8.3.0 fhir-core==1.1.12 pydantic==2.14.4
cat >"$folder/script.py" <<'PYTHON'
from decimal import Decimal

from fhir.resources.money import Money

for amount in ("10.00", "0.010", "12345678901234567.89"):
    read = Money.model_validate_json(f'{{"value": {amount}, "currency": "USD"}}')
    print(amount, repr(read.value), read.model_dump_json())
made = Money(value=Decimal("10.00"), currency="USD")
print("set", repr(made.value), made.model_dump_json())
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "fhir.resources 8.3.0:"
echo "$seen"
test "$seen" = "10.00 Decimal('10.0') {\"value\":10.0,\"currency\":\"USD\"}
0.010 Decimal('0.01') {\"value\":0.01,\"currency\":\"USD\"}
12345678901234567.89 Decimal('12345678901234568') {\"value\":12345678901234568,\"currency\":\"USD\"}
set Decimal('10.00') {\"value\":10.0,\"currency\":\"USD\"}"
