"""API errors as problem+json (RFC 9457), and the log of unexpected errors.

`code` is stable, for programs. `detail` is a sentence, for people. `facts` are the values of a refusal.
"""

import logging
import traceback
import uuid
from http import HTTPStatus
from types import TracebackType
from typing import Any, ClassVar, Final

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from core.db.transient import is_unavailable
from core.errors import BadInput, Refusal
from core.logs import error_kind

API_PATH: Final = "/api/"
PROBLEM_JSON: Final = "application/problem+json"
_CODES: Final = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal_error",
}

RETRY_AFTER_SECONDS: Final = 5
DATABASE_UNAVAILABLE: Final = (
    "The database is not answering. Your last change was either saved completely or not at all. "
    "Try again in a few seconds."
)

log = logging.getLogger(__name__)


class BadRequestBody(BadInput):
    """The body of the request cannot be read. Send one JSON object."""

    code = "bad_json"
    http_status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST


class NulInAddress(BadInput):
    """The address contains a NUL character, which is never part of a name or number."""

    http_status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST


def register(app: Flask) -> None:
    """Give every request an id, refuse NUL characters, and log unexpected errors without their values."""
    app.before_request(_refuse_nul)
    app.log_exception = log_unexpected_error  # type: ignore[method-assign, assignment]


def request_id() -> str:
    """Return the id of this request, for the log and the answer."""
    if "request_id" not in g:
        g.request_id = uuid.uuid4().hex[:12]
    made: str = g.request_id
    return made


def problem_from_refusal(refusal: Refusal) -> Response:
    """Return the refusal as a problem."""
    answer = _problem(refusal.http_status, refusal.code, refusal.message, refusal.facts)
    answer.headers.update(retry_after_header(refusal))
    return answer


def retry_after_header(refusal: Refusal) -> dict[str, str]:
    """Return the Retry-After header, if waiting helps."""
    seconds = refusal.retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(seconds)}


def problem_from_http_error(error: HTTPException) -> Response:
    """Return an error from Flask or Werkzeug as a problem."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    code = _CODES.get(status, status.phrase.lower().replace(" ", "_"))
    answer = _problem(status, code, error.description or status.description)
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            answer.headers[name] = value
    return answer


def problem_from_unexpected_error(error: Exception) -> Response:
    """Log the error without its values. Answer with the request id of the log line."""
    if is_unavailable(error):
        return problem_database_unavailable(error)
    log_unexpected_error((type(error), error, error.__traceback__))
    words = "Something went wrong. Your change was either saved completely or not at all. Try again."
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", words, {"request_id": request_id()})


def problem_database_unavailable(error: Exception) -> Response:
    """Answer 503 with Retry-After, because the database is unavailable."""
    log_database_unavailable(error)
    answer = _problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "database_away", DATABASE_UNAVAILABLE, {"request_id": request_id()}
    )
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def log_database_unavailable(error: Exception) -> None:
    """Log why the database is unavailable, without a traceback, which adds nothing."""
    log.error("request %s to %s failed, database unavailable: %s", request_id(), request.endpoint, error_kind(error))


def log_unexpected_error(
    fault: tuple[type, BaseException, TracebackType | None] | tuple[None, None, None],
) -> None:
    """Log the class and location of an error. Its text may contain a name or an amount."""
    kinds = []
    error = fault[1]
    places = traceback.extract_tb(fault[2])
    while error is not None:
        state = getattr(getattr(error, "orig", error), "sqlstate", None)
        kinds.append(f"{type(error).__qualname__}{f' ({state})' if state else ''}")
        error = error.__cause__
    where = " < ".join(f"{place.filename}:{place.lineno} {place.name}" for place in reversed(places))
    log.error("request %s to %s failed: %s at %s", request_id(), request.endpoint, " from ".join(kinds), where)


def _problem(status: HTTPStatus, code: str, detail: str, facts: dict[str, Any] | None = None) -> Response:
    members = {"type": "about:blank", "title": status.phrase, "status": int(status), "code": code, "detail": detail}
    answer = jsonify({**members, "facts": facts} if facts else members)
    answer.status_code = status
    answer.content_type = PROBLEM_JSON
    return answer


def _refuse_nul() -> None:
    texts = [request.path, *request.args, *(value for values in request.args.listvalues() for value in values)]
    if any("\x00" in text for text in texts):
        raise NulInAddress
