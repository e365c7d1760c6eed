#!/usr/bin/env bash
# achkit 0.2.0: a bank's file of returned payments is reported as out of balance.
#
# In ACH, a returned credit to a checking account has transaction code 21, and a returned debit 26 (31 and 36 for
# savings). The control records count their amounts as credits and debits, as they do for 22 and 27. An addenda record
# 99 has the reason. The documentation says that returns are included, and that validate works on any file.
# Expected (our guess before the first run): a valid file of a returned refund is valid.
# Seen: with code 22, the file is valid. With 21, 26, 31 or 36, the amounts are not counted. So validate says that the
# batch's and the file's totals should be 0.
# It matters because the clinic's refunds to closed accounts are only in such files. A program that refuses files that
# do not balance never learns that the money came back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" achkit==0.2.0 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from achkit import validate


def file_of(code: str, cents: int) -> str:
    """Return an ACH file with one entry and its addenda record 99 for reason R03."""
    debit = code in ("27", "26", "36")
    service = "225" if debit else "220"
    totals = f"{cents if debit else 0:012}{0 if debit else cents:012}"
    rows = [
        "101 011401533 0910000192601070900A094101" + f"{'EXAMPLE CLINIC':23}{'EXAMPLE BANK':23}{'':8}",
        f"5{service}{'EXAMPLE CLINIC':36}1512345678PPD{'REFUND':16}260109   1011401530000001",
        f"6{code}091000019{'13579':17}{cents:010}{'':15}{'SAMPLE PETRA':24}1011401530000001",
        f"799R03091000010000001      01140153{'':44}011401530000001",
        f"8{service}0000020009100001{totals}1512345678{'':25}011401530000001",
        f"9000001000001000000020009100001{totals}{'':39}",
    ]
    assert all(len(row) == 94 for row in rows)
    return "\n".join(rows + ["9" * 94] * 4) + "\n"


for code in ("22", "21", "31", "27", "26", "36"):
    print(code, [error["message"] for error in validate(file_of(code, 1050))["errors"]])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "achkit 0.2.0, the errors of a file with one entry of \$10.50, by transaction code:"
echo "$seen"
test "$seen" = "22 []
21 ['total credit 1050 != 0', 'total credit 1050 != 0']
31 ['total credit 1050 != 0', 'total credit 1050 != 0']
27 []
26 ['total debit 1050 != 0', 'total debit 1050 != 0']
36 ['total debit 1050 != 0', 'total debit 1050 != 0']"
