"""Rewrite log lines of Celery and Flower about an unavailable broker, because theirs contain its address and user."""

import logging
import re
from typing import Final

from core.broker import causes

_LIBRARIES: Final = ("celery.", "kombu.", "flower.")
# How their lines about a broker begin, before values are filled in.
_MESSAGE_PREFIXES: Final = (
    "consumer: Cannot connect to",
    "%s (%r)",  # logged by the consumer after a lost connection
    "beat: Connection error",
    "beat pidbox: Connection error",
    "beat pidbox: could not connect",
    "beat pidbox connection error",
    "Message Error",
    "Unrecoverable error",
    "Failed to capture events",
    "Failed to enable events",
    "Inspect method %s failed:",
)
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]*@")


def rewrite_broker_line(record: logging.LogRecord) -> bool:
    """Replace such a line with `broker_away` and the cause. Remove credentials from URLs in every other line."""
    text = record.getMessage()
    if record.name.startswith(_LIBRARIES) and str(record.msg).strip().startswith(_MESSAGE_PREFIXES):
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        cause = causes.diagnose(f"{text} {error}")
        if error is None or cause is not causes.NO_ANSWER:  # otherwise it is not a broker error
            record.msg, record.args, record.exc_info = f"broker_away: {cause.sentence}", (), None
            record.cause = cause.code
    elif "://" in text:
        record.msg, record.args = _CREDENTIALS.sub("", text), ()
    return True
