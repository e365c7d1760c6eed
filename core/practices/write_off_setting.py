"""The Balance Writeoff setting of the practice, and of billing providers that override it.

A job uses the setting in effect at its preview. A change does not affect settled claims or previewed jobs.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor, roles_allowing
from core.enums.practices import WriteOffSetting
from core.errors import NotFound, Refusal
from core.models.people import User
from core.models.practices import Practice, Provider
from core.practices import names, practice_queries


class SettingNotChosen(Refusal):
    """Your practice has not chosen its Balance Writeoff setting.

    An administrator chooses it on the Write-off settings page.
    """

    code = "write_off_setting_not_chosen"


_ACT = "write_off_setting.changed"


@dataclass(frozen=True)
class ProviderSetting:
    """The setting of one provider. `setting` is None if it uses the practice default."""

    external_id: str
    name: str
    setting: WriteOffSetting | None
    changed_by: str | None  # a name; None: never changed, or changed from the command line
    changed_at: dt.datetime | None


@dataclass(frozen=True)
class SettingsOverview:
    """The setting of the practice, and of each provider by name."""

    setting: WriteOffSetting
    is_chosen: bool  # False: a new practice is still to choose
    changed_by: str | None
    changed_at: dt.datetime | None
    providers: list[ProviderSetting]


def set_for_practice(
    session: Session, *, practice_id: int, setting: WriteOffSetting, by: Actor, now: dt.datetime
) -> None:
    """Set the practice's setting. Repeating changes nothing."""
    by.require(Action.CHANGE_SETTING)
    by.require_verified()
    practice = practice_queries.lock_practice(session, practice_id)
    before = practice.write_off
    if before == setting and practice.write_off_chosen:
        return
    first = {} if practice.write_off_chosen else {"first_choice": True}
    chosen = {"write_off": setting, "write_off_chosen": True, **_change_columns(by, now)}
    session.execute(update(Practice).where(Practice.id == practice_id).values(chosen))
    audit.record(session, _ACT, practice, by=by, now=now, **{"from": before, "to": setting}, **first)


def set_for_provider(
    session: Session,
    *,
    practice_id: int,
    provider_external_id: str,
    setting: WriteOffSetting | None,
    by: Actor,
    now: dt.datetime,
) -> None:
    """Set one billing provider's setting. None returns it to the practice default.

    Raise `NotFound` if the provider is not in the practice.
    """
    by.require(Action.CHANGE_SETTING)
    by.require_verified()
    practice_queries.lock_practice(session, practice_id)
    this = (Provider.practice_id == practice_id, Provider.external_id == provider_external_id)
    found = session.execute(select(Provider.id, Provider.write_off).where(*this)).one_or_none()
    if found is None:
        raise NotFound(f"There is no provider {provider_external_id[:60]} in this practice.")
    if found.write_off == setting:
        return
    session.execute(update(Provider).where(*this).values(write_off=setting, **_change_columns(by, now)))
    subject = Subject.of("provider", found.id, practice_id=practice_id)
    audit.record(session, _ACT, subject, by=by, now=now, **{"from": found.write_off, "to": setting})


def require_chosen(practice: Practice) -> None:
    """Raise `SettingNotChosen` if the practice has not chosen.

    A setting for one provider does not count, because it does not cover the other providers' claims.
    """
    if not practice.write_off_chosen:
        raise SettingNotChosen


def names_of_choosers(session: Session, practice_id: int) -> Sequence[str]:
    """Return the names of the active users who may choose the setting."""
    may = (User.practice_id == practice_id, User.active, User.role.in_(roles_allowing(Action.CHANGE_SETTING)))
    return session.scalars(select(User.name).where(*may).order_by(User.name, User.id)).all()


def overview(session: Session, practice_id: int) -> SettingsOverview:
    """Return the settings with who changed them and when. Raise `NotFound`."""
    practice = session.execute(
        select(Practice.write_off, Practice.write_off_chosen, User.name, Practice.write_off_changed_at)
        .outerjoin(User, User.id == Practice.write_off_changed_by)
        .where(Practice.id == practice_id)
    ).one_or_none()
    if practice is None:
        raise NotFound
    providers = session.execute(
        select(
            Provider.external_id,
            names.display_name(session, practice_id, Provider),
            Provider.write_off,
            User.name,
            Provider.write_off_changed_at,
        )
        .outerjoin(User, User.id == Provider.write_off_changed_by)
        .where(Provider.practice_id == practice_id)
        .order_by(Provider.name, Provider.external_id)
    )
    return SettingsOverview(*practice, providers=[ProviderSetting(*row) for row in providers])


def _change_columns(by: Actor, now: dt.datetime) -> dict[str, int | dt.datetime]:
    return {"write_off_changed_by": by.user_id, "write_off_changed_at": now}
