#!/usr/bin/env bash
# humanname 0.2.2 and another-name-parser 0.1.0 (npm): patients named Ma, Do or V lose their family name.
#
# Both take a full name apart. Both know degrees such as MA and DO, and numbers such as V.
# Expected (our guess before the first run): a name of two words is a first and a last name, as parse-full-name reads
# it.
# Seen: humanname reads Jack Ma as Jack, with an empty last name and the suffix MA. another-name-parser reads Anh Do as
# Anh, with the suffix Do, and takes Major Jones for a Major with the first name Jones.
# It matters because an empty last name is refused by the payer, and the eligibility check finds no patient.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" humanname@0.2.2 another-name-parser@0.1.0 parse-full-name@1.2.7 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const humanname = require("humanname");
const another = require("another-name-parser");
const { parseFullName } = require("parse-full-name");
for (const name of ["Ana Sample", "Jack Ma", "Anh Do", "Eva V", "Major Jones"]) {
  const one = humanname.parse(name);
  const two = another(name);
  const three = parseFullName(name);
  console.log(`${name}: [${one.firstName}|${one.lastName}] [${two.first}|${two.last}] [${three.first}|${three.last}]`);
}
NODE
seen=$(node "$folder/script.cjs")
echo "First and last name by humanname 0.2.2, another-name-parser 0.1.0 and, for comparison, parse-full-name 1.2.7:"
echo "$seen"
test "$seen" = "Ana Sample: [Ana|Sample] [Ana|Sample] [Ana|Sample]
Jack Ma: [Jack|] [Jack|Ma] [Jack|Ma]
Anh Do: [Anh|Do] [Anh|null] [Anh|Do]
Eva V: [Eva|] [Eva|null] [Eva|V]
Major Jones: [Major|Jones] [Jones|null] [Major|Jones]"
