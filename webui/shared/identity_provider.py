"""Lead a browser to the practice's identity provider, and sign it out there."""

from typing import Any, Final
from urllib.parse import urlencode

from flask import g, render_template, session
from sqlalchemy.orm import Session

from core.access import own_practice, user_sessions
from core.access.permissions import Actor
from core.db.engine import transaction
from core.single_sign_on import attempts, discovery, settings
from core.single_sign_on.refusals import SignInRefused
from core.single_sign_on.settings import NoSingleSignOn
from core.single_sign_on.web_client import WebClient
from webui.shared.app_context import absolute_url, app_context, now

PAGES: Final = "single_sign_on"  # the blueprint of the pages there and back
ADDRESS: Final = "/sign-in/single-sign-on"
LEAVING: Final = "single_sign_on"  # in the signed cookie of forms, until the browser comes back
SIGNED_OUT: Final = "signed_out"  # the state that the provider returns after a sign-out


def web_client() -> WebClient:
    """Return the client for the requests of one sign-in."""
    return WebClient(app_context().settings.webhook_reach)


def redirect_uri() -> str:
    """Return the address to which the identity provider sends a browser back."""
    return absolute_url(f"{ADDRESS}/callback")


def lead_to(practice_id: int | None, *, wanted: str | None = None, **asked: Any) -> str:
    """Return a page that leads the browser to the practice's identity provider, and then to the page `wanted`.

    Raise `NoSingleSignOn` and `SignInRefused`.
    """
    g.practice_id = practice_id  # whose rows this request may see
    if practice_id is None:
        raise NoSingleSignOn
    with app_context().sessions() as db:
        found = settings.find_active(db, practice_id)
        db.expunge(found)
    metadata = discovery.metadata(web_client(), found.issuer)  # without a connection to the database
    with transaction(app_context().sessions) as db:
        departure = attempts.begin(db, found, metadata, redirect_uri=redirect_uri(), now=now(), **asked)
    session[LEAVING] = {"state": departure.state, "next": wanted}
    # Not a redirect, because browsers let a form lead only to this host (form-action in the Content-Security-Policy).
    return render_template("account/leaving.html", address=departure.url, signing_out=False)


def lead_to_again(actor: Actor, *, form: dict[str, Any] | None = None, wanted: str | None = None) -> str:
    """Return a page on which the signed-in user leaves to sign in again. Then `form` is sent, or `wanted` is shown."""
    return lead_to(actor.practice_id, email=actor.email, user_id=actor.user_id, form=form, wanted=wanted)


def sign_out_address(token: str) -> str | None:
    """Return the address that signs the session's user out of the identity provider, or None without one."""
    with app_context().sessions() as db:
        user = user_sessions.find_user_from_provider(db, token)
        found = None if user is None else settings.find(db, user.practice_id)
        if found is None or not found.active:
            return None
        db.expunge(found)
        hint = user_sessions.find_id_token(db, token)
    try:
        address = discovery.metadata(web_client(), found.issuer).end_session_endpoint
    except SignInRefused:
        return None  # the provider is down, so the sign-out is only here
    if address is None:
        return None
    known = {"id_token_hint": hint, "client_id": found.client_id}
    back = {"post_logout_redirect_uri": absolute_url("/sign-in"), "state": SIGNED_OUT}
    given = {name: value for name, value in {**known, **back}.items() if value}
    return f"{address}{'&' if '?' in address else '?'}{urlencode(given)}"


def has_any(db: Session) -> bool:
    """Return whether a practice of this installation has an identity provider."""
    return bool(own_practice.with_single_sign_on(db))
