"""The OpenAPI document, and a page that shows it without another host."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import flask_openapi3_swagger
from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, send_from_directory

from webui.api.blueprint import VERSION_PATH, api, problem_responses
from webui.api.models import Problem

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

    refusals: Any = problem_responses(401, 403, 422)
    views = APIBlueprint(
        api.name,
        api.import_name,
        url_prefix=VERSION_PATH,
        abp_security=[{"token": []}],
        abp_responses=refusals,
    )
    for method, rule, view, description in api.described:
        tags = [Tag(**tag._asdict()) for tag in description["tags"]]
        getattr(views, method)(rule, **{**description, "tags": tags})(view)
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
