"""Exchange a code for an ID token. Authlib and joserfc check it, and this file says why a check fails."""

import base64
import datetime as dt
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from core.access.sealed import Unreadable
from core.counting import counted
from core.models.single_sign_on import SignInRequest, SingleSignOn
from core.single_sign_on import discovery
from core.single_sign_on.discovery import Metadata
from core.single_sign_on.refusals import BadIdToken, ClocksDiffer, ProviderMisconfigured, SignInRefused
from core.single_sign_on.settings import client_secret
from core.single_sign_on.web_client import WebClient

# A public key verifies each. With a shared secret (HS256), who knows the client secret could sign for anyone.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_SECONDS: Final = 60  # between the two clocks
AGE_MAX: Final = dt.timedelta(minutes=5)  # a token is made when it is fetched, so an older one means a wrong clock
SUBJECT_CHARACTERS_MAX: Final = 255
_WORDS: Final = {
    "iss": "It names a different issuer.",
    "aud": "It is for a different application.",
    "azp": "It is for a different application.",
    "nonce": "It belongs to a different sign-in.",
}


class Identity(NamedTuple):
    """What the identity provider says about the user who signed in."""

    issuer: str
    subject: str
    email: str | None
    is_email_verified: bool
    name: str | None
    groups: tuple[str, ...]
    has_second_factor: bool  # a method of the sign-in is "mfa"
    signed_in_at: dt.datetime | None
    id_token: str


def make_client(settings: SingleSignOn, metadata: Metadata, redirect_uri: str, web: WebClient | None) -> OAuth2Client:
    """Return Authlib's client. Its requests go through `web`; an address for the browser needs none."""
    try:
        secret = client_secret(settings)
    except Unreadable:
        raise ProviderMisconfigured(
            "The server's secret key changed, so it cannot read the client secret. An administrator must save it again."
        ) from None
    method = metadata.token_auth_method if secret else "none"
    client = OAuth2Client(
        web, settings.client_id, secret, method, scope="openid email profile",
        redirect_uri=redirect_uri, code_challenge_method="S256",
    )  # fmt: skip
    client.register_client_auth_method(("client_secret_basic", _encode_basic))
    return client


def _encode_basic(client: Any, _method: str, url: str, headers: dict[str, str], body: str) -> tuple[str, Any, str]:
    """Put the ID and the secret into the header, encoded as RFC 6749 requires. Authlib's own header is not."""
    known = ":".join(quote(one, safe="") for one in (client.client_id, client.client_secret))
    return url, {**headers, "Authorization": f"Basic {base64.b64encode(known.encode()).decode()}"}, body


def fetch(settings: SingleSignOn, request: SignInRequest, code: str, *, web: WebClient, now: dt.datetime) -> Identity:
    """Return who signed in. Raise `BadIdToken`, `ProviderDown` and `ProviderMisconfigured`."""
    metadata = discovery.metadata(web, settings.issuer)
    client = make_client(settings, metadata, request.redirect_uri, web)
    try:
        token = client.fetch_token(metadata.token_endpoint, code=code, code_verifier=request.code_verifier)
    except OAuth2Error as error:
        raise _refused_code(error.error) from None
    except ValueError:
        raise ProviderMisconfigured("The token endpoint answers without JSON. Tell an administrator.") from None
    id_token = token.get("id_token")
    if not isinstance(id_token, str):
        raise ProviderMisconfigured("The identity provider sends no ID token. Tell an administrator.")
    claims = _checked(id_token, settings, request, web=web, jwks_uri=metadata.jwks_uri, token=token, now=now)
    return _identity(settings, claims, _more_claims(settings, metadata, claims, token, web), id_token)


def _refused_code(error: object) -> SignInRefused:
    if error == "invalid_client":
        return ProviderMisconfigured(
            "The identity provider refuses the client ID or the client secret. The secret may have expired. "
            "Tell an administrator."
        )
    return SignInRefused("The identity provider refuses this sign-in. Begin again.")


