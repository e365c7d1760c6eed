"""A time-stamping authority: `openssl ts` behind HTTP. It does what the path says.

`python -m tests.core.delivery.authority FOLDER` makes its root and its certificate, and writes its port to FOLDER/port.
/stamp stamps. /fails answers 500 until FOLDER/up exists. /other stamps another text. /garbage sends no time stamp.
"""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[-1])
CONFIG = """
[tsa]
default_tsa = it
[it]
serial = serial
signer_cert = signer.pem
signer_key = signer.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
[signer]
extendedKeyUsage = critical,timeStamping
"""


def openssl(*words: str, given: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *words], cwd=FOLDER, input=given, capture_output=True, check=True).stdout


def make_certificates() -> None:
    (FOLDER / "openssl.cnf").write_text(CONFIG)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-days", "2", "-subj", "/CN=Root")
    openssl("req", *key, "-keyout", "signer.key", "-out", "signer.csr", "-subj", "/CN=Authority")
    openssl("x509", "-req", "-in", "signer.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
            "-days", "2", "-extfile", "openssl.cnf", "-extensions", "signer", "-out", "signer.pem")  # fmt: skip
    (FOLDER / "serial").write_text("01")


class Authority(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/fails" and not (FOLDER / "up").exists():
            self._answer(500, b"")
        elif self.path == "/garbage":
            self._answer(200, b"no time stamp" * 100_000)
        else:
            (FOLDER / "query").write_bytes(body)
            if self.path == "/other":
                openssl("ts", "-query", "-data", "serial", "-sha256", "-cert", "-out", "query")
            self._answer(200, openssl("ts", "-reply", "-config", "openssl.cnf", "-queryfile", "query"))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


if __name__ == "__main__":
    make_certificates()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Authority)
    (FOLDER / "port.new").write_text(str(server.server_address[1]))
    (FOLDER / "port.new").rename(FOLDER / "port")
    server.serve_forever()
