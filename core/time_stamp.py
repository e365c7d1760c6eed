"""Ask a time-stamping authority (RFC 3161) to sign when a checksum existed, and check its answer.

The authority signs the SHA-256 of the checksum's hexadecimal text.
"""

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

QUERY_TYPE: Final = "application/timestamp-query"
ANSWER_BYTES_MAX: Final = 100_000  # a few certificates


class BadTimeStamp(Exception):
    """The answer is not a time stamp of this checksum by a trusted authority."""


def request_for(sha256: str) -> TimeStampRequest:
    """Return a request with a new nonce, which also asks for the authority's certificate."""
    return TimestampRequestBuilder(sha256.encode(), HashAlgorithm.SHA256).build()


def stamped_at(answer: bytes, sha256: str, *, trusted: Path, request: TimeStampRequest | None = None) -> dt.datetime:
    """Return the time that the authority signed. Raise `BadTimeStamp`. `trusted` holds root certificates (PEM)."""
    try:
        builder = VerifierBuilder.from_request(request) if request else VerifierBuilder()
        for root in _certificates(trusted):
            builder = builder.add_root_certificate(root)
        decoded = decode_timestamp_response(answer)
        builder.build().verify_message(decoded, sha256.encode())
    except (VerificationError, ValueError) as error:
        raise BadTimeStamp(type(error).__name__) from None
    return decoded.tst_info.gen_time


@cache
def _certificates(file: Path) -> list[Certificate]:
    return load_pem_x509_certificates(file.read_bytes())
