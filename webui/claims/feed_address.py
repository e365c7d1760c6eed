"""Read the feed's address, where a key stands for a patient's name, and write it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from flask import request, url_for
from sqlalchemy.orm import Session

from core.claims import patient_searches
from core.claims.claim_filter import BadFilter
from core.db.engine import transaction
from webui.claims.feed_query import PATIENT_KEY, FeedQuery
from webui.shared.app_context import app_context, now
from webui.shared.auth import current_actor


def pairs() -> list[tuple[str, str]]:
    """Return the parameters of the request's address."""
    return list(request.args.items(multi=True))


def read(db: Session) -> FeedQuery:
    """Read the request's address. A name that stands in it, as in an old bookmark, gets its key."""
    return with_key(db, FeedQuery.of(_resolved(db, pairs())))


def read_valid(db: Session) -> FeedQuery:
    """Read the request's address. Raise `BadFilter` if a field of the filter is faulty."""
    return require_valid(read(db))


def require_valid(query: FeedQuery) -> FeedQuery:
    """Return the query. Raise `BadFilter` if a field of its filter is faulty."""
    if query.filter is None:
        raise BadFilter(" ".join(query.faults.values()))
    return query


def with_key(db: Session, query: FeedQuery) -> FeedQuery:
    """Return the query with the key of its patient's name. A key that came with the name is replaced."""
    names = query.typed.get("patient", ())
    if not names or "patient" in query.faults:
        return query
    token = patient_searches.token_of(db, current_actor().practice_id, names[0], now=now())
    return replace(query, typed={**query.typed, PATIENT_KEY: [token]})


def keyed(query: FeedQuery) -> FeedQuery:
    """Return the query with the key of its patient's name, in a transaction of its own."""
    with transaction(app_context().sessions) as db:
        return with_key(db, query)


def of_form(text: str) -> FeedQuery:
    """Read a field of a form that contains a query."""
    return keyed(FeedQuery.of_text(text))


def address(query: FeedQuery, **changes: Any) -> str:
    """Return the feed's address with the query."""
    text = query.text(**changes)
    return f"{url_for('feed.show')}?{text}" if text else url_for("feed.show")


def _resolved(db: Session, given: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    pairs_ = list(given)
    has_name = any(key == "patient" and value.strip() for key, value in pairs_)
    for key, value in pairs_:
        if key == PATIENT_KEY and has_name:
            continue  # the name that was typed applies, and gets its own key
        yield key, value
        name = (
            patient_searches.name_of(db, current_actor().practice_id, value, now=now()) if key == PATIENT_KEY else None
        )
        if name is not None:
            yield "patient", name
