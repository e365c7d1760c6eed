"""Which addresses a webhook may have, so that a request never reaches what only this network may reach.

`check_url` reads the URL when it is saved. `check_address` is asked again for each request, about the address that is
then connected to, because a name may lead somewhere else by then.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Literal
from urllib.parse import urlsplit

from core.errors import BadInput

# As `SETTLE_WEBHOOK_REACH`: public addresses, this machine too, or private networks too.
WebhookReach = Literal["public", "loopback", "private"]

URL_CHARACTERS_MAX: Final = 500
# An IPv6 address in one of these leads to an IPv4 address.
_TRANSLATED: Final = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))


class BadWebhookUrl(BadInput):
    """Enter a web address that begins with https://."""


def check_url(url: str, *, reach: WebhookReach) -> str:
    """Return the URL as it is stored. Raise `BadWebhookUrl`."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise BadWebhookUrl from None
    if not host or len(url) > URL_CHARACTERS_MAX or not (url.isascii() and url.isprintable()) or " " in url:
        raise BadWebhookUrl
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadWebhookUrl("Enter the address without a user, a password or a #.")
    is_here = host == "localhost" or (is_ip(host) and ip_address(host).is_loopback)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here and reach != "public"):
        raise BadWebhookUrl
    if is_here and reach == "public":
        raise BadWebhookUrl("This address is on the server itself, so requests to it are not sent.")
    if is_ip(host):
        check_address(host, reach=reach)
    return url


def is_ip(host: str) -> bool:
    """Return whether the host is an IP address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_address(address: str, *, reach: WebhookReach) -> None:
    """Raise `BadWebhookUrl` unless the IP address is public, or of the reach that the settings allow."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if not _is_allowed(found, reach):
        raise BadWebhookUrl("This address is not public, so requests to it are not sent.")


def _is_allowed(found: IPv4Address | IPv6Address, reach: WebhookReach) -> bool:
    if found.is_loopback:
        return reach in ("loopback", "private")
    if found.is_multicast or found.is_unspecified or found.is_link_local or found.is_reserved:
        return False  # a link-local address is a cloud's metadata service
    if isinstance(found, IPv6Address) and found.is_site_local:
        return False
    if any(found in network for network in _TRANSLATED):
        return False
    return found.is_global or (found.is_private and reach == "private")
