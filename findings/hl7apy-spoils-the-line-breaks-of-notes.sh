#!/usr/bin/env bash
# hl7apy 1.3.5: a note that is read and written again shows \.br\ instead of a line break.
#
# In HL7 version 2, \.br\ in a formatted text is a line break, and \X0D\ a carriage return. \E\ stands for one backslash.
# Expected: a message that is read and written is the same, character by character.
# Seen: \.br\ becomes \E\.br\E\, which means the five characters themselves, and \X0D\ becomes \E\X0D\E\. The escapes for
# delimiters and highlights are kept. hl7 0.4.5 writes the message as it was.
# It matters because the reasons in a note run into each other with \.br\ in between, and a program that looks for the lines
# finds one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" hl7apy==1.3.5 hl7==0.4.5 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import hl7
from hl7apy.parser import parse_message

NOTE = r"Denied: CO-16\.br\Ask for the referral\X0D\Smith \T\ Sons, \H\urgent\N\ now"
message = "\r".join((
    r"MSH|^~\&|OFFICE|CLINIC|BILLING|HUB|20260105083000||ORU^R01^ORU_R01|1|P|2.5.1", "PID|1||W1||SAMPLE^PETRA", "OBR|1|||99213^VISIT",
    rf"NTE|1||{NOTE}", "OBX|1|FT|1||NONE||||||F", "",
))
written = parse_message(message).to_er7()
print(parse_message(message).validate(), written.split("\r")[3], sep="\n")
print(str(hl7.parse(message)) == message)
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py")
echo "hl7apy 1.3.5, whether the message is valid and what it writes, and whether hl7 0.4.5 writes the same:"
echo "$seen"
test "$seen" = "True
NTE|1||Denied: CO-16\\E\\.br\\E\\Ask for the referral\\E\\X0D\\E\\Smith \\T\\ Sons, \\H\\urgent\\N\\ now
True"
