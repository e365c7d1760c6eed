#!/usr/bin/env bash
# hl7-standard 1.0.4 (npm): a charge that is read and written again has its currency in the place of a second amount.
#
# In an HL7 charge message (DFT), an amount may have subcomponents: 150.00&USD is one amount in dollars. A tilde
# separates repeated values of a field.
# Expected: reading a message and building it gives the same fields.
# Seen: 150.00&USD in a field without other components becomes 150.00~USD, an amount and a second value USD. The same
# field with a component after it is kept. An extra | is added to each segment, which means nothing. No error is raised.
# It matters because the next system reads two values for the unit price, or refuses the charge because USD is not a
# number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" hl7-standard@1.0.4 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const HL7 = require("hl7-standard");
const charge = (extended, unit) => `FT1|1|A1||20260131||CG|99213||||${extended}|${unit}|||||||J45.909^ASTHMA^I10~I10^HTN^I10`;
for (const [extended, unit] of [["300.00", "150.00"], ["300.00&USD^UP", "150.00&USD^UP"], ["300.00&USD", "150.00&USD"]]) {
  const message = new HL7(["MSH|^~\\&|PM|CLINIC|ACC|HQ|20260131||DFT^P03|1|P|2.3", charge(extended, unit)].join("\r"));
  message.transform();
  const fields = message.build().split("\r\n")[1].split("|");
  console.log(`before: ${extended} ${unit}, after: ${fields[11]} ${fields[12]}, diagnoses: ${fields[19]}`);
}
NODE
seen=$(node "$folder/script.cjs")
echo "hl7-standard 1.0.4, the extended amount and the unit amount of a charge:"
echo "$seen"
test "$seen" = 'before: 300.00 150.00, after: 300.00 150.00, diagnoses: J45.909^ASTHMA^I10~I10^HTN^I10
before: 300.00&USD^UP 150.00&USD^UP, after: 300.00&USD^UP 150.00&USD^UP, diagnoses: J45.909^ASTHMA^I10~I10^HTN^I10
before: 300.00&USD 150.00&USD, after: 300.00~USD 150.00~USD, diagnoses: J45.909^ASTHMA^I10~I10^HTN^I10'
