"""A claim's number inside an address: any text, in characters that no browser or server changes."""

import re
from typing import Final

from werkzeug.routing import BaseConverter, ValidationError

_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_ESCAPE: Final = re.compile(rb"~([0-9A-F]{2})")


def encode_claim_id(claim_id: str) -> str:
    """Write A/1 é as A~2F1~20~C3~A9, because a slash, a percent or two dots would change the address on the way."""
    return "".join(chr(byte) if byte in _PLAIN else f"~{byte:02X}" for byte in claim_id.encode())


def decode_claim_id(key: str) -> str:
    """Return the claim's number. Raise `ValueError` for an invalid key."""
    plain = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), key.encode())
    if b"~" in _ESCAPE.sub(b"", key.encode()):
        raise ValueError(key)
    return plain.decode()


class ClaimIdConverter(BaseConverter):
    """`<claim_id:claim_id>` in a rule."""

    regex = r"[^/]+"

    def to_python(self, value: str) -> str:
        """Return the claim's number. A bad key means that the address does not exist."""
        try:
            return decode_claim_id(value)
        except ValueError:
            raise ValidationError from None

    def to_url(self, value: str) -> str:
        """Return the key."""
        return encode_claim_id(value)
