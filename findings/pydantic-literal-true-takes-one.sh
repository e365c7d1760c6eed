#!/usr/bin/env bash
# pydantic 2.14.4: Literal[True] takes the number 1, and the JSON schema that it writes says only true.
#
# Guess before the run: a field of Literal[True] takes JSON's true and nothing else, as its schema says.
# Seen: 1 and 1.0 are taken too, also in strict mode, because a literal takes whatever is equal to it. StrictBool
# refuses both.
# It matters because {"all": 1} in a request then selects every claim of a practice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" pydantic==2.14.4 2>/dev/null
cat >"$folder/script.py" <<'PYTHON'
from typing import Any, Literal

import pydantic


def takes(kind: Any, text: str) -> bool:
    try:
        pydantic.TypeAdapter(kind).validate_json(text, strict=True)
    except pydantic.ValidationError:
        return False
    return True


schema = pydantic.TypeAdapter(Literal[True]).json_schema()
print(pydantic.VERSION, [[takes(kind, text) for text in ("true", "1", "1.0")] for kind in (Literal[True], pydantic.StrictBool)], schema)
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "pydantic $seen"
test "$seen" = "2.14.4 [[True, True, True], [True, False, False]] {'const': True, 'type': 'boolean'}"
