"""Random tokens. Only a SHA-256 is stored, which is enough for 256 random bits."""

import hashlib
import secrets
from typing import Final

TOKEN_BYTES: Final = 32
TOUCH_SECONDS: Final = 60  # "last seen" is written at most once a minute, so that most page views write nothing


def make_token(prefix: str = "") -> str:
    """Return a new token that fits in a header or a cookie."""
    return prefix + secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return the hash that is stored. Any text has a hash, so an invalid token is simply unknown."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
