#!/usr/bin/env bash
# bai-lockbox 0.0.7: a lockbox file with checks of $10.10 and $20.20 is refused, although its total is $30.30.
#
# A BAI lockbox file lists the checks that a bank opened for the practice, in cents. The total of a batch follows.
# Expected: a file is accepted if its checks add up to its total.
# Seen: the checks are added as floats, and the sum is compared for equality: 30.299999999999997 is not 30.3. No check
# is read. The message exchanges the two numbers: it calls the sum the expected total. Batches whose floats happen to
# add up are accepted.
# It matters because a day's checks are not posted, and the bank, which is asked to send the file again, finds it right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" bai-lockbox==0.0.7 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from lockbox.exceptions import LockboxError
from lockbox.parser import LockboxFile


def file(*cents: int) -> list[str]:
    """Return the lines of a lockbox file with one batch of checks."""
    lines = [
        "100011401533012345678902601050930",
        "2EXAMPLE CLEXAMPLE BK000000000100010400011",
        "50010010000123260105EXAMPLE CLEXAMPLE BK",
        *(
            f"6001{number:03}{amount:010}0114015330000135790{9000 + number:010}010526{'SAMPLE PETRA':30}EXAMPLE CLINIC"
            for number, amount in enumerate(cents, 1)
        ),
        f"7001{len(cents) + 1:03}0000123260105{len(cents):03}{sum(cents):010}",
        f"8001{len(cents) + 1:03}0000123260105{len(cents):04}{sum(cents):010}",
    ]
    return [*lines, f"9{len(lines) + 1:06}"]


for checks in ((1010,), (4010, 2020), (1010, 2020)):
    try:
        print(checks, [check.amount for check in LockboxFile.from_lines(file(*checks)).checks])
    except LockboxError as error:
        print(checks, str(error).split(": ")[1].split(' ("')[0])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "bai-lockbox 0.0.7, checks in cents:"
echo "$seen"
test "$seen" = "(1010,) [10.1]
(4010, 2020) [40.1, 20.2]
(1010, 2020) batch expected dollar total (30.299999999999997) does not match actual total (30.3)"
