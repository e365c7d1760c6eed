"""The practice's limits: approval limits, failure budget, and days of a recent payment."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

from core import reading
from core.access.permissions import Action
from core.money import BadLimitAmount, parse_limit
from core.practices import limits
from core.practices.limits import BadLimit, PracticeLimit
from webui.practice import write_off_settings
from webui.shared import acts
from webui.shared.auth import requires

blueprint = Blueprint("limits", __name__, url_prefix="/settings")


@blueprint.post("/failure-budget")
@requires(Action.CHANGE_SETTING)
def change_budget() -> Response | tuple[str, int]:
    """Set when failures halt a job."""
    try:
        acts.run(
            limits.set_failure_budget,
            percent=_number(limits.FAILURE_PERCENT),
            claims=_number(limits.FAILURE_CLAIMS),
            alike=_number(limits.SAME_FAILURES),
        )
    except BadLimit as refusal:
        return _settings_with_errors(refusal.facts["faults"])
    return acts.redirect_with(
        "Error limits saved. They apply to running jobs, starting with the next error.",
        "settings.show",
        _anchor="limits",
    )


@blueprint.post("/write-off-limits")
@requires(Action.CHANGE_SETTING)
def change_write_off_limits() -> Response | tuple[str, int]:
    """Set what may be written off without approval on one claim and in one job."""
    cents, faults = parse_limits(request.form)
    if faults:
        return _settings_with_errors(faults)
    acts.run(limits.set_write_off_limits, **cents)
    return acts.redirect_with(
        "Limits saved. Existing previews keep their old limits.", "settings.show", _anchor="limits"
    )


def parse_limits(form: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the form's limits in cents, and faults by field."""
    cents: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for which in ("claim", "job"):
        name = f"{which}_limit_cents"
        try:
            cents[f"{which}_cents"] = parse_limit(form.get(name, ""))
        except BadLimitAmount as fault:
            faults[name] = fault.message
    return cents, faults


@blueprint.post("/recent-payment")
@requires(Action.CHANGE_SETTING)
def change_recent_payment() -> Response | tuple[str, int]:
    """Set for how many days a payment blocks a claim."""
    try:
        acts.run(limits.set_recent_payment_days, days=_number(limits.RECENT_PAYMENT_DAYS))
    except BadLimit as refusal:
        return _settings_with_errors(refusal.facts["faults"])
    return acts.redirect_with(
        "Recent-payment window saved. Existing previews keep their old window.", "settings.show", _anchor="limits"
    )


def _settings_with_errors(faults: dict[str, str]) -> tuple[str, int]:
    return write_off_settings.render_settings(faults=faults, typed=request.form), HTTPStatus.UNPROCESSABLE_ENTITY


def _number(limit: PracticeLimit) -> int:
    """Return the whole number of that field, or one out of bounds."""
    found = reading.number(request.form.get(limit.column, ""))
    return -1 if found is None else found
