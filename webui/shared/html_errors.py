"""Errors as pages: a refusal in its own words, everything else in ours, and never a traceback."""

from http import HTTPStatus
from typing import Final

from flask import Flask, Response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from core.db.transient import is_unavailable
from core.errors import Refusal
from webui.shared import problem_json
from webui.shared.app_context import app_context
from webui.shared.body_limits import too_large_sentence
from webui.shared.labels import message_for_page

_WORDS: Final = {
    HTTPStatus.NOT_FOUND: ("Page not found", "This address doesn’t exist, or the record isn’t in your practice."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Not supported", "This page doesn’t support that action."),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "Something went wrong",
        "Your change was either saved completely or not at all. Check which before you try again.",
    ),
}
_HEADINGS: Final = {
    HTTPStatus.NOT_FOUND: "Page not found",
    HTTPStatus.FORBIDDEN: "Not allowed",
    HTTPStatus.GONE: "This link no longer works",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Please fix the following",
}


def register(app: Flask) -> None:
    """Handle errors of pages. The API handles its own."""
    app.register_error_handler(Refusal, _render_refusal)
    app.register_error_handler(CSRFError, _render_stale_form)
    app.register_error_handler(HTTPException, _render_http_error)
    app.register_error_handler(InternalServerError, _render_http_error)
    app.register_error_handler(DBAPIError, render_database_unavailable)
    app.register_error_handler(PoolTimeout, render_database_unavailable)


def _render_refusal(refusal: Refusal) -> tuple[str, int, dict[str, str]] | Response:
    if _is_api_request():
        return problem_json.problem_from_refusal(refusal)
    status = refusal.http_status
    page = _error_page(status, _HEADINGS.get(status, "This can’t be done"), message_for_page(refusal))
    return *page, problem_json.retry_after_header(refusal)


def render_database_unavailable(error: DBAPIError | PoolTimeout, besides: str = "") -> Response:
    """Show that the database is not answering, if that is the error. Re-raise any other."""
    if not is_unavailable(error):
        raise error
    if _is_api_request():
        return problem_json.problem_database_unavailable(error)
    problem_json.log_database_unavailable(error)
    words = f"{problem_json.DATABASE_UNAVAILABLE} {besides}".strip()
    page, status = _error_page(HTTPStatus.SERVICE_UNAVAILABLE, "The database is not answering", words)
    return Response(page, status, {"Retry-After": str(problem_json.RETRY_AFTER_SECONDS)}, mimetype="text/html")


def _render_stale_form(_: CSRFError) -> tuple[str, int]:
    words = "The page was opened before you signed in, or in a different browser. Open it again and repeat your change."
    return _error_page(HTTPStatus.BAD_REQUEST, "This form has expired", words)


def _render_http_error(error: HTTPException) -> tuple[str, int] | Response:
    if _is_api_request():
        return problem_json.problem_from_http_error(error)
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    heading, words = _WORDS.get(status, (status.phrase, error.description or status.description))
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        heading, words = "Too large", too_large_sentence(request.path)
    return _error_page(status, heading, words)


def _is_api_request() -> bool:
    return request.path.startswith(problem_json.API_PATH)


def _error_page(status: HTTPStatus, heading: str, words: str) -> tuple[str, int]:
    # A page must appear even if the database is unavailable, so the plain page needs no user and no practice.
    plain = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    of_link = request.blueprint == "passwords"  # whose address contains the token
    return render_template(
        "error.html",
        heading=heading,
        words=words,
        status=int(status),
        path=None if of_link else request.path,
        plain=plain,
        asks_for_link=of_link and app_context().settings.mails_links,
    ), int(status)
