"""The OpenAPI document, and a page that shows it without another host."""

from pathlib import Path
from typing import Final, cast

import flask_openapi3_swagger
from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, send_from_directory
from flask_openapi3.models.info import Info
from flask_openapi3.models.security_scheme import SecurityScheme
from flask_openapi3.openapi import OpenAPI

from webui.api.blueprint import VERSION_PATH
from webui.api.models import Problem

# Swagger UI writes style attributes and draws icons from data: addresses. Scripts come from this host only.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SWAGGER: Final = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"
_DESCRIPTION: Final = (
    "Money is in integer cents, IDs are strings, times are in UTC. Lists use cursors: leave `cursor` empty for the "
    "first page; `next_cursor` is null on the last page. Errors are `application/problem+json` with a stable `code`. "
    "`POST /login` or `settle token add EMAIL` creates a token. Every request acts as that user."
)

docs = Blueprint("api_docs", __name__, url_prefix=VERSION_PATH)


def describe(app: OpenAPI) -> None:
    """Describe the document as a whole. Call it before the views are registered."""
    app.info = Info(title="Batch Settle", version="1", description=_DESCRIPTION)
    app.security_schemes = {"token": SecurityScheme(type="http", scheme="bearer")}
    app.validation_error_model = Problem
    app.register_blueprint(docs)


@docs.get("/openapi.json")
def document() -> Response:
    """Return the OpenAPI document."""
    return jsonify(cast("OpenAPI", current_app).api_doc)


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
