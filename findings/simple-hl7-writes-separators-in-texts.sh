#!/usr/bin/env bash
# simple-hl7 3.3.0 (npm): a name with & and a note with | are written without escapes, so a reader cuts them off.
#
# In HL7 version 2, |, ^, & and ~ in a text are written as \F\, \S\, \T\ and \R\ (chapter 2, escape sequences).
# Expected: the escapes are written, as node-hl7-client 3.2.0 writes them.
# Seen: the characters are written as they are. The library itself reads the note back without its end, and
# node-hl7-client reads the name without its end. No error is raised.
# It matters because a payment note loses its second half, and the patient's name does not match.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" simple-hl7@3.3.0 node-hl7-client@3.2.0 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { Message: Simple, Parser } = require("simple-hl7");
const { Message } = require("node-hl7-client");
const one = new Simple("BILLING", "CLINIC");
one.addSegment("PID", "1", "", ["123"], "", ["SAMPLE & SONS", "PETRA"]);
one.addSegment("NTE", "1", "", "Paid 50|50 by both plans");
const [, person, note] = one.toString().split("\r");
console.log(`simple-hl7: ${person} ${note}`);
console.log("read by simple-hl7:", new Parser().parse(one.toString()).getSegment("NTE").getField(3));
const header = "MSH|^~\\&|BILLING|CLINIC|||20260105093000||ADT^A08^ADT_A01|1|P|2.5.1";
console.log("read by node-hl7-client:", new Message({ text: `${header}\r${person}` }).get("PID.5.1.1").toString().trim());
const two = new Message({ messageHeader: { msh_9_1: "ADT", msh_9_2: "A08", msh_10: "1", msh_11_1: "P" } });
two.addSegment("PID").set("5.1", "SAMPLE & SONS");
console.log(`node-hl7-client: ${two.toString().split("\r")[1]}`);
NODE
seen=$(node "$folder/script.cjs")
echo "simple-hl7 3.3.0 on SAMPLE & SONS and on Paid 50|50 by both plans:"
echo "$seen"
test "$seen" = 'simple-hl7: PID|1||123||SAMPLE & SONS^PETRA NTE|1||Paid 50|50 by both plans
read by simple-hl7: Paid 50
read by node-hl7-client: SAMPLE
node-hl7-client: PID|||||SAMPLE \T\ SONS'
