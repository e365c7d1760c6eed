"""Prometheus metrics: `/metrics`, open inside the network, or with a token if one is set."""

import hmac
from typing import Final

from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from core.watch.metrics import Context, MetricsCollector
from webui.operations import broker
from webui.shared.app_context import AppContext, app_context

_EXTENSION_KEY: Final = "settle-watch"

blueprint = Blueprint("metrics", __name__)


def register(app: Flask) -> None:
    """Add the page. Each process caches the result for a few seconds."""
    made: AppContext = app.extensions["settle"]
    app.extensions[_EXTENSION_KEY] = MetricsCollector(
        Context(
            made.operations_sessions,
            made.unscoped,
            made.clock,
            broker.is_reachable,
            by_practice=made.settings.metrics_by_practice,
        )
    )
    app.register_blueprint(blueprint)


@blueprint.get("/metrics")
def show() -> Response:
    """Return all metrics, with status 200 even without a database: `settle_database_up 0`."""
    if not _may_read():
        return Response("A bearer token is needed.\n", 401, {"WWW-Authenticate": "Bearer"}, mimetype="text/plain")
    watch: MetricsCollector = current_app.extensions[_EXTENSION_KEY]
    return Response(watch.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _may_read() -> bool:
    token = app_context().settings.metrics_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if token is None:
        return True
    expected = token.get_secret_value().encode()
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected)
