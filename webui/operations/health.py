"""Health checks: whether this web process is alive, and what it can reach. The answers contain nothing private."""

from http import HTTPStatus
from typing import Final

from flask import Blueprint, Flask, Response, current_app, jsonify
from sqlalchemy.exc import SQLAlchemyError

from core import zone_database
from core.causes import Cause
from core.db import causes, roles
from core.jobs.results import progress
from core.migrations.revisions import missing_migration
from core.watch import heartbeat
from core.watch.deadline import DeadlineCall, TimedOut
from core.watch.heartbeat import WORKER
from core.watch.warnings import TICK_LATE_AFTER
from webui.operations import broker
from webui.shared.app_context import AppContext

WAIT_SECONDS: Final = 3  # for the database; a load balancer gives up soon after
_EXTENSION_KEY: Final = "settle-ready"
_SILENT: Final = Cause(
    "silent", f"The database did not answer within {WAIT_SECONDS} seconds.", "Check what is keeping the server busy."
)

_WITHOUT_BROKER: Final = {
    False: "Workers find work on their own.",
    True: "No worker is finding the waiting work.",
}

blueprint = Blueprint("health", __name__)


class NotUsable(Exception):
    """The database lacks a migration that this version needs, or this process has a role that cannot do its work."""

    def __init__(self, cause: Cause) -> None:
        """`cause` says what is wrong."""
        super().__init__(cause.code)
        self.cause = cause


def register(app: Flask) -> None:
    """Add both checks. Simultaneous requests share one database query, so that a hanging query blocks no other."""
    made: AppContext = app.extensions["settle"]
    app.extensions[_EXTENSION_KEY] = DeadlineCall(lambda: _degraded_parts(made), wait_seconds=WAIT_SECONDS)
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Answer that this process is alive."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, HTTPStatus]:
    """Ready if the database answers and is migrated. A lost broker, worker or tick is only degraded.

    Without them, pages and confirmations work, and jobs and scheduled runs continue when they are back.
    """
    call: DeadlineCall[dict[str, str]] = current_app.extensions[_EXTENSION_KEY]
    try:
        degraded = call.answer()
    except NotUsable as error:
        return _not_ready(error.cause)
    except TimedOut:
        return _not_ready(_SILENT)
    except SQLAlchemyError as error:
        return _not_ready(causes.diagnose(error) or causes.NO_ANSWER)
    no_broker = broker.failure_cause()
    if no_broker is not None:
        degraded = {"broker": f"{no_broker.sentence} {_WITHOUT_BROKER['worker' in degraded]}", **degraded}
    zones = zone_database.current_database().as_json()
    return jsonify(status="ready", degraded=list(degraded), reasons=degraded, time_zones=zones), HTTPStatus.OK


def _degraded_parts(made: AppContext) -> dict[str, str]:
    """Return the degraded parts with their reasons."""
    cause = missing_migration(made.engine)
    if cause is not None:
        raise NotUsable(cause)
    now, reasons = made.clock(), {}
    with made.unscoped() as session:
        cause = roles.wrong_role(session, roles.WEB)
        if cause is not None:
            raise NotUsable(cause)
        if roles.owns_tables(session):
            reasons["database_role"] = roles.CONNECTED_AS_OWNER.sentence
    with made.operations_sessions() as session:
        if progress.is_any_job_stalled(session, now=now):
            reasons["worker"] = "a job has waited for a minute and no worker has started or finished a chunk"
        elif progress.previews_waiting(session, now=now):
            reasons["worker"] = "a preview has waited for a minute and no worker has picked it up"
        elif WORKER not in {one.kind for one in heartbeat.alive(session, now=now)}:
            reasons["worker"] = "no worker has reported for 45 seconds; jobs wait until one does"
        ticked = heartbeat.last_tick(session)
        if ticked is not None and now - ticked > TICK_LATE_AFTER:
            reasons["tick"] = (
                "the schedules have not been checked for five minutes; due runs start after the next check"
            )
    if old := zone_database.warnings(zone_database.current_database(), now=now):
        reasons["time_zones"] = " ".join(old)
    return reasons


def _not_ready(cause: Cause) -> tuple[Response, HTTPStatus]:
    return jsonify(status="not ready", cause=cause.code, reason=cause.sentence), HTTPStatus.SERVICE_UNAVAILABLE
