"""What Celery and Flower log of a broker that they cannot use, in our words: theirs hold its address and its user."""

import logging
import re
from typing import Final

from core.broker import causes

_LIBRARIES: Final = ("celery.", "kombu.", "flower.")
# How their lines on a broker begin, before anything is filled in.
_BEGINNINGS: Final = (
    "consumer: Cannot connect to",
    "%s (%r)",  # the consumer's, on a connection that was lost
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


def in_our_words(record: logging.LogRecord) -> bool:
    """Replace such a line by `broker_away` with the cause; in every other line leave out a URL's credentials."""
    text = record.getMessage()
    if record.name.startswith(_LIBRARIES) and str(record.msg).strip().startswith(_BEGINNINGS):
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        cause = causes.why(f"{text} {error}")
        if error is None or cause is not causes.NO_ANSWER:  # else it is no error of the broker, told as any other
            record.msg, record.args, record.exc_info = f"broker_away: {cause.sentence}", (), None
            record.cause = cause.code
    elif "://" in text:
        record.msg, record.args = _CREDENTIALS.sub("", text), ()
    return True
