"""Tokens that only their holder knows: what is kept is a SHA-256, which is enough for 256 random bits."""

import hashlib
import secrets
from typing import Final

TOKEN_BYTES: Final = 32
TOUCH_SECONDS: Final = 60  # "last seen" is written at most once a minute, so that reading a page writes nothing


def make_token(prefix: str = "") -> str:
    """A new token that can stand in a header or a cookie."""
    return prefix + secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """What is kept of a token; any text at all has one, so that nonsense is merely unknown."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
