"""Send a browser to the identity provider, and take its answer, once."""

import datetime as dt
import secrets
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.access import own_practice
from core.access.token_hash import hash_token
from core.models.single_sign_on import SignInRequest, SingleSignOn
from core.single_sign_on import id_token
from core.single_sign_on.discovery import Metadata
from core.single_sign_on.refusals import SignInStale

LIFE: Final = dt.timedelta(minutes=10)  # from leaving for the identity provider to coming back
_RANDOM_BYTES: Final = 32


class Departure(NamedTuple):
    """Where the browser goes, and the state that it must bring back."""

    url: str
    state: str


def find_practice_for(session: Session, email: str) -> int | None:
    """Return the practice whose identity provider signs in this e-mail address, or the only one that has a provider.

    Whether the address has an account does not matter, so the answer does not reveal it.
    """
    active = own_practice.with_single_sign_on(session)
    if len(active) == 1:
        return active[0]
    domain = email.strip().rpartition("@")[2].lower()
    return None if "\0" in domain else own_practice.find(session, "domain", domain)


def begin(
    session: Session,
    settings: SingleSignOn,
    metadata: Metadata,
    *,
    redirect_uri: str,
    email: str = "",
    user_id: int | None = None,
    form: dict[str, Any] | None = None,
    now: dt.datetime,
) -> Departure:
    """Store what the answer must match, and return where the browser goes.

    With `user_id`, the user must sign in again there, and `form` is what is sent after that.
    """
    session.execute(delete(SignInRequest).where(SignInRequest.created_at <= now - LIFE))
    state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
    session.add(
        SignInRequest(
            state_hash=hash_token(state), practice_id=settings.practice_id, nonce=nonce, code_verifier=verifier,
            redirect_uri=redirect_uri, created_at=now, user_id=user_id, form=form,
        )
    )  # fmt: skip
    more: dict[str, Any] = {"login_hint": email} if email else {}
    if user_id is not None:
        more |= {"prompt": "login", "max_age": 0}
    client = id_token.make_client(settings, metadata, redirect_uri, None)
    url, _ = client.create_authorization_url(
        metadata.authorization_endpoint, state=state, code_verifier=verifier, nonce=nonce, **more
    )
    return Departure(url, state)


def take(session: Session, state: str, *, now: dt.datetime) -> SignInRequest:
    """Delete and return what was stored for this state. The session then sees its practice.

    Raise `SignInStale` if it was used or is too old.
    """
    if not own_practice.enter(session, "state", hash_token(state)):
        raise SignInStale
    taken = delete(SignInRequest).where(
        SignInRequest.state_hash == hash_token(state), SignInRequest.created_at > now - LIFE
    )
    returned = select(SignInRequest).from_statement(taken.returning(SignInRequest))
    found: SignInRequest | None = session.scalars(returned).one_or_none()
    if found is None:
        raise SignInStale
    session.expunge(found)
    return found
