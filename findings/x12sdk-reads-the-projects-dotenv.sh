#!/usr/bin/env bash
# x12sdk 2.2.0: importing the library loads the .env file of the project in which it is installed.
#
# Expected: importing a parser leaves os.environ unchanged.
# Seen: a script that imports x12sdk finds every line of PROJECT/.env in its environment. The search starts at the
# library's own folder and walks up. So a .venv inside a checkout reaches the .env from which Docker Compose reads its
# settings and secrets, whatever the working directory is. With `python -c`, the search starts at the working directory
# instead.
# It matters because a test suite with x12sdk as a development tool runs with settings that only Compose should have.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/project/libraries" x12sdk==2.2.0
echo "EXAMPLE_SETTING=of-compose" >"$folder/project/.env"
cat >"$folder/script.py" <<'PYTHON'
import os

before = set(os.environ)
import x12sdk

print(x12sdk.__version__, sorted((name, os.environ[name]) for name in set(os.environ) - before))
PYTHON
cd /
seen=$(PYTHONPATH="$folder/project/libraries" python3 "$folder/script.py")
echo "$seen"
test "$seen" = "2.2.0 [('EXAMPLE_SETTING', 'of-compose')]"
