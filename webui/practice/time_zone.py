"""The practice's time zone, on its settings page."""

from http import HTTPStatus

from flask import request
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.practices.create import BadTimeZone
from core.schedules import time_zone
from webui.practice import write_off_settings
from webui.shared import acts
from webui.shared.auth import Pages

blueprint = Pages("time_zone", __name__, url_prefix="/settings")


@blueprint.post("/time-zone", needs=Action.CHANGE_SETTING)
def change() -> Response | tuple[str, int]:
    """Change the practice's time zone."""
    typed = request.form.get("time_zone", "")
    try:
        acts.run(time_zone.set_time_zone, typed)
    except BadTimeZone:
        faults = {"time_zone": "Choose a time zone from the list, e.g. America/Chicago."}
        return write_off_settings.render_settings(faults=faults, typed=request.form), HTTPStatus.UNPROCESSABLE_ENTITY
    return acts.redirect_with(
        "Time zone saved. Schedules use it starting with their next run.", "settings.show", _anchor="time-zone"
    )
