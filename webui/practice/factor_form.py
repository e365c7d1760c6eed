"""Choose on the settings page whether a second factor is required, and how large a CONFIRM needs verification."""

from http import HTTPStatus

from flask import request
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.money import BadLimitAmount, parse_limit
from core.practices import factor_setting
from webui.practice import write_off_settings
from webui.shared import acts
from webui.shared.auth import Pages

blueprint = Pages("factor_form", __name__, url_prefix="/settings")


@blueprint.post("/second-factor", needs=Action.CHANGE_SETTING)
def change() -> Response | tuple[str, int]:
    """Save both."""
    try:
        cents = parse_limit(request.form.get("large_confirm_cents", ""))
    except BadLimitAmount as fault:
        faults = {"large_confirm_cents": fault.message}
        return write_off_settings.render_settings(faults=faults, typed=request.form), HTTPStatus.UNPROCESSABLE_ENTITY
    acts.run(factor_setting.change, required=request.form.get("required") == "yes", large_confirm_cents=cents)
    return acts.redirect_with("Second factor saved.", "settings.show", _anchor="second-factor")
