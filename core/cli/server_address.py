"""The address of a server: read as typed, and refused if a token would travel unencrypted."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from core.errors import BadInput

_THIS_MACHINE: Final = "localhost"


class BadServer(BadInput):
    """Write the server as a URL, for example https://settle.example.org."""


def checked_url(typed: str, *, allow_http: bool) -> str:
    """Return the server's URL without a slash at the end. Raise `BadServer`."""
    try:
        parts = urlsplit(typed.strip())
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise BadServer from None
    if not is_url or parts.username is not None or parts.query or parts.fragment:
        raise BadServer
    url = parts._replace(netloc=parts.netloc.lower()).geturl().rstrip("/")
    if parts.scheme == "http" and not allow_http and not is_this_machine(url):
        raise BadServer(
            f"{url} does not use TLS, so others on the network could read your password and token. Use https://, "
            "or add --allow-http on a network that you trust."
        )
    return url


def is_this_machine(url: str) -> bool:
    """Return whether the URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == _THIS_MACHINE
    return address.is_loopback or address.is_unspecified
