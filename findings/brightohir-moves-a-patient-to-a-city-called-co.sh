#!/usr/bin/env bash
# brightohir 2.1.2: a patient without an apartment number lives in the city CO, in the state 80201.
#
# In an HL7 address (PID-11), the second component is for the apartment. A house has none, and the component stays
# empty. The suffix is the fourth component of a name (PID-5), and a phone number's area code the sixth of PID-13. FT1
# is a charge. The library converts messages to FHIR, with financial segments and DFT, as its documentation says.
# Expected (our guess before the first run): each component is where it was sent, and each FT1 is a resource.
# Seen: empty components are skipped, and the ones after them move up. Denver is a line of the street, CO the city and
# 80201 the state. JR is a second given name. The area code 303 is an e-mail address. With an apartment, the address is
# right. A message with a charge of $300.00 gives a bundle without it. No error is raised.
# It matters because statements come back, and charges are not billed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" brightohir==2.1.2 fhir.resources==8.3.0 hl7apy==1.3.5 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import json

from brightohir import v2_to_r5


def convert(address: str) -> list[dict[str, object]]:
    """Return the resources of a charge message for a patient at the given address."""
    segments = [
        r"MSH|^~\&|PMS|CLINIC|BILL|CLINIC|20260105093000||DFT^P03^DFT_P03|M1|P|2.5.1", "EVN|P03|20260105093000",
        f"PID|1||12345^^^CLINIC^MR||SAMPLE^PETER^^JR||19800131|M|||{address}||^PRN^PH^^1^303^5550100",
        "FT1|1|T1||20260102|20260105|CG|99213^OFFICE VISIT^C4|||1|300.00&USD",
    ]
    bundle = v2_to_r5("\r".join(segments) + "\r")
    return [entry["resource"] for entry in bundle["entry"]]


for address in ("1 MAIN ST^^DENVER^CO^80201", "1 MAIN ST^APT 2^DENVER^CO^80201"):
    resources = convert(address)
    patient = next(resource for resource in resources if resource["resourceType"] == "Patient")
    print(json.dumps(patient["address"]))
print(json.dumps([patient["name"], patient["telecom"]]))
print([resource["resourceType"] for resource in resources], "300" in json.dumps(resources))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "brightohir 2.1.2, the addresses of two patients, the name and phone of one, and the resources:"
echo "$seen"
test "$seen" = '[{"line": ["1 MAIN ST", "DENVER"], "city": "CO", "state": "80201"}]
[{"line": ["1 MAIN ST", "APT 2"], "city": "DENVER", "state": "CO", "postalCode": "80201"}]
[[{"family": "SAMPLE", "given": ["PETER", "JR"]}], [{"value": "303", "system": "email", "use": "home"}]]
'"['MessageHeader', 'Provenance', 'Patient'] False"
