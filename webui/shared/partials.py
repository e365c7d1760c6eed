"""Partial responses: open pages request their changing part every few seconds, without the page around it."""

import hashlib
from http import HTTPStatus
from typing import Final

from flask import Response, g, request

PARTIAL_HEADER: Final = "X-Live"
# What open pages ask for without their user.
BACKGROUND_ENDPOINTS: Final = frozenset({"notices.unread"})
# Pages that ask for themselves until their work ends, and do not use htmx for anything else.
REFRESHING_ENDPOINTS: Final = frozenset({"imports.show"})
REFRESHED_ARGUMENT: Final = "refreshed"  # in the address to which a page without JavaScript refreshes itself
LIVE_ENDPOINTS: Final = frozenset({"jobs.index", "jobs.show", "operations.show", "schedule_runs.show", "webhooks.show"})


def is_partial_request() -> bool:
    """Return whether this request is for the part alone."""
    return request.method == "GET" and request.endpoint in LIVE_ENDPOINTS and PARTIAL_HEADER in request.headers


def is_background_request() -> bool:
    """Return whether an open page asks by itself. Such a request does not keep the session alive."""
    if request.endpoint in BACKGROUND_ENDPOINTS or is_partial_request() or REFRESHED_ARGUMENT in request.args:
        return True
    return request.endpoint in REFRESHING_ENDPOINTS and "HX-Request" in request.headers


def partial_response(html: str) -> Response:
    """Answer with the part, or with 304 if the browser has it. The ETag changes exactly when the part does."""
    # Each rendering signs a new form token, but a page may keep the one that it has.
    token = g.get("csrf_token", "")
    etag = hashlib.sha256((html.replace(token, "") if token else html).encode()).hexdigest()[:32]
    is_known = request.if_none_match.contains(etag)
    response = Response(status=HTTPStatus.NOT_MODIFIED) if is_known else Response(html, mimetype="text/html")
    response.set_etag(etag)
    return response
