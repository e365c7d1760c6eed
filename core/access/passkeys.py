"""Passkeys (WebAuthn): the challenge for a browser, a new passkey, and the use of one. Each challenge works once.

`webauthn` is imported in the functions, because few requests and commands need it.
"""

import datetime as dt
import json
import secrets
from collections.abc import Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from core.errors import Refusal
from core.models.people import Passkey, PasskeyChallenge, User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

SITE_NAME: Final = "Batch Settle"
CHALLENGE_BYTES: Final = 32
CHALLENGE_GOOD_FOR: Final = dt.timedelta(minutes=5)
CHALLENGES_MAX: Final = 20  # of a user at once, each in a browser tab
ANSWER_CHARACTERS_MAX: Final = 20_000  # a usual one has under 2,000
_TIMEOUT_MS: Final = int(CHALLENGE_GOOD_FOR.total_seconds() * 1000)


class Site(NamedTuple):
    """The pages that passkeys work on: their domain, and the origin that browsers name."""

    domain: str
    origin: str


class PasskeyAnswer(NamedTuple):
    """What a browser answered to a challenge, in WebAuthn's JSON, on these pages."""

    credential: str
    site: Site


class NewPasskey(NamedTuple):
    """The public part of a passkey that an authenticator made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]


class PasskeyRefused(Refusal):
    """This passkey was refused. Try again, or use another passkey or a recovery code."""

    code = "wrong_passkey"
    http_status = HTTPStatus.UNAUTHORIZED
    passkey_id: int | None = None  # if it is one of the user's


class ChallengeEnded(PasskeyRefused):
    """This request for a passkey was answered before, or is over five minutes old. Try again."""

    code = "passkey_challenge_ended"


class UnknownPasskey(PasskeyRefused):
    """Your account does not have this passkey. It may have been removed. Use another one, or a recovery code."""


class PasskeyCopied(PasskeyRefused):
    """This passkey counted back, so there may be a copy of it. Use another one or a code, and remove this one."""

    code = "passkey_counted_back"


def options_to_add(session: Session, user: User, site: Site, *, now: dt.datetime) -> str:
    """Return what a browser needs to make a passkey for the user, in JSON."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=site.domain,
        rp_name=SITE_NAME,
        user_id=user.passkey_handle.bytes,
        user_name=user.email,
        user_display_name=user.name,
        challenge=_make_challenge(session, user.id, now=now),
        timeout=_TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            # A phone then keeps it with its other passkeys, and a security key that has no room still works.
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(list_of(session, user.id)),
    )
    return options_to_json(options)


def options_to_use(session: Session, user_id: int, site: Site, *, now: dt.datetime) -> str:
    """Return what a browser needs to use one of the user's passkeys, in JSON."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=site.domain,
        challenge=_make_challenge(session, user_id, now=now),
        timeout=_TIMEOUT_MS,
        allow_credentials=_descriptors(list_of(session, user_id)),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def list_of(session: Session, user_id: int) -> Sequence[Passkey]:
    """Return the user's passkeys, the oldest first."""
    return session.scalars(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.id)).all()


def check_new(session: Session, user: User, answer: PasskeyAnswer, *, now: dt.datetime) -> NewPasskey:
    """Return the passkey that the browser made, and use up the challenge. Raise `PasskeyRefused`."""
    from webauthn import verify_registration_response
    from webauthn.helpers import parse_registration_credential_json

    with _refusing(answer.site):
        credential = parse_registration_credential_json(_parsed(answer.credential))
        challenge = _take_challenge(session, user.id, credential.response.client_data_json, now=now)
        # A security key that stays in the computer would otherwise let anyone at the desk verify.
        made = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=answer.site.domain,
            expected_origin=answer.site.origin,
            require_user_verification=True,
        )
    transports = [one.value for one in credential.response.transports or []]
    return NewPasskey(made.credential_id, made.credential_public_key, made.sign_count, transports)


