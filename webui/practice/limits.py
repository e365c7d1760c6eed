"""The practice's limits: approval limits, failure limits, and rule limits."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import request
from werkzeug.wrappers import Response

from core import reading
from core.access.permissions import Action
from core.money import BadAmount, BadLimitAmount, parse_amount, parse_limit
from core.practices import limits, practice_limit
from core.practices.practice_limit import BadLimit, PracticeLimit
from webui.practice import write_off_settings
from webui.shared import acts
from webui.shared.auth import Pages

LIMITS_SAVED = "Limits saved. A raised limit applies after 24 hours. Existing previews keep their old limits."

blueprint = Pages("limits", __name__, url_prefix="/settings")


@blueprint.post("/failure-budget", needs=Action.CHANGE_SETTING)
def change_budget() -> Response | tuple[str, int]:
    """Set when failures halt a job."""
    try:
        acts.run(
            limits.set_failure_budget,
            percent=_number(practice_limit.FAILURE_PERCENT),
            claims=_number(practice_limit.FAILURE_CLAIMS),
            alike=_number(practice_limit.SAME_FAILURES),
        )
    except BadLimit as refusal:
        return _settings_with_errors(refusal.facts["faults"])
    return acts.redirect_with(
        "Failure limits saved. They also apply to jobs that are already running.",
        "settings.show",
        _anchor="limits",
    )


@blueprint.post("/write-off-limits", needs=Action.CHANGE_SETTING)
def change_write_off_limits() -> Response | tuple[str, int]:
    """Set what may be written off without approval on one claim and in one job."""
    cents, faults = parse_limits(request.form)
    if faults:
        return _settings_with_errors(faults)
    acts.run(limits.set_write_off_limits, **cents)
    return acts.redirect_with(
        LIMITS_SAVED,
        "settings.show",
        _anchor="limits",
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


@blueprint.post("/recent-payment", needs=Action.CHANGE_SETTING)
def change_recent_payment() -> Response | tuple[str, int]:
    """Set for how many days a payment blocks a claim."""
    return _change_rules("Recent-payment window saved. Existing previews keep their old window.", anchor="limits")


@blueprint.post("/small-balance", needs=Action.CHANGE_SETTING)
def change_small_balance() -> Response | tuple[str, int]:
    """Set the most that a small-balance reason can write off."""
    return _change_rules("Small-balance limit saved. Existing previews keep their old limit.", anchor="small-balance")


@blueprint.post("/collection-rules", needs=Action.CHANGE_SETTING)
def change_collection_rules() -> Response | tuple[str, int]:
    """Set how long a denied claim waits for an appeal, and which statements a write-off needs."""
    return _change_rules(
        "Denial and statement rules saved. Existing previews keep their old rules.", anchor="collection-rules"
    )


def _change_rules(saved: str, *, anchor: str) -> Response | tuple[str, int]:
    """Set the rule limits that the form contains."""
    numbers = {limit.column: _number(limit) for limit in practice_limit.RULE_LIMITS if limit.column in request.form}
    try:
        acts.run(limits.set_rule_limits, numbers)
    except BadLimit as refusal:
        return _settings_with_errors(refusal.facts["faults"])
    return acts.redirect_with(saved, "settings.show", _anchor=anchor)


def _settings_with_errors(faults: dict[str, str]) -> tuple[str, int]:
    return write_off_settings.render_settings(faults=faults, typed=request.form), HTTPStatus.UNPROCESSABLE_ENTITY


def _number(limit: PracticeLimit) -> int:
    """Return the whole number or the cents of that field, or a number out of bounds."""
    typed = request.form.get(limit.column, "")
    if limit.is_amount:
        try:
            return parse_amount(typed)
        except BadAmount:
            return -1
    found = reading.number(typed)
    return -1 if found is None else found
