#!/usr/bin/env bash
# num2words 0.5.14: the amount of a check is written in words as a hundredth of it if the number is an int.
#
# A refund check shows its amount in figures and in words. The words decide (UCC 3-114).
# Expected (our guess before the first run): 150, 150.0 and Decimal(150) are the same amount in words. The documentation
# of to="currency" names no unit but the currency.
# Seen: 150 is "one dollar, fifty cents". 150.0, Decimal("150"), Decimal("150.00") and the text "150" are "one hundred
# and fifty dollars, zero cents".
# It matters because a refund of $150 that is read from JSON or from a whole-dollar column is paid as $1.50.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" num2words==0.5.14 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from decimal import Decimal

from num2words import num2words

for amount in (150, 150.0, Decimal(150), Decimal("150.00"), "150", -20, Decimal(-20)):
    print(repr(amount), "is", num2words(amount, to="currency", currency="USD"))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "num2words 0.5.14, amounts in words:"
echo "$seen"
test "$seen" = "150 is one dollar, fifty cents
150.0 is one hundred and fifty dollars, zero cents
Decimal('150') is one hundred and fifty dollars, zero cents
Decimal('150.00') is one hundred and fifty dollars, zero cents
'150' is one hundred and fifty dollars, zero cents
-20 is minus zero dollars, twenty cents
Decimal('-20') is minus twenty dollars, zero cents"
