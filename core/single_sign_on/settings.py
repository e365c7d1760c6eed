"""A practice's identity provider: read it, save it, and turn passwords on again on the server."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit, authorize, sealed, user_sessions
from core.access.permissions import Action, Actor
from core.access.sealed import Unreadable
from core.errors import NotFound, Refusal, or_raise
from core.models.practices import Practice
from core.models.single_sign_on import GroupRole, SignInDomain, SingleSignOn
from core.notices.webhook_address import WebhookReach
from core.single_sign_on.wanted import GroupToRole, Wanted, checked


class NoSingleSignOn(NotFound):
    """This practice has no identity provider yet. An administrator adds one under Settings, Single sign-on."""


class DomainTaken(Refusal):
    """Another practice of this installation uses this e-mail domain."""


class NotThroughProvider(Refusal):
    """To turn passwords off, first sign in through single sign-on on the page, so that it works.

    Then turn them off in that browser.
    """


class PasswordsNeeded(Refusal):
    """Keep passwords on while you change the identity provider, so that a mistake does not lock users out."""


_COLUMNS: Final = (
    "active", "issuer", "client_id", "groups_claim", "adds_users", "asks_second_factor", "password_sign_in",
)  # fmt: skip
_NOTHING_SAVED: Final = Wanted(
    active=False, issuer="", client_id="", client_secret=None, domains=[], groups_claim="", groups=[], adds_users=False,
    asks_second_factor=False, password_sign_in=True,
)  # fmt: skip


class Overview(NamedTuple):
    """The settings as a page shows them: all but the secret."""

    settings: SingleSignOn
    domains: Sequence[str]
    groups: Sequence[GroupRole]


def wanted_of(saved: Overview | None) -> Wanted:
    """Return the saved settings, or those of a new form, to change a part of them."""
    if saved is None:
        return _NOTHING_SAVED
    of = saved.settings
    return Wanted(
        active=of.active, issuer=of.issuer, client_id=of.client_id, client_secret=None, domains=saved.domains,
        groups_claim=of.groups_claim, groups=[GroupToRole(one.group_name, one.role) for one in saved.groups],
        adds_users=of.adds_users, asks_second_factor=of.asks_second_factor, password_sign_in=of.password_sign_in,
    )  # fmt: skip


def find(session: Session, practice_id: int) -> SingleSignOn | None:
    """Return the practice's settings, or None."""
    return session.get(SingleSignOn, practice_id)


def find_active(session: Session, practice_id: int) -> SingleSignOn:
    """Return the settings with which users sign in. Raise `NoSingleSignOn`."""
    found = find(session, practice_id)
    if found is None or not found.active:
        raise NoSingleSignOn
    return found


def show(session: Session, by: Actor) -> Overview | None:
    """Return the settings, or None before they are first saved."""
    by.require(Action.CHANGE_SETTING)
    return overview(session, by.practice_id)


def overview(session: Session, practice_id: int) -> Overview | None:
    """Return the practice's settings with domains and groups, or None."""
    settings = find(session, practice_id)
    return (
        None if settings is None else Overview(settings, _domains(session, practice_id), _groups(session, practice_id))
    )


def save(
    session: Session, wanted: Wanted, *, reach: WebhookReach, practice_id: int | None = None, by: Actor | None,
    now: dt.datetime,
) -> SingleSignOn:  # fmt: skip
    """Save the settings. `by` None is a command on the server, for the practice with `practice_id`.

    Raise `BadSingleSignOn`, `DomainTaken`, `NotThroughProvider`, `PasswordsNeeded`, `NotAllowed` and
    `VerificationNeeded`.
    """
    if by is not None:
        authorize.require_current_role(session, by, Action.CHANGE_SETTING)
        practice_id = by.practice_id
    wanted = checked(wanted, reach=reach)
    practice = session.get_one(Practice, practice_id, with_for_update={"key_share": True})
    settings = find(session, practice.id)
    before = _facts(session, settings)
    if settings is None:
        settings = SingleSignOn(
            practice_id=practice.id, issuer="", client_id="", client_secret="", password_sign_in=True
        )
    _check_lock_out(settings, wanted, by)
    user_id = None if by is None else by.user_id
    if wanted.issuer != settings.issuer:
        settings.issuer_set_by = user_id
    is_same_claim = settings.groups_claim == wanted.groups_claim
    for name in _COLUMNS:
        setattr(settings, name, getattr(wanted, name))
    of_secret = _store_secret(settings, wanted)
    session.add(settings)
    session.flush()
    _save_domains(session, practice.id, wanted.domains)
    _save_groups(session, practice.id, wanted.groups, user_id, is_same_claim=is_same_claim)
    changed = {**_changes(before, _facts(session, settings)), **of_secret}
    if "password_sign_in" in changed and not wanted.password_sign_in:
        changed["sessions_ended"] = user_sessions.end_password_sessions(session, practice.id)
    if changed:
        audit.record(session, "single_sign_on.changed", practice, by=by, now=now, **changed)
    return settings


