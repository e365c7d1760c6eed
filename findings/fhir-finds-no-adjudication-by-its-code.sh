#!/usr/bin/env bash
# fhir 4.12.0 (npm): an expression for the paid amounts of an explanation of benefits finds none.
#
# In FHIRPath, where() keeps the elements for which a condition is true. The condition may be a path of several steps,
# such as category.coding.code = 'benefit', or a number, such as sequence = 2. The library names FHIRPath as a key
# feature.
# Expected: the amounts, as from fhirpath 5.2.2.
# Seen: the result is an empty list for the code, for sequence = 2 and for amount.value = 20. item[1] is undefined. A
# condition of one step on a text is right, and a function that the library does not have raises an error.
# It matters because an empty list looks like a claim that was not paid.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" fhir@4.12.0 fhirpath@5.2.2 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { Fhir } = require("fhir");
const fhirpath = require("fhirpath");
const r4 = require("fhirpath/fhir-context/r4");

const system = "http://terminology.hl7.org/CodeSystem/adjudication";
const amount = (code, value) => ({ category: { coding: [{ system, code }] }, amount: { value, currency: "USD" } });
const benefits = {
  resourceType: "ExplanationOfBenefit",
  status: "active",
  type: { coding: [{ system: "http://terminology.hl7.org/CodeSystem/claim-type", code: "professional" }] },
  use: "claim",
  patient: { reference: "Patient/1" },
  created: "2026-01-05",
  insurer: { reference: "Organization/1" },
  provider: { reference: "Organization/2" },
  outcome: "complete",
  insurance: [{ focal: true, coverage: { reference: "Coverage/1" } }],
  item: [1, 2].map((sequence) => ({
    sequence,
    productOrService: { coding: [{ system: "http://www.ama-assn.org/go/cpt", code: "99213" }] },
    adjudication: [amount("submitted", 100), amount("benefit", 80), amount("deductible", 20)],
  })),
};
for (const path of [
  "item.adjudication.category.coding.where(code = 'benefit').code",
  "item.adjudication.where(category.coding.code = 'benefit').amount.value",
  "item.adjudication.where(amount.value = 20).amount.value",
  "item.where(sequence = 2).sequence",
  "item[1].sequence",
]) {
  const expression = `ExplanationOfBenefit.${path}`;
  const seen = [new Fhir().evaluate(benefits, expression), fhirpath.evaluate(benefits, expression, null, r4)];
  console.log(path, ...seen.map((value) => JSON.stringify(value)?.replaceAll('"', "")));
}
NODE
seen=$(node "$folder/script.cjs")
echo "An expression, its value from fhir 4.12.0, and from fhirpath 5.2.2:"
echo "$seen"
test "$seen" = "item.adjudication.category.coding.where(code = 'benefit').code [benefit,benefit] [benefit,benefit]
item.adjudication.where(category.coding.code = 'benefit').amount.value [] [80,80]
item.adjudication.where(amount.value = 20).amount.value [] [20,20]
item.where(sequence = 2).sequence [] [2]
item[1].sequence undefined [2]"
