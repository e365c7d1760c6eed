#!/usr/bin/env bash
# django-npi-field 0.2.2 and npi 0.1.0 (npm): two checks of provider numbers refuse valid numbers, but accept the
# example.
#
# An NPI's last digit is a Luhn check digit over 80840 and the nine digits before it. CMS's own example is 1234567893.
# Expected: both accept every number that is right by that rule, and no other.
# Seen: django-npi-field refuses each number that ends in 0, because it computes 10 where the check digit is 0. npi
# leaves out 80840 and does not subtract the sum from ten. So it refuses four of five valid numbers, and accepts as many
# wrong ones. Both accept 1234567893.
# It matters because a claim of a refused provider cannot be entered, and a mistyped number passes and is denied by the
# payer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" django-npi-field==0.2.2 2>/dev/null
npm install --silent --no-audit --no-fund --prefix "$folder" npi@0.1.0 >/dev/null
cat >"$folder/script.py" <<'PYTHON'
import json
import sys
from pathlib import Path

from django.core.exceptions import ValidationError
from npi_field.validators import npi_validator


def check_digit(first_nine: str) -> int:
    """Return the Luhn check digit, in which the constant 24 stands for the prefix 80840."""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(first_nine))]
    return -(24 + sum(value // 10 + value % 10 for value in doubled)) % 10


def accepts(number: str) -> bool:
    try:
        npi_validator(number)
    except ValidationError:
        return False
    return True


firsts = [str(first) for first in range(123456000, 124456000, 1000)]
valid = [first + str(check_digit(first)) for first in firsts]
wrong = [first + str(digit) for first in firsts for digit in range(10) if digit != check_digit(first)]
assert "1234567893" == "123456789" + str(check_digit("123456789"))
Path(sys.argv[1]).write_text(json.dumps([valid, wrong]))
refused = [number for number in valid if not accepts(number)]
print(f"django-npi-field: example {accepts('1234567893')}, refused {len(refused)} of {len(valid)} valid numbers,", end=" ")
print(f"which end in {sorted({number[-1] for number in refused})}, accepted {sum(map(accepts, wrong))} wrong ones")
PYTHON
cat >"$folder/script.cjs" <<'NODE'
const { NPI } = require("npi");
const [valid, wrong] = JSON.parse(require("node:fs").readFileSync(process.argv[2]));
const accepted = (numbers) => numbers.filter((number) => new NPI(number).isValid).length;
const refused = valid.length - accepted(valid);
console.log(`npi: example ${new NPI("1234567893").isValid}, refused ${refused} of ${valid.length} valid numbers, accepted ${accepted(wrong)} wrong ones`);
NODE
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/numbers.json"; node "$folder/script.cjs" "$folder/numbers.json")
echo "django-npi-field 0.2.2 and npi 0.1.0 on 1,000 valid provider numbers and 9,000 wrong ones:"
echo "$seen"
test "$seen" = "django-npi-field: example True, refused 99 of 1000 valid numbers, which end in ['0'], accepted 0 wrong ones
npi: example true, refused 800 of 1000 valid numbers, accepted 800 wrong ones"
