"""One log line for each request, and the times of feed and progress.

The line contains the route and not the address, because an address can contain search terms.
"""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from flask import Flask, Response, g, request

from core import reading
from core.watch import tally
from webui.shared import partials, problem_json

TIMED_ENDPOINTS: Final[Mapping[str, str]] = {
    "feed.show": "feed_seconds",
    "api.list_claims": "feed_seconds",
    "jobs.show": "progress_seconds",
    "api.show_progress": "progress_seconds",
}
# Machines and open pages request these every few seconds. In the log, they would hide everything else.
PROBES: Final = frozenset({"health.healthz", "health.readyz"})
QUIET_ENDPOINTS: Final = frozenset({*PROBES, *partials.BACKGROUND_ENDPOINTS, "static", "metrics.show"})
TIMED_STATUSES: Final = frozenset({HTTPStatus.OK, HTTPStatus.NOT_MODIFIED})

log: Final = structlog.get_logger(__name__)


def register(app: Flask) -> None:
    """Log every request of the application."""
    # Before earlier registrations, such as the check of the form token, so that refusals are logged too.
    app.before_request_funcs.setdefault(None, []).insert(0, _start_request)
    app.after_request(_log_request)
    app.teardown_request(_clear_log_context)


def _start_request() -> None:
    g.began = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=problem_json.request_id())


def _log_request(response: Response) -> Response:
    took = time.perf_counter() - g.began
    counted = TIMED_ENDPOINTS.get(request.endpoint or "")
    if counted and response.status_code in TIMED_STATUSES:  # not redirects to sign-in
        tally.observe(counted, took)
    if not _is_quiet(HTTPStatus(response.status_code)):
        facts = {"method": request.method, "route": request.url_rule.rule if request.url_rule else None, **_log_ids()}
        log.info("request", status=response.status_code, ms=round(took * 1000), **facts)
    response.headers["X-Request-Id"] = problem_json.request_id()
    return response


def _is_quiet(status: HTTPStatus) -> bool:
    if request.endpoint in PROBES:
        return True  # the heartbeat's thread logs why the database is unavailable
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    return request.endpoint in QUIET_ENDPOINTS or (partials.is_partial_request() and status < HTTPStatus.BAD_REQUEST)


def _log_ids() -> dict[str, Any]:
    """Return the user, if known, and the job."""
    actor = g.get("actor") or g.get("api_actor")
    ids = job_of_request()
    return {**ids, "practice_id": actor.practice_id, "user_id": actor.user_id} if actor else ids


def job_of_request() -> dict[str, int]:
    """Return the id of the job in the request's address, if there is one."""
    job_id = reading.number(str((request.view_args or {}).get("job_id", "")))
    return {} if job_id is None else {"job_id": job_id}


def _clear_log_context(_: BaseException | None) -> None:
    structlog.contextvars.clear_contextvars()
