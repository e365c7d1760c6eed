"""The OpenAPI document, and a page that shows it without another host."""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

import flask_openapi3_swagger
from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, send_from_directory
from werkzeug.wrappers import Response as BaseResponse

from webui.api.blueprint import VERSION_PATH, api
from webui.api.models import Problem
from webui.shared.problem_json import PROBLEM_JSON

# Swagger UI writes style attributes and draws icons from data: addresses. Scripts come from this host only.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SWAGGER: Final = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"
_DESCRIPTION: Final = (
    "Money is in integer cents, IDs are strings, times are in UTC. Lists use cursors: leave `cursor` empty for the "
    "first page; `next_cursor` is null on the last page. Errors are `application/problem+json` with a stable `code`. "
    "`POST /login` or `settle token add EMAIL` creates a token. Every request acts as that user."
)

_STATUS_DESCRIPTIONS: Final[dict[int | str, str]] = {
    400: "The request can't be read",
    401: "The token is missing or not valid",
    403: "Your role does not allow this",
    404: "Not found in this practice",
    409: "The current status does not allow this",
    413: "The body is too large",
    415: "The body is not JSON",
    429: "Too many failed sign-ins, large requests or unfinished downloads; Retry-After says how long to wait",
    502: "The identity provider does not answer, or answers what its settings do not promise",
    503: "There is no room for another file right now; Retry-After says how long to wait",
    507: "The disk of the server or the database is full",
    422: "The request contains invalid values",
    "default": "The server or its database has a problem",
}
# Statuses of problems that each part of a request can cause.
_PROBLEMS_OF_PART: Final = {"path": (404,), "body": (413, 415)}
_PROBLEMS_OF_FILE: Final = (429, 503)

docs = Blueprint("api_docs", __name__, url_prefix=VERSION_PATH)


@docs.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document."""
    return jsonify(_document())


@cache
def _document() -> dict[str, Any]:
    """Return the document, made of the views' descriptions and their models' schemas."""
    # Imported at the first request, because it takes longer than all of Flask.
    from flask_openapi3.blueprint import APIBlueprint
    from flask_openapi3.models.info import Info
    from flask_openapi3.models.security_scheme import SecurityScheme
    from flask_openapi3.models.tag import Tag
    from flask_openapi3.openapi import OpenAPI

    views = APIBlueprint(
        api.name,
        api.import_name,
        url_prefix=VERSION_PATH,
        abp_security=[{"token": []}],
        abp_responses=_problem_responses({400, 401, 403, 422, "default"}),
    )
    for method, rule, view, options in api.described:
        described_as = {"tags": [Tag(**options["tag"]._asdict())], "responses": _responses(view, **options)}
        if "security" in options:
            described_as["security"] = options["security"]
        getattr(views, method)(rule, **described_as)(view)
    described = OpenAPI(
        api.import_name,
        info=Info(title="Batch Settle", version="1", description=_DESCRIPTION),
        security_schemes={"token": SecurityScheme(type="http", scheme="bearer")},
        validation_error_model=Problem,
        doc_ui=False,
    )
    described.url_map.converters.update(current_app.url_map.converters)
    described.register_api(views)
    return described.api_doc


def _responses(
    view: Callable[..., Any],
    *,
    status: int = HTTPStatus.OK,
    file: dict[str, Any] | None = None,
    responses: Mapping[int, Any] | None = None,
    problems: Collection[int] = (),
    **_: Any,
) -> dict[Any, Any]:
    """Return the answers and the problems of a view. Its arguments and its answer imply most of them.

    `problems` has the others, `file` describes the file that it sends, and `responses` has what it answers besides.
    """
    hints = get_type_hints(view)
    answer = hints["return"]
    found: dict[Any, Any] = {}
    if file is not None:
        found, problems = {HTTPStatus.OK: file}, {*problems, *_PROBLEMS_OF_FILE}
    elif answer is type(None):
        found = {HTTPStatus.NO_CONTENT: None}
    elif not issubclass(get_origin(answer) or answer, BaseResponse):
        found = {status: next(iter(get_args(answer)), answer)}  # of a `Reply`, its model
    parts = (status for part in _PROBLEMS_OF_PART if part in hints for status in _PROBLEMS_OF_PART[part])
    return {**found, **(responses or {}), **_problem_responses({*problems, *parts})}


def _problem_responses(statuses: Collection[int | str]) -> dict[Any, Any]:
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): {"description": _STATUS_DESCRIPTIONS[status], "content": content} for status in statuses}


@docs.get("/docs")
def page() -> Response:
    """Show the document, and let users try it with their own token."""
    response = make_response(render_template("api/docs.html"))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@docs.get("/docs/<path:name>")
def swagger(name: str) -> Response:
    """Return a file of Swagger UI from its wheel."""
    return send_from_directory(_SWAGGER, name, max_age=86_400)
