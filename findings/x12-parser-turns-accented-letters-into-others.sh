#!/usr/bin/env bash
# x12-parser 1.3.0 (npm): José is read as JosC or Josi, because the default encoding drops a bit of each byte.
#
# X12's extended character set has letters such as É and Ñ, and patients have them in their names.
# Expected: UTF-8, or a mark that shows that a character was not understood. The documentation says that the encoding
# can be set, and not that it must be.
# Seen: the default is ascii, in which Node clears the highest bit. JOSÉ NUÑEZ is JOSI NUQEZ from a file in Latin-1, and
# has a control character from one in UTF-8. No error is raised. new X12parser("utf8") reads the second file well.
# It matters because JOSI is a name too: the payment finds no patient, or another one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" x12-parser@1.3.0 >/dev/null
cat >"$folder/script.cjs" <<'NODE'
const { Readable } = require("node:stream");
const { X12parser } = require("x12-parser");
const remittance =
  "ISA*00*          *00*          *ZZ*EXAMPLEPLAN    *ZZ*PRACTICE       *260105*0930*^*00501*000000001*0*P*:~" +
  "NM1*QC*1*NUÑEZ*JOSÉ****MI*W1~IEA*1*000000001~";
async function name(encoding, ...given) {
  for await (const segment of Readable.from([Buffer.from(remittance, encoding)]).pipe(new X12parser(...given)))
    if (segment.name === "NM1") return JSON.stringify([segment[3], segment[4]]);
}
(async () => {
  console.log("Latin-1:", await name("latin1"));
  console.log("UTF-8:", await name("utf8"));
  console.log("UTF-8, set:", await name("utf8", "utf8"));
})();
NODE
seen=$(node "$folder/script.cjs")
echo "x12-parser 1.3.0, NUÑEZ and JOSÉ:"
echo "$seen"
test "$seen" = 'Latin-1: ["NUQEZ","JOSI"]
UTF-8: ["NUC\u0011EZ","JOSC"]
UTF-8, set: ["NUÑEZ","JOSÉ"]'
