#!/usr/bin/env bash
# psycopg 3.3.9 (binary): the error for a refused connection has no SQLSTATE, although the server sends one.
#
# Expected: the error for a wrong password has sqlstate 28P01, which is in the server's answer.
# Seen: sqlstate is None, and so is diag.sqlstate. Only the sentence is left, in the server's language.
# It matters because a program that shows an operator the cause (password, database, too many connections) must match
# words instead of codes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --quiet --quiet --disable-pip-version-check --root-user-action ignore --target "$folder/libraries" 'psycopg[binary]==3.3.9'
cat >"$folder/script.py" <<'PYTHON'
import socket
import struct
import threading

import psycopg

FIELDS = {"S": "FATAL", "V": "FATAL", "C": "28P01", "M": "password authentication failed"}


def refuse(listener: socket.socket) -> None:
    """Answer the startup message as PostgreSQL does for a wrong password."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(1_000)
        body = b"".join(name.encode() + value.encode() + b"\0" for name, value in FIELDS.items()) + b"\0"
        connection.sendall(b"E" + struct.pack("!I", len(body) + 4) + body)


with socket.create_server(("127.0.0.1", 0)) as listener:
    threading.Thread(target=refuse, args=(listener,), daemon=True).start()
    try:
        psycopg.connect(f"host=127.0.0.1 port={listener.getsockname()[1]} user=u dbname=d sslmode=disable gssencmode=disable")
    except psycopg.OperationalError as error:
        print(psycopg.__version__, error.sqlstate, error.diag.sqlstate, FIELDS["M"] in str(error))
PYTHON
seen=$(PYTHONPATH="$folder/libraries" python3 "$folder/script.py")
echo "psycopg $seen"
test "$seen" = "3.3.9 None None True"
