"""Sign a request as the Standard Webhooks specification says, so that receivers can use its libraries.

The signed text is "ID.TIMESTAMP.BODY". The key is the secret after `whsec_`, decoded from base64.
"""

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable

from core.notices.webhooks import SECRET_PREFIX


def sign(body: bytes, *, message_id: str, secrets: Iterable[str], now: dt.datetime) -> dict[str, str]:
    """Return the headers. While two secrets are valid, the signature header has one signature by each."""
    timestamp = str(int(now.timestamp()))
    text = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(text, secret)}" for secret in secrets),
    }


def _signature(text: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
