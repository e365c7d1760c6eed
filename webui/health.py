"""Whether this web process lives, and what it can reach. Neither answer names anything private."""

from http import HTTPStatus
from typing import Final

from flask import Blueprint, Response, jsonify
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from core.db.migrating import current_revision, newest_revision
from core.jobs import progress
from webui.door import door, now

PING_SECONDS: Final = 1

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Alive: this process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, HTTPStatus]:
    """Ready where the database answers and is migrated; a lost broker or worker only degrades.

    Without either, pages and confirmations work as before, and jobs go on when it is back.
    """
    try:
        revision = current_revision(door().engine)
        if revision != newest_revision():
            return _not_ready(f"the database is at migration {revision}, this version needs {newest_revision()}")
        with door().sessions() as session:
            is_worked = not progress.somebody_waits_for_a_worker(session, now=now())
    except SQLAlchemyError:
        return _not_ready("the database does not answer")
    degraded = [name for name, is_well in (("broker", _broker_answers()), ("worker", is_worked)) if not is_well]
    return jsonify(status="ready", degraded=degraded), HTTPStatus.OK


def _not_ready(reason: str) -> tuple[Response, HTTPStatus]:
    return jsonify(status="not ready", reason=reason), HTTPStatus.SERVICE_UNAVAILABLE


def _broker_answers() -> bool:
    url = door().settings.broker_url
    if url is None:
        return False
    address = url.get_secret_value().replace("redis+socket://", "unix://").replace("virtual_host=", "db=")
    try:
        with Redis.from_url(address, socket_timeout=PING_SECONDS, socket_connect_timeout=PING_SECONDS) as broker:
            return bool(broker.ping())
    except RedisError:
        return False
