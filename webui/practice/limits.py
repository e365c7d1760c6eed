"""The practice's limits: approval limits, failure budget, and days of a recent payment."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from core import reading
from core.access.permissions import Action
from core.db.engine import transaction
from core.money import BadLimitAmount, parse_limit
from core.practices import limits
from core.practices.limits import BadLimit, PracticeLimit
from webui.practice import write_off_settings
from webui.shared.app_context import app_context, now
from webui.shared.auth import current_actor, requires

blueprint = Blueprint("limits", __name__, url_prefix="/settings")


@blueprint.post("/failure-budget")
@requires(Action.CHANGE_SETTING)
def change_budget() -> Response | tuple[str, int]:
    """Set when failures halt a job."""
    try:
        with transaction(app_context().sessions) as db:
            limits.set_failure_budget(
                db,
                by=current_actor(),
                percent=_number(limits.FAILURE_PERCENT),
                claims=_number(limits.FAILURE_CLAIMS),
                alike=_number(limits.SAME_FAILURES),
                now=now(),
            )
    except BadLimit as refusal:
        return write_off_settings.render_settings(
            faults=refusal.facts["faults"], typed=request.form
        ), HTTPStatus.UNPROCESSABLE_ENTITY
    flash("Error limits saved. They apply to running jobs, starting with the next error.", "good")
    return redirect(url_for("settings.show", _anchor="limits"), code=303)


@blueprint.post("/write-off-limits")
@requires(Action.CHANGE_SETTING)
def change_write_off_limits() -> Response | tuple[str, int]:
    """Set what may be written off without approval on one claim and in one job."""
    cents, faults = parse_limits(request.form)
    if faults:
        return write_off_settings.render_settings(faults=faults, typed=request.form), HTTPStatus.UNPROCESSABLE_ENTITY
    with transaction(app_context().sessions) as db:
        limits.set_write_off_limits(db, **cents, by=current_actor(), now=now())
    flash("Limits saved. Existing previews keep their old limits.", "good")
    return redirect(url_for("settings.show", _anchor="limits"), code=303)


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
        with transaction(app_context().sessions) as db:
            limits.set_recent_payment_days(db, by=current_actor(), days=_number(limits.RECENT_PAYMENT_DAYS), now=now())
    except BadLimit as refusal:
        return write_off_settings.render_settings(
            faults=refusal.facts["faults"], typed=request.form
        ), HTTPStatus.UNPROCESSABLE_ENTITY
    flash("Recent-payment window saved. Existing previews keep their old window.", "good")
    return redirect(url_for("settings.show", _anchor="limits"), code=303)


def _number(limit: PracticeLimit) -> int:
    """Return the whole number of that field, or one out of bounds."""
    found = reading.number(request.form.get(limit.column, ""))
    return -1 if found is None else found