def turn_passwords_on(session: Session, practice_id: int, *, now: dt.datetime) -> None:
    """Let passwords sign in again, by a command on the server. Raise `NoSingleSignOn`. Repeating changes nothing."""
    settings = or_raise(session.get(SingleSignOn, practice_id, with_for_update={"key_share": True}), NoSingleSignOn)
    if not settings.password_sign_in:
        settings.password_sign_in = True
        facts = {"password_sign_in": {"from": False, "to": True}}
        practice = session.get_one(Practice, practice_id)
        audit.record(session, "single_sign_on.changed", practice, by=None, now=now, **facts)


def _check_lock_out(settings: SingleSignOn, wanted: Wanted, by: Actor | None) -> None:
    """Refuse what could leave the practice without a way to sign in."""
    if wanted.password_sign_in:
        return
    is_same = (wanted.issuer, wanted.client_id) == (settings.issuer, settings.client_id)
    if not is_same or _changes_secret(settings, wanted):
        raise PasswordsNeeded
    if settings.password_sign_in and (by is None or not by.is_from_provider):
        raise NotThroughProvider


def client_secret(settings: SingleSignOn) -> str:
    """Return the client secret. Raise `Unreadable` if the server's secret key changed."""
    return sealed.unseal(settings.client_secret, owner=_owner(settings.practice_id)).secret


def _owner(practice_id: int) -> str:
    return f"single sign-on of practice {practice_id}"


def _changes_secret(settings: SingleSignOn, wanted: Wanted) -> bool:
    try:
        return wanted.client_secret not in (None, client_secret(settings))
    except Unreadable:
        return wanted.client_secret is not None


def _store_secret(settings: SingleSignOn, wanted: Wanted) -> dict[str, str]:
    """Store the secret if it is another one, or if an earlier key of the server sealed it. Return what to record.

    The digest is of what is stored, so that `settle verify` finds another one. It does not help to guess the secret.
    """
    if wanted.client_secret is None:
        return {}
    is_other, owner = _changes_secret(settings, wanted), _owner(settings.practice_id)
    if not is_other and sealed.unseal(settings.client_secret, owner=owner).is_current:
        return {}
    settings.client_secret = sealed.seal(wanted.client_secret, owner=owner)
    digest = hashlib.sha256(settings.client_secret.encode()).hexdigest()
    return {**({"client_secret": "changed"} if is_other else {}), "client_secret_sha256": digest}


def _save_domains(session: Session, practice_id: int, domains: Sequence[str]) -> None:
    session.execute(
        delete(SignInDomain).where(SignInDomain.practice_id == practice_id, SignInDomain.domain.not_in(domains))
    )
    rows = [{"domain": domain, "practice_id": practice_id} for domain in domains]
    if rows:
        session.execute(insert(SignInDomain).values(rows).on_conflict_do_nothing())
    if taken := set(domains) - set(_domains(session, practice_id)):
        raise DomainTaken(f"Another practice of this installation uses the e-mail domain {min(taken)}.")


def _save_groups(
    session: Session, practice_id: int, groups: Sequence[GroupToRole], user_id: int | None, *, is_same_claim: bool
) -> None:
    """Store the groups. A group with the same role, place and claim stays the act of who set it."""
    there = {(one.group_name, one.role, one.position): one.set_by for one in _groups(session, practice_id)}
    session.execute(delete(GroupRole).where(GroupRole.practice_id == practice_id))
    rows = []
    for position, one in enumerate(groups):
        key = (one.group, one.role, position)
        set_by = there[key] if is_same_claim and key in there else user_id
        rows.append({"practice_id": practice_id, "group_name": one.group, "position": position, "role": one.role,
                     "set_by": set_by})  # fmt: skip
    if rows:
        session.execute(insert(GroupRole).values(rows))


def _domains(session: Session, practice_id: int) -> Sequence[str]:
    of_practice = select(SignInDomain.domain).where(SignInDomain.practice_id == practice_id)
    return session.scalars(of_practice.order_by(SignInDomain.domain)).all()


def _groups(session: Session, practice_id: int) -> Sequence[GroupRole]:
    of_practice = select(GroupRole).where(GroupRole.practice_id == practice_id)
    fresh = of_practice.order_by(GroupRole.position).execution_options(populate_existing=True)
    return session.scalars(fresh).all()


def _facts(session: Session, settings: SingleSignOn | None) -> dict[str, Any]:
    """Return what the audit compares. Never the secret."""
    if settings is None:
        return {}
    facts = {name: getattr(settings, name) for name in _COLUMNS}
    groups = [[one.group_name, one.role.value] for one in _groups(session, settings.practice_id)]
    return {**facts, "domains": list(_domains(session, settings.practice_id)), "groups": groups}


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    changed = {name: {"from": before.get(name), "to": value} for name, value in after.items()}
    return {name: one for name, one in changed.items() if (one["from"] or None) != (one["to"] or None)}