def use(session: Session, user: User, answer: PasskeyAnswer, *, now: dt.datetime) -> None:
    """Check the answer of one of the user's passkeys, and use up the challenge. Raise `PasskeyRefused`.

    The challenge is also used up if the answer is refused and the caller commits.
    """
    from webauthn.helpers import parse_authentication_credential_json

    with _refusing(answer.site):
        credential = parse_authentication_credential_json(_parsed(answer.credential))
        challenge = _take_challenge(session, user.id, credential.response.client_data_json, now=now)
    own = select(Passkey).where(Passkey.user_id == user.id, Passkey.credential_id == credential.raw_id)
    passkey = session.scalars(own.with_for_update().execution_options(populate_existing=True)).one_or_none()
    if passkey is None or credential.response.user_handle not in {None, user.passkey_handle.bytes}:
        raise UnknownPasskey
    try:
        passkey.sign_count = _signed_count(passkey, credential, challenge, answer.site)
    except PasskeyRefused as refusal:
        refusal.passkey_id = passkey.id
        raise
    passkey.used_at = now


def _signed_count(passkey: Passkey, credential: Any, challenge: bytes, site: Site) -> int:
    """Return the authenticator's count if the passkey signed the answer and the count went up."""
    from webauthn import verify_authentication_response

    with _refusing(site):
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            # The library compares counts before it checks the signature. Compared below, a count is a true one.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    if verified.new_sign_count <= passkey.sign_count and passkey.sign_count > 0:
        raise PasskeyCopied
    return verified.new_sign_count


@contextmanager
def _refusing(site: Site) -> "Iterator[None]":
    """Refuse what the library refuses, and what it cannot read."""
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        yield
    except (WebAuthnException, ValueError, RecursionError) as error:
        raise PasskeyRefused(f"This passkey was refused. It works only at {site.origin}. Try again.") from error


def _parsed(credential: str) -> dict[str, Any]:
    if len(credential) > ANSWER_CHARACTERS_MAX:
        raise PasskeyRefused
    parsed = json.loads(credential)
    if not isinstance(parsed, dict):
        raise PasskeyRefused
    return parsed


def _make_challenge(session: Session, user_id: int, *, now: dt.datetime) -> bytes:
    """Return a new challenge for the user. Delete those that ended, and the oldest of too many."""
    own = PasskeyChallenge.user_id == user_id
    newest = select(PasskeyChallenge.challenge).where(own).order_by(PasskeyChallenge.made_at.desc())
    too_many = PasskeyChallenge.challenge.in_(newest.offset(CHALLENGES_MAX - 1))
    ended = PasskeyChallenge.made_at <= now - CHALLENGE_GOOD_FOR
    session.execute(
        delete(PasskeyChallenge).where(own, or_(ended, too_many)).execution_options(synchronize_session=False)
    )
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    session.execute(insert(PasskeyChallenge).values(challenge=challenge, user_id=user_id, made_at=now))
    return challenge


def _take_challenge(session: Session, user_id: int, client_data: bytes, *, now: dt.datetime) -> bytes:
    """Delete and return the challenge that the browser answered. Raise `ChallengeEnded` if there is none."""
    from webauthn.helpers import parse_client_data_json

    challenge = parse_client_data_json(client_data).challenge
    taken = delete(PasskeyChallenge).where(
        PasskeyChallenge.challenge == challenge, PasskeyChallenge.user_id == user_id
    )  # fmt: skip
    made_at = session.scalar(taken.returning(PasskeyChallenge.made_at).execution_options(synchronize_session=False))
    if made_at is None or made_at <= now - CHALLENGE_GOOD_FOR:
        raise ChallengeEnded
    return challenge


def _descriptors(passkeys: Sequence[Passkey]) -> "list[PublicKeyCredentialDescriptor]":
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

    return [
        PublicKeyCredentialDescriptor(
            id=one.credential_id, transports=[AuthenticatorTransport(name) for name in one.transports] or None
        )
        for one in passkeys
    ]
