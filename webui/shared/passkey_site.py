"""The site that passkeys belong to: SETTLE_PUBLIC_URL, or else the address of the request."""

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

from flask import Flask, request

from core.access.passkeys import PasskeyAnswer, Site
from core.errors import BadInput
from webui.shared.app_context import app_context

_PORTS: Final = {"https": 443, "http": 80}
_LOCAL: Final = "localhost"  # to which browsers allow passkeys without TLS


class NoPasskeysHere(BadInput):
    """Passkeys do not work at this address, because it does not begin with https:// and the name of a host."""


def register(app: Flask) -> None:
    """Let templates offer passkeys where they work, and give the reason where they do not."""
    app.context_processor(lambda: {"passkey_site": passkey_site, "no_passkeys_words": no_passkeys_words})


def passkey_site() -> Site | None:
    """Return the site, or None if browsers allow no passkeys at its address."""
    url = _url()
    if url is None or not url.hostname or _is_ip(url.hostname):
        return None
    is_local = url.hostname == _LOCAL or url.hostname.endswith(f".{_LOCAL}")
    if url.scheme != "https" and not is_local:
        return None
    port = "" if url.port in {None, _PORTS.get(url.scheme)} else f":{url.port}"
    return Site(url.hostname, f"{url.scheme}://{url.hostname}{port}")


def required_site() -> Site:
    """Return the site. Raise `NoPasskeysHere`."""
    site = passkey_site()
    if site is None:
        raise NoPasskeysHere(no_passkeys_words())
    return site


def given_answer(field: str) -> PasskeyAnswer | None:
    """Return what passkeys.js put into this field of the form, or None."""
    credential = request.form.get(field, "")
    return PasskeyAnswer(credential, required_site()) if credential else None


def no_passkeys_words() -> str:
    """Return why passkeys do not work at this address, and what to do."""
    url = _url()
    words = "Passkeys do not work at this address. They need one that begins with https:// and the name of a host"
    if url is not None and url.hostname and _is_loopback(url.hostname):
        port = f":{url.port}" if url.port else ""
        return f"{words}, or {url.scheme}://{_LOCAL}{port} on this machine."
    return f"{words}."


def _url() -> SplitResult | None:
    try:
        url = urlsplit(app_context().settings.public_url or request.host_url)
        _ = url.port  # raises too
    except ValueError:
        return None
    return url


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return _is_ip(host) and ipaddress.ip_address(host).is_loopback
