"""What a request says about its client: its address, and the family of its browser."""

import ipaddress
from typing import Final

from flask import request

# The first that matches. Most browsers also name the ones that they resemble.
_BROWSERS: Final = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("Chrom", "Chrome"),
    ("CriOS/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS: Final = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


def client_address() -> str:
    """Return the client's address. Behind proxies, `SETTLE_TRUSTED_PROXIES` says how many of them to believe."""
    return request.remote_addr or ""


def short_address() -> str:
    """Return the network of the client's address: enough to recognize it in a list of sessions."""
    try:
        address = ipaddress.ip_address(client_address())
    except ValueError:
        return ""
    network = ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False)  # noqa: PLR2004
    return f"{network.network_address.exploded.rpartition('.')[0]}.x" if address.version == 4 else str(network)  # noqa: PLR2004


def browser_family() -> str:
    """Return the family of the browser and its system, such as "Firefox on Windows"."""
    agent = request.headers.get("User-Agent", "")
    browser, system = (next((words for mark, words in table if mark in agent), "") for table in (_BROWSERS, _SYSTEMS))
    return " on ".join(filter(None, (browser or "Unknown browser", system)))
