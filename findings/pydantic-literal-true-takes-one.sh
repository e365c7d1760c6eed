#!/usr/bin/env bash
# pydantic 2.14.4: Literal[True] accepts the number 1, although its JSON schema allows only true.
#
# Expected: a field of type Literal[True] accepts JSON's true and nothing else, as its schema says.
# Seen: it also accepts 1 and 1.0, even in strict mode, because a literal accepts any value that equals it. StrictBool
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
