"""The Operations page: processes, jobs and warnings, for operators, who see no claims."""

from typing import Any, Final

from flask import Response, render_template
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from core.access.permissions import Action
from core.jobs import codes
from core.watch import overview
from core.watch.warnings import warnings
from webui.operations import broker, flower_links
from webui.shared import html_errors, partials
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages
from webui.shared.labels import Pill

STALL_REASONS: Final = {
    "locks": "workers are waiting for the database, probably for locked claims",
    "no_worker": "no worker is working on it",
}
STATES: Final = {
    "alive": Pill("Alive", "check", "good"),
    "silent": Pill("Silent", "alert", "bad"),
    "stopped": Pill("Stopped", "stop", ""),
}

blueprint = Pages("operations", __name__)


@blueprint.get("/operations", needs=Action.SEE_OPERATIONS)
def show() -> Response:
    """Show the state of the whole installation. The page refreshes every few seconds."""
    settings = app_context().settings
    seen = overview.fetch_overview(app_context().operations_sessions, now=now())
    facts: dict[str, Any] = {
        "seen": seen,
        "warnings": warnings(seen),
        "broker": broker.fetch_status(),
        "broker_away": broker.failure_cause(),
        "flower": flower_links.base_url(settings),
        "flower_of": lambda key: flower_links.job_hints_url(settings, *key),
        "failures": [(code, codes.describe(code), count) for code, count in _most_frequent_first(seen.failures)],
        "STALLED": STALL_REASONS,
        "STATES": STATES,
    }
    part = "operations/_overview.html" if partials.is_partial_request() else "operations/show.html"
    return Response(render_template(part, **facts), mimetype="text/html")


@blueprint.errorhandler(DBAPIError)
@blueprint.errorhandler(PoolTimeout)
def _show_without_database(error: DBAPIError | PoolTimeout) -> Response:
    """Show what is known without the database: whether the broker answers."""
    answers = "is answering" if broker.is_reachable() else "is not answering either"
    return html_errors.render_database_unavailable(error, besides=f"The broker (Redis) {answers}.")


def _most_frequent_first(failures: dict[str, int] | None) -> list[tuple[str, int]]:
    return sorted((failures or {}).items(), key=lambda pair: -pair[1])
