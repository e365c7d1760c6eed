#!/usr/bin/env bash
# pydantic 2.14.4: JSON Schema's format "time" describes a time without a zone, but the format requires a zone.
#
# Expected: the schema of datetime.time accepts what pydantic itself writes for a time without a zone.
# Seen: pydantic writes "08:15:00" and describes it as format "time". RFC 3339 times end in Z or an offset, so
# jsonschema with its format checker refuses the value.
# It matters because a client generated from the description refuses our own answer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" pydantic==2.14.4 'jsonschema[format-nongpl]==4.25.1' 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
import datetime as dt
import json

import jsonschema
import pydantic

adapter = pydantic.TypeAdapter(dt.time)
written = json.loads(adapter.dump_json(dt.time(8, 15)))
schema = adapter.json_schema(mode="serialization")
checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
print(pydantic.VERSION, written, schema, checker.is_valid(written))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "pydantic $seen"
test "$seen" = "2.14.4 08:15:00 {'format': 'time', 'type': 'string'} False"
