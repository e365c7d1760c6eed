"""Codes of an authenticator app (TOTP, RFC 6238): six digits, a new one every 30 seconds."""

import datetime as dt
import hmac
import re
from typing import Final

ISSUER: Final = "Batch Settle"
STEP_SECONDS: Final = 30
STEPS_OFF_ACCEPTED: Final = 1  # for the time that typing takes, and a clock that is a little off
STEPS_OFF_EXPLAINED: Final = 20  # within ten minutes, the refusal says that a clock is behind
_CODE: Final = re.compile(r"[0-9]{6}")


def make_secret() -> str:
    """Return a new secret of 160 random bits in base32."""
    # Imported in each function, because few requests and commands need it.
    import pyotp

    return pyotp.random_base32()


def address(secret: str, *, account: str) -> str:
    """Return what the QR code contains: the secret with the names that the app shows."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER)


def step_at(now: dt.datetime) -> int:
    """Return the number of the 30-second step since 1970."""
    return int(now.timestamp()) // STEP_SECONDS


def is_code(text: str) -> bool:
    """Return whether the text could be a code."""
    return _CODE.fullmatch(text) is not None


def steps_off(secret: str, code: str, *, now: dt.datetime) -> int | None:
    """Return by how many steps the code is early (1) or late (below 0), or None if it is not near."""
    import pyotp

    totp, step = pyotp.TOTP(secret), step_at(now)
    # Not further ahead: a guess must not learn that it is a code of the next minutes.
    offsets = range(-STEPS_OFF_EXPLAINED, STEPS_OFF_ACCEPTED + 1)
    matching = [off for off in offsets if hmac.compare_digest(totp.generate_otp(step + off), code)]
    return min(matching, key=abs, default=None)
