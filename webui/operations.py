"""Operations: what lives, what runs, what waits. For those who keep the installation running; they see no claim."""

from typing import Any, Final

from flask import Blueprint, Response, render_template, request

from core.access.permissions import Action
from core.jobs import codes
from core.watch import overview
from core.watch.wrongs import wrongs
from webui import broker, flower
from webui.auth import requires
from webui.door import door, now
from webui.labels import Pill

LIVE_HEADER: Final = "X-Live"  # asks for the part that changes, without the page around it
STALLED: Final = {"locks": "other hands hold its claims", "no_worker": "no worker takes it up"}
STATES: Final = {
    "alive": Pill("Alive", "check", "good"),
    "silent": Pill("Silent", "alert", "bad"),
    "stopped": Pill("Stopped", "stop", ""),
}

blueprint = Blueprint("operations", __name__)


@blueprint.get("/operations")
@requires(Action.SEE_OPERATIONS)
def show() -> Response:
    """The whole installation as it stands now; the page asks again every few seconds."""
    settings = door().settings
    seen = overview.look(door().sessions, now=now())
    facts: dict[str, Any] = {
        "seen": seen,
        "wrongs": wrongs(seen),
        "broker": broker.look(settings),
        "flower": flower.address(settings),
        "flower_of": lambda key: flower.of_job(settings, *key),
        "failures": [(code, codes.words(code), count) for code, count in _most_first(seen.failures)],
        "STALLED": STALLED,
        "STATES": STATES,
    }
    part = "operations/_now.html" if LIVE_HEADER in request.headers else "operations/show.html"
    return Response(render_template(part, **facts), mimetype="text/html")


def _most_first(failures: dict[str, int] | None) -> list[tuple[str, int]]:
    return sorted((failures or {}).items(), key=lambda pair: -pair[1])
