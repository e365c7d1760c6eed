"""Seal a secret that the server must read again with SETTLE_SECRET_KEY, so that a copy of the database is not enough.

Without that key, as in a web server that makes one at each start, a secret is stored as it is.
"""

import base64
import secrets
from collections.abc import Iterator
from typing import Final, NamedTuple

from core.settings import load_settings

_MARK: Final = "sealed:"  # no secret that is stored as it is begins with it
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class Unreadable(Exception):
    """No key of this installation opens it."""


class Opened(NamedTuple):
    """A secret, and whether it is stored as `seal` would store it now."""

    secret: str
    is_current: bool


def seal(secret: str, *, owner: str) -> str:
    """Return the text to store. Only `unseal` for the same owner, such as "app of user 7", opens it."""
    # Imported in each function, because few requests need it.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = next(_keys(owner), None)
    if key is None:
        return secret
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _MARK + base64.b64encode(nonce + AESGCM(key).encrypt(nonce, secret.encode(), None)).decode()


def unseal(stored: str, *, owner: str) -> Opened:
    """Return the secret. Raise `Unreadable`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not stored.startswith(_MARK):
        return Opened(stored, is_current=load_settings().secret_key is None)
    sealed = base64.b64decode(stored.removeprefix(_MARK))
    for number, key in enumerate(_keys(owner)):
        try:
            opened = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag:
            continue
        return Opened(opened.decode(), is_current=number == 0)
    raise Unreadable


def _keys(owner: str) -> Iterator[bytes]:
    """Yield a key for this owner from the current secret key, and then one from the key before it."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    settings = load_settings()
    current, old = settings.secret_key, settings.old_secret_key if settings.secret_key else None
    for key in filter(None, (current, old)):
        derived = HKDF(SHA256(), length=_KEY_BYTES, salt=None, info=owner.encode())
        yield derived.derive(key.get_secret_value().encode())
