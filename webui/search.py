"""The search box: as the user types, a list under the box; without JavaScript, a page.

The text may be a patient's name, so it is always in a POST body and never in a URL.
"""

from http import HTTPStatus
from typing import Any, Final

from flask import render_template, request

from core import search
from core.access.permissions import Action
from core.jobs import job_queries
from core.jobs.results import progress
from core.search import Kind, Search
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor

PART_HEADER: Final = "X-Part"  # requests the groups without the page around them
PATIENTS_LINKED_MAX: Final = 50  # a longer address might be refused

blueprint = Pages("search", __name__, url_prefix="/search")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def show() -> str:
    """Show the page without results, for a user who reloads it."""
    return render_template("search/index.html", **_facts("", None))


@blueprint.post("", needs=Action.SEE_CLAIMS)
def run() -> str | tuple[str, int]:
    """Search, and show the first rows of each kind, or more rows of one kind."""
    typed = request.form.get("text", "")
    listed = next((kind for kind in Kind if kind == request.form.get("kind")), None)
    facts = _facts(typed, listed)
    if PART_HEADER in request.headers:
        return render_template("search/_groups.html", **facts | {"place": "box"})
    page = render_template("search/index.html", **facts)
    return page if facts["found"] else (page, HTTPStatus.UNPROCESSABLE_ENTITY)


def _facts(typed: str, listed: Kind | None) -> dict[str, Any]:
    wanted = Search.of(typed)
    facts: dict[str, Any] = {
        "searched": typed[: search.CHARACTERS_MAX],
        "search": wanted,
        "listed": listed,
        "found": None,
    }
    if wanted is not None:
        practice_id = current_actor().practice_id
        with app_context().sessions() as db:
            found = search.find(db, practice_id, wanted, listed=listed)
            jobs = found.jobs.rows
            facts |= {
                "found": found,
                "by_job": progress.for_jobs(db, practice_id, [job.id for job in jobs], now=now()),
                "names": job_queries.names_of_users(db, practice_id, [job.requested_by for job in jobs]),
            }
    return {
        "place": "page",
        **facts,
        "characters_min": search.CHARACTERS_MIN,
        "patients_linked_max": PATIENTS_LINKED_MAX,
    }