def _checked(
    id_token: str, settings: SingleSignOn, request: SignInRequest, *, web: WebClient, jwks_uri: str,
    token: Any, now: dt.datetime,
) -> dict[str, Any]:  # fmt: skip
    """Return the claims of a token with a valid signature, for this sign-in, at this time."""
    try:
        decoded = _decode(id_token, discovery.keys(web, jwks_uri))
    except InvalidKeyIdError:  # the provider has a new key since we read its list
        try:
            decoded = _decode(id_token, discovery.keys(web, jwks_uri, fresh=True))
        except InvalidKeyIdError:
            raise _bad("It is signed with a key that the identity provider does not publish.") from None
    wanted = {name: {"essential": True, "value": value}
              for name, value in (("iss", settings.issuer), ("aud", settings.client_id))}  # fmt: skip
    params = {"nonce": request.nonce, "client_id": settings.client_id, "access_token": token.get("access_token")}
    claims = CodeIDToken(decoded.claims, decoded.header, options=wanted, params=params)
    seconds = int(now.timestamp())
    try:
        claims.validate(now=seconds, leeway=LEEWAY_SECONDS)
    except JoseError as error:
        raise _bad_claim(error, claims, seconds) from None
    _check_age(claims["iat"] - seconds)
    checked: dict[str, Any] = claims
    if not 1 <= len(claims["sub"]) <= SUBJECT_CHARACTERS_MAX or not claims["sub"].isprintable():
        raise _bad("It names no user.")
    return checked


def _decode(id_token: str, keys: KeySet) -> jwt.Token:
    try:
        return jwt.decode(id_token, keys, algorithms=ALGORITHMS)
    except InvalidKeyIdError:
        raise
    except JoseError:
        raise _bad("Its signature is not valid.") from None
    except (ValueError, TypeError):  # such as a key of another type than the algorithm
        raise _bad("It cannot be read.") from None


def _bad(cause: str) -> BadIdToken:
    return BadIdToken(f"The identity provider's ID token is not valid. {cause} Tell an administrator.")


def _bad_claim(error: JoseError, claims: dict[str, Any], seconds: int) -> BadIdToken:
    claim = getattr(error, "claim", None)
    if isinstance(claims.get("iat"), int | float) and (claim == "iat" or isinstance(error, ExpiredTokenError)):
        _check_age(claims["iat"] - seconds)
    if isinstance(error, ExpiredTokenError):
        return _bad("It has expired.")
    return _bad(_WORDS.get(str(claim), f"Its {claim} is missing or wrong."))


def _check_age(seconds_ahead: float) -> None:
    """Raise `ClocksDiffer` if the token comes from the future, or is older than a token just fetched can be."""
    if -AGE_MAX.total_seconds() <= seconds_ahead <= LEEWAY_SECONDS:
        return
    minutes = counted(max(1, round(min(10**9, abs(seconds_ahead)) / 60)), "minute")
    which = "behind" if seconds_ahead > 0 else "ahead of"
    raise ClocksDiffer(
        f"The clock of this server is {minutes} {which} the identity provider's. Tell an administrator to set it."
    )


def _more_claims(
    settings: SingleSignOn, metadata: Metadata, claims: dict[str, Any], token: Any, web: WebClient
) -> dict[str, Any]:
    """Return the claims, with those of the userinfo endpoint if the token lacks the e-mail address or the groups."""
    is_whole = "email" in claims and (not settings.groups_claim or settings.groups_claim in claims)
    access_token = token.get("access_token")
    if is_whole or metadata.userinfo_endpoint is None or not isinstance(access_token, str):
        return claims
    bearer = {"Authorization": f"Bearer {access_token}"}
    found = web.get_json(metadata.userinfo_endpoint, what="The userinfo endpoint", headers=bearer)
    if found.get("sub") != claims["sub"]:
        raise ProviderMisconfigured("The userinfo endpoint answers for a different user. Tell an administrator.")
    return {**found, **claims}


def _identity(settings: SingleSignOn, claims: dict[str, Any], more: dict[str, Any], id_token: str) -> Identity:
    email, groups, at = more.get("email"), more.get(settings.groups_claim, ()), claims.get("auth_time")
    methods, level = claims.get("amr") or (), claims.get("acr")
    # Entra ID has "xms_edov" (E-mail Domain Owner Verified) instead of "email_verified".
    verified = (more.get("email_verified"), more.get("xms_edov"))
    return Identity(
        issuer=settings.issuer,
        subject=claims["sub"],
        email=email if isinstance(email, str) else None,
        is_email_verified=any(one is True or one in (1, "1", "true") for one in verified),
        name=more["name"] if isinstance(more.get("name"), str) else None,
        groups=tuple(one for one in ([groups] if isinstance(groups, str) else groups) if isinstance(one, str))
        if isinstance(groups, str | list) else (),
        has_second_factor="mfa" in methods or (isinstance(level, str) and "mfa" in level.lower()),
        signed_in_at=_moment(at),
        id_token=id_token,
    )  # fmt: skip


def _moment(seconds: object) -> dt.datetime | None:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC)  # type: ignore[arg-type]  # a TypeError is caught
    except (TypeError, ValueError, OverflowError, OSError):
        return None
