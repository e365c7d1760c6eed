"""The practice's time zone, on its settings page."""

from http import HTTPStatus

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.db.engine import transaction
from core.practices.create import BadTimeZone
from core.schedules import time_zone
from webui.practice import write_off_settings
from webui.shared.app_context import app_context, now
from webui.shared.auth import current_actor, requires

blueprint = Blueprint("time_zone", __name__, url_prefix="/settings")


@blueprint.post("/time-zone")
@requires(Action.CHANGE_SETTING)
def change() -> Response | tuple[str, int]:
    """Change the practice's time zone."""
    typed = request.form.get("time_zone", "")
    try:
        with transaction(app_context().sessions) as db:
            time_zone.set_time_zone(db, typed, by=current_actor(), now=now())
    except BadTimeZone:
        faults = {"time_zone": "Choose a time zone from the list, e.g. America/Chicago."}
        return write_off_settings.render_settings(faults=faults, typed=request.form), HTTPStatus.UNPROCESSABLE_ENTITY
    flash("Time zone saved. Schedules use it starting with their next run.", "good")
    return redirect(url_for("settings.show", _anchor="time-zone"), code=HTTPStatus.SEE_OTHER)
