"""Mappings saved by name. All users of the practice who import may use and change them."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.errors import BadInput, NotFound, Refusal, or_raise
from core.intake.mapping.mapping import Mapping, Problem
from core.models.import_mappings import ImportMapping
from core.reading import checked_name

NAME_CHARACTERS_MAX: Final = 60
MAPPINGS_MAX: Final = 100  # for each practice; a longer menu would be unreadable


class NoSuchMapping(NotFound):
    """This practice has no mapping with that name or number."""

    code = "no_such_mapping"


class BadMappingName(BadInput):
    """Give the mapping a name of at most 60 characters."""


class MappingNameTaken(Refusal):
    """Another mapping already has this name. Choose a different name, or overwrite that mapping."""


class MappingChanged(Refusal):
    """Another user changed this mapping while you edited it. If you save again, your entries replace that change."""


class TooManyMappings(Refusal):
    """The practice has 100 saved mappings. Delete one that is no longer used."""


def list_mappings(session: Session, practice_id: int) -> Sequence[ImportMapping]:
    """Return the practice's saved mappings by name."""
    mine = select(ImportMapping).where(ImportMapping.practice_id == practice_id)
    return session.scalars(mine.order_by(ImportMapping.name)).all()


def find_mapping(session: Session, practice_id: int, mapping_id: int) -> ImportMapping:
    """Return the mapping with this id. Raise `NoSuchMapping`."""
    return _one(session, practice_id, ImportMapping.id == mapping_id)


def find_mapping_by_name(session: Session, practice_id: int, name: str) -> ImportMapping:
    """Return the mapping with this name. Raise `NoSuchMapping` with the existing names."""
    try:
        return _one(session, practice_id, ImportMapping.name == " ".join(name.split()))
    except NoSuchMapping:
        names = [one.name for one in list_mappings(session, practice_id)]
        listed = f" The mappings are: {', '.join(names)}." if names else " No mappings are saved yet."
        raise NoSuchMapping(f"This practice has no mapping with that name.{listed}") from None


def save_mapping(
    session: Session,
    practice_id: int,
    *,
    name: str,
    mapping: Mapping,
    replace: bool = False,
    by: Actor | None,
    now: dt.datetime,
) -> ImportMapping:
    """Save a usable mapping under a name. `by` is None for the command on the server. Saving it again changes nothing.

    Raise `NotAllowed`, `BadMapping`, `BadMappingName`, `TooManyMappings`, and `MappingNameTaken` unless `replace`.
    """
    if by is not None:
        by.require(Action.IMPORT)
    name = _checked_name(name)
    mapping.require_usable()
    user_id = by.user_id if by else None
    values = {"mapping": mapping.as_json(), "saved_by": user_id, "saved_at": now}
    new = insert(ImportMapping).values(practice_id=practice_id, name=name, **values)
    made = new.on_conflict_do_nothing(constraint="mapping_name_is_unique_in_its_practice")
    mapping_id = session.scalar(made.returning(ImportMapping.id))
    if mapping_id is None:
        found = find_mapping_by_name(session, practice_id, name)
        if Mapping.of(found.mapping) == mapping:
            return found
        if not replace:
            raise MappingNameTaken
        mapping_id = found.id
        mine = (ImportMapping.practice_id == practice_id, ImportMapping.id == mapping_id)
        session.execute(update(ImportMapping).where(*mine).values(values))
    elif _count(session, practice_id) > MAPPINGS_MAX:
        raise TooManyMappings
    _audit(session, "mapping.saved", mapping_id, practice_id, by=by, now=now, columns=len(mapping.columns))
    return find_mapping(session, practice_id, mapping_id)


def change_mapping(
    session: Session, mapping_id: int, *, name: str, mapping: Mapping, version: str, by: Actor, now: dt.datetime
) -> ImportMapping:
    """Change the `version` of a saved mapping. Meanings of values that another user has added since are kept.

    Raise `NotAllowed`, `NoSuchMapping`, `BadMapping`, `BadMappingName`, `MappingNameTaken`, and `MappingChanged` with
    the current version.
    """
    by.require(Action.IMPORT)
    name = _checked_name(name)
    mine = (ImportMapping.practice_id == by.practice_id, ImportMapping.id == mapping_id)
    before = or_raise(session.scalar(select(ImportMapping.mapping).where(*mine).with_for_update()), NoSuchMapping)
    current = version_of(Mapping.of(before))
    if version != current:
        raise MappingChanged(version=current)
    kept, fields = Mapping.of(before).words, {*mapping.columns.values(), *mapping.constants}
    words = {field: {**kept.get(field, {}), **mapping.words.get(field, {})} for field in {*kept, *mapping.words}}
    mapping = mapping.model_copy(update={"words": {field: words[field] for field in words if field in fields}})
    mapping.require_usable()
    values = {"name": name, "mapping": mapping.as_json(), "saved_by": by.user_id, "saved_at": now}
    try:
        with session.begin_nested():
            session.execute(update(ImportMapping).where(*mine).values(values))
    except IntegrityError:
        raise MappingNameTaken from None
    _audit(session, "mapping.saved", mapping_id, by.practice_id, by=by, now=now, columns=len(mapping.columns))
    return find_mapping(session, by.practice_id, mapping_id)


def delete_mapping(session: Session, mapping_id: int, *, by: Actor, now: dt.datetime) -> None:
    """Delete a saved mapping. Claims imported through it stay. Raise `NotAllowed` and `NoSuchMapping`."""
    by.require(Action.IMPORT)
    mine = (ImportMapping.practice_id == by.practice_id, ImportMapping.id == mapping_id)
    or_raise(session.scalar(delete(ImportMapping).where(*mine).returning(ImportMapping.id)), NoSuchMapping)
    _audit(session, "mapping.deleted", mapping_id, by.practice_id, by=by, now=now)


def version_of(mapping: Mapping) -> str:
    """Return a digest of everything but the meanings of values, which two users may add to at once."""
    rest = mapping.model_copy(update={"words": {}}).as_json()
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def name_problems(name: str) -> list[Problem]:
    """Return what is wrong with a name that a user typed."""
    try:
        _checked_name(name)
    except BadMappingName as refusal:
        return [Problem(refusal.code, refusal.message)]
    return []


def _checked_name(name: str) -> str:
    """Return the name with single spaces. Raise `BadMappingName`."""
    return checked_name(" ".join(name.split()), BadMappingName, most=NAME_CHARACTERS_MAX)


def _one(session: Session, practice_id: int, condition: ColumnElement[bool]) -> ImportMapping:
    mine = select(ImportMapping).where(ImportMapping.practice_id == practice_id, condition)
    return or_raise(session.scalars(mine.execution_options(populate_existing=True)).one_or_none(), NoSuchMapping)


def _count(session: Session, practice_id: int) -> int:
    mine = select(func.count()).select_from(ImportMapping).where(ImportMapping.practice_id == practice_id)
    return session.scalars(mine).one()


def _audit(
    session: Session, act: str, mapping_id: int, practice_id: int, *, by: Actor | None, now: dt.datetime, **facts: int
) -> None:
    audit.record(session, act, Subject.of("mapping", mapping_id, practice_id=practice_id), by=by, now=now, **facts)
