#!/usr/bin/env bash
# ofxparse 0.21: a deposit of January 31 in the evening has the date February 1, with no time zone to tell why.
#
# OFX times may name their offset, as in 20260131200000[-5:EST]: January 31, 8:00 PM in New York.
# Expected (our guess before the first run): a time on January 31.
# Seen: February 1, 1:00 AM, without a time zone. A deposit that the bank sends as 20260131 stays January 31. In one list,
# the two cannot be told apart. ofxtools 1.1.1 also moves the first to 1:00 AM, but returns UTC with it.
# It matters because the deposit is booked in February, and January's closed month does not agree with the bank's statement.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" ofxparse==0.21 ofxtools==1.1.1 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys

from ofxparse import OfxParser
from ofxtools.Parser import OFXTree

HEAD = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\nCOMPRESSION:NONE\nOLDFILEUID:NONE\nNEWFILEUID:NONE\n\n"
STATUS = "<STATUS><CODE>0<SEVERITY>INFO</STATUS>"
deposits = "".join(
    f"<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>{posted}<TRNAMT>70.50<FITID>{number}<NAME>HCCLAIMPMT</STMTTRN>"
    for number, posted in enumerate(("20260131200000[-5:EST]", "20260131"))
)
with open(sys.argv[1], "w") as file:
    file.write(
        f"{HEAD}<OFX><SIGNONMSGSRSV1><SONRS>{STATUS}<DTSERVER>20260202080000<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1><BANKMSGSRSV1>"
        f"<STMTTRNRS><TRNUID>1{STATUS}<STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>011401533<ACCTID>0072<ACCTTYPE>CHECKING"
        f"</BANKACCTFROM><BANKTRANLIST><DTSTART>20260101<DTEND>20260131{deposits}</BANKTRANLIST><LEDGERBAL><BALAMT>141.00"
        "<DTASOF>20260131</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
    )
with open(sys.argv[1], "rb") as file:
    print("ofxparse", [str(one.date) for one in OfxParser.parse(file).account.statement.transactions])
tree = OFXTree()
tree.parse(sys.argv[1])
print("ofxtools", [str(one.dtposted) for one in tree.convert().statements[0].transactions])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/statement.ofx")
echo "ofxparse 0.21 and ofxtools 1.1.1:"
echo "$seen"
test "$seen" = "ofxparse ['2026-02-01 01:00:00', '2026-01-31 00:00:00']
ofxtools ['2026-02-01 01:00:00+00:00', '2026-01-31 00:00:00+00:00']"
