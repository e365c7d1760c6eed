#!/usr/bin/env bash
# duckdb 2.0.1: whether 01/02/2026 is January 2 or February 1 depends on the order of the columns.
#
# read_csv detects one date format for a file. 01/13/2026 can only be month first.
# Expected (our guess before the first run): both date columns are read month first, in either order.
# Seen: if service_date comes first and no day in it is above 12, the file's format becomes day first. January 2 is read as
# February 1, and paid_date stays text. With the same two columns exchanged, all dates are right. No error is raised.
# It matters because services that were paid in January seem to be from February, and claims miss their filing limit, or
# seem to meet it, by a month.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" duckdb==2.0.1 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import sys

import duckdb

ROWS = [("A1", "01/02/2026", "01/13/2026"), ("A2", "01/03/2026", "01/20/2026")]
for header, order in (("claim,service_date,paid_date", (0, 1, 2)), ("claim,paid_date,service_date", (0, 2, 1))):
    with open(sys.argv[1], "w") as file:
        file.write(header + "\n" + "".join(",".join(row[place] for place in order) + "\n" for row in ROWS))
    found = duckdb.sql(f"SELECT claim, service_date, paid_date FROM read_csv('{sys.argv[1]}') ORDER BY claim").fetchall()
    print(header, [(claim, str(service), str(paid)) for claim, service, paid in found])
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 -W ignore "$folder/script.py" "$folder/claims.csv")
echo "duckdb 2.0.1, claim, service_date and paid_date:"
echo "$seen"
test "$seen" = "claim,service_date,paid_date [('A1', '2026-02-01', '01/13/2026'), ('A2', '2026-03-01', '01/20/2026')]
claim,paid_date,service_date [('A1', '2026-01-02', '2026-01-13'), ('A2', '2026-01-03', '2026-01-20')]"
