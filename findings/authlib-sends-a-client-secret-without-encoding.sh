#!/usr/bin/env bash
# Authlib 1.9.10: a client secret in the header Authorization is not encoded, so a provider reads a different secret.
#
# RFC 6749, section 2.3.1, says that the client ID and the secret are form-encoded, and then joined and written in base64.
# Expected: a provider that decodes the header as the RFC says reads the secret that the client was given.
# Seen: it reads a space for a plus sign, and a different character for a percent sign and two digits. A colon ends the ID.
# It matters because client_secret_basic is the default of OpenID Connect, and secrets are often base64, with plus signs.
# The sign-in then fails with invalid_client, which looks like a wrong or expired secret.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" authlib==1.9.10
cat >"$folder/script.py" <<'PYTHON'
import base64
from urllib.parse import unquote_plus

from authlib.oauth2.auth import ClientAuth

for secret in ("plain-secret_1.2~3", "MKEM/A7Pkn7+ypcan", "100%25 secret"):
    _, headers, _ = ClientAuth("settle", secret, "client_secret_basic").prepare("POST", "https://a.test/token", {}, "")
    sent = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
    print(repr(secret), repr(unquote_plus(sent.partition(":")[2])))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "The client's secret, and what a provider reads:"
echo "$seen"
test "$seen" = "'plain-secret_1.2~3' 'plain-secret_1.2~3'
'MKEM/A7Pkn7+ypcan' 'MKEM/A7Pkn7 ypcan'
'100%25 secret' '100% secret'"
