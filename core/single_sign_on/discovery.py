"""What an identity provider publishes about itself: its addresses, and the keys that sign its ID tokens."""

from threading import Lock
from time import monotonic
from typing import Any, Final, NamedTuple

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from core.single_sign_on.refusals import ProviderDown, ProviderMisconfigured
from core.single_sign_on.web_client import WebClient

WELL_KNOWN: Final = "/.well-known/openid-configuration"
KEPT_SECONDS: Final = 3_600
DOWN_SECONDS: Final = 10  # without asking again, so that waiting requests do not take all threads
_PUBLIC_KEY_TYPES: Final = ("RSA", "EC", "OKP")  # never a shared secret


class Metadata(NamedTuple):
    """The provider's addresses, and how its token endpoint knows us."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    token_auth_method: str


class _Kept(NamedTuple):
    value: Any
    until: float


_kept: Final[dict[str, _Kept]] = {}  # by URL, in each process
_keeping: Final = Lock()


def metadata(client: WebClient, issuer: str, *, fresh: bool = False) -> Metadata:
    """Return what the issuer publishes, kept for an hour. Raise `ProviderDown` and `ProviderMisconfigured`."""
    url = issuer.rstrip("/") + WELL_KNOWN
    found = None if fresh else _find(url)
    if isinstance(found, ProviderDown):
        raise found
    if found is None:
        try:
            found = _keep(url, _read(client.get_json(url, what="The discovery document"), issuer))
        except ProviderDown as down:
            _keep(url, down, seconds=DOWN_SECONDS)
            raise
    read: Metadata = found
    return read


def keys(client: WebClient, jwks_uri: str, *, fresh: bool = False) -> KeySet:
    """Return the provider's public keys, kept for an hour. Raise `ProviderDown` and `ProviderMisconfigured`."""
    found = None if fresh else _find(jwks_uri)
    if found is None:
        found = _keep(jwks_uri, _read_keys(client.get_json(jwks_uri, what="The list of keys")))
    read: KeySet = found
    return read


def _find(url: str) -> Any:
    kept = _kept.get(url)
    return kept.value if kept is not None and monotonic() < kept.until else None


def _keep(url: str, value: Any, *, seconds: int = KEPT_SECONDS) -> Any:
    with _keeping:
        if len(_kept) > 100:  # noqa: PLR2004 – each practice has two; changed settings leave some behind
            _kept.clear()
        _kept[url] = _Kept(value, monotonic() + seconds)
    return value


def _read(found: dict[str, Any], issuer: str) -> Metadata:
    if found.get("issuer") != issuer:
        said = str(found.get("issuer"))[:200]
        raise ProviderMisconfigured(
            f'The identity provider calls itself "{said}". The issuer in the settings must be the same.'
        )
    scheme = f"{issuer.partition('://')[0]}://"
    read = {name: _address(found, name, scheme) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    more = {name: _address(found, name, scheme) if found.get(name) else None
            for name in ("userinfo_endpoint", "end_session_endpoint")}  # fmt: skip
    # The default is client_secret_basic, but providers disagree on how it encodes special characters.
    methods = found.get("token_endpoint_auth_methods_supported")
    accepts_post = isinstance(methods, list) and "client_secret_post" in methods
    method = "client_secret_post" if accepts_post else "client_secret_basic"
    return Metadata(issuer=issuer, **read, **more, token_auth_method=method)  # type: ignore[arg-type]  # checked above


def _address(found: dict[str, Any], name: str, scheme: str) -> str:
    address = found.get(name)
    if not isinstance(address, str) or not address.startswith(scheme):
        raise ProviderMisconfigured(f"The discovery document lacks a {scheme} address {name}. Is the issuer right?")
    return address


def _read_keys(found: dict[str, Any]) -> KeySet:
    """Return the keys that can verify a signature. A kind that is unknown is skipped."""
    listed = found.get("keys")
    read = []
    for one in listed if isinstance(listed, list) else []:
        if not isinstance(one, dict) or one.get("kty") not in _PUBLIC_KEY_TYPES or one.get("use", "sig") != "sig":
            continue
        try:
            read.append(JWKRegistry.import_key(one))
        except (JoseError, ValueError, TypeError):
            continue
    if not read:
        raise ProviderMisconfigured("The identity provider publishes no key that verifies a signature.")
    return KeySet(read)
