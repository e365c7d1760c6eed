"""Authenticate a program by the API token in its request."""

import datetime as dt
from http import HTTPStatus

from flask import g, request
from sqlalchemy.orm import Session

from core.access import tokens
from core.access.permissions import Actor
from core.db.engine import transaction
from core.errors import Refusal
from core.practices import practice_days, practice_queries
from webui.shared.app_context import app_context, now
from webui.shared.auth import on_this_installation


class TokenNeeded(Refusal):
    """Send the header "Authorization: Bearer TOKEN" with a valid token. `settle token add EMAIL` creates one."""

    http_status = HTTPStatus.UNAUTHORIZED


def actor_or_none() -> Actor | None:
    """Return the user that the request's token acts for, or None without a valid token."""
    try:
        return current_actor()
    except TokenNeeded:
        return None


def current_actor() -> Actor:
    """Return the user that the request's token acts for. Raise `TokenNeeded` without a valid token."""
    if "api_actor" not in g:
        token = current_token()
        with transaction(app_context().sessions) as session:
            g.api_actor = on_this_installation(tokens.find_actor_by_token(session, token, now()))
        g.practice_id = g.api_actor and g.api_actor.practice_id
    if g.api_actor is None:
        raise TokenNeeded
    actor: Actor = g.api_actor
    return actor


def current_day(session: Session) -> dt.date:
    """Return the date in the time zone of the user's practice."""
    return practice_days.today(practice_queries.find(session, current_actor().practice_id), now=now())


def current_token() -> str:
    """Return the request's token, which may be invalid. Raise `TokenNeeded` without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenNeeded
    return token.strip()
