#!/usr/bin/env bash
# waitress 3.0.2: the server changes the header names of an application: it sends ETag as Etag.
#
# Expected: header names reach the client as the application wrote them.
# Seen: waitress capitalizes each part between hyphens. ETag becomes Etag, and X-Request-ID becomes X-Request-Id.
# It matters because HTTP ignores the case of names, but a client that keeps headers in a plain dictionary does not. For
# that client, an API that documents ETag seems to answer without one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" waitress==3.0.2
cat >"$folder/script.py" <<'PYTHON'
import threading
import urllib.request

import waitress


def application(environ, start_response):
    start_response("200 OK", [("ETag", '"1"'), ("X-Request-ID", "7"), ("Content-Length", "0")])
    return []


server = waitress.create_server(application, host="127.0.0.1", port=0)
threading.Thread(target=server.run, daemon=True).start()
with urllib.request.urlopen(f"http://127.0.0.1:{server.effective_port}/") as answer:
    print(sorted(name for name in answer.headers if name.lower() in {"etag", "x-request-id"}))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "waitress 3.0.2: $seen"
test "$seen" = "['Etag', 'X-Request-Id']"
