#!/usr/bin/env bash
# pyexcel-ods3 0.6.1: an amount in a currency format is read as a text, such as 10.1 USD.
#
# An OpenDocument spreadsheet keeps the amount of such a cell as a number, and the currency beside it.
# Expected: 10.1, as ezodf gives it, or Decimal("10.10").
# Seen: '10.1 USD'. A cell with the same number and no currency is 10.1. The library's changelog only says that it
# recognizes the type.
# It matters because a column of payments with the dollar sign has no sum, and amounts compare as texts: '9.5 USD' is
# larger than '10.1 USD'.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" pyexcel-ods3==0.6.1 ezodf==0.3.2 lxml 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys
import zipfile

import ezodf
from pyexcel_ods3 import get_data

KIND = "application/vnd.oasis.opendocument.spreadsheet"
NAME = "urn:oasis:names:tc:opendocument:xmlns:"
CELLS = "".join(
    f'<table:table-cell office:value-type="currency" office:currency="USD" office:value="{value}"><text:p>${value}</text:p>'
    "</table:table-cell>" for value in ("10.1", "9.5", "-20")
) + '<table:table-cell office:value-type="float" office:value="10.1"><text:p>10.10</text:p></table:table-cell>'
with zipfile.ZipFile(sys.argv[1], "w") as file:
    file.writestr("mimetype", KIND)
    file.writestr(
        "META-INF/manifest.xml",
        f'<manifest:manifest xmlns:manifest="{NAME}manifest:1.0" manifest:version="1.2">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{KIND}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>',
    )
    file.writestr(
        "content.xml",
        f'<office:document-content xmlns:office="{NAME}office:1.0" xmlns:table="{NAME}table:1.0" xmlns:text="{NAME}text:1.0"'
        ' office:version="1.2"><office:body><office:spreadsheet><table:table table:name="Payments"><table:table-row>'
        f"{CELLS}</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>",
    )
print("pyexcel-ods3:", get_data(sys.argv[1])["Payments"][0])
print("ezodf:", [cell.value for cell in ezodf.opendoc(sys.argv[1]).sheets[0].row(0)])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/payments.ods")
echo "Three amounts in dollars, and the first one again without a currency:"
echo "$seen"
test "$seen" = "pyexcel-ods3: ['10.1 USD', '9.5 USD', '-20 USD', 10.1]
ezodf: [10.1, 9.5, -20.0, 10.1]"
