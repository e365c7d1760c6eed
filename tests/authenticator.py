"""An authenticator in software: it makes passkeys and answers challenges as a browser would send it."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import encode_cbor

PRESENT, VERIFIED, HAS_KEY = 0x01, 0x04, 0x40  # flags of authenticator data
ORIGIN = "http://localhost"


def encode(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey of a device. `origin`, `count` and `flags` are what it sends next, so a test can change them."""

    origin: str = ORIGIN
    count: int = 0
    flags: int = PRESENT | VERIFIED
    handle: str | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def create(self, options: str) -> str:
        """Return what `navigator.credentials.create` would for these options, in JSON."""
        asked = json.loads(options)
        self.handle = asked["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        made = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + encode_cbor(public)
        data = self._data(asked["rp"]["id"], self.flags | HAS_KEY) + made
        attestation = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", asked["challenge"])
        return self._json(clientDataJSON=encode(client), attestationObject=encode(attestation), transports=["usb"])

    def get(self, options: str) -> str:
        """Return what `navigator.credentials.get` would for these options, in JSON."""
        asked = json.loads(options)
        self.count += 1
        data, client = self._data(asked["rpId"], self.flags), self._client("webauthn.get", asked["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._json(
            clientDataJSON=encode(client), authenticatorData=encode(data), signature=encode(signature),
            userHandle=self.handle,
        )  # fmt: skip

    def _data(self, domain: str, flags: int) -> bytes:
        return hashlib.sha256(domain.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _json(self, **response: Any) -> str:
        own = encode(self.credential_id)
        return json.dumps({"id": own, "rawId": own, "type": "public-key", "response": response})
