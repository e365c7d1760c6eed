"""The settings page, and the Balance Writeoff setting of the practice and its billing providers."""

from collections.abc import Mapping, Sequence
from typing import Final
from zoneinfo import available_timezones

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.enums.practices import WriteOffSetting
from core.errors import BadInput
from core.practices import factor_setting, practice_limit, write_off_setting
from webui.practice import one_person_form
from webui.shared import acts
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor, current_practice

LIMITS: Final = {
    "percent": practice_limit.FAILURE_PERCENT,
    "claims": practice_limit.FAILURE_CLAIMS,
    "alike": practice_limit.SAME_FAILURES,
    "recent": practice_limit.RECENT_PAYMENT_DAYS,
    "small_balance": practice_limit.SMALL_BALANCE,
    "appeal": practice_limit.APPEAL_WINDOW_DAYS,
    "statements": practice_limit.STATEMENTS,
    "statement_days": practice_limit.STATEMENT_DAYS,
}
US_ZONES: Final = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "Pacific/Guam",
)
CONTINENTS: Final = (
    "Africa/", "America/", "Antarctica/", "Arctic/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/",
    "Pacific/",
)  # fmt: skip
SAME_AS_PRACTICE: Final = "practice"  # a provider without its own setting
PROVIDERS_SEARCHABLE_FROM: Final = 12  # fewer are seen at a glance
PROVIDERS_SHOWN_MAX: Final = 200

blueprint = Pages("settings", __name__, url_prefix="/settings")


class UnknownSetting(BadInput):
    """Choose patient, insurance, both or neither."""


@blueprint.get("", needs=Action.SEE_CLAIMS)
def show() -> str:
    """Show the settings with who changed them and when, and a form for users who may change them."""
    return render_settings()


def render_settings(*, faults: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> str:
    """Return the whole page. `faults` appear at their fields, with what was `typed`."""
    searched = request.args.get("provider", "").strip()
    with app_context().sessions() as db:
        overview = write_off_setting.overview(db, current_actor().practice_id)
        alone = one_person_form.page_facts(db)
        without_factor = factor_setting.count_without(db, current_actor().practice_id)
    matching = [
        provider
        for provider in overview.providers
        if searched.casefold() in provider.name.casefold() or searched == provider.external_id
    ]
    own = [provider for provider in overview.providers if provider.setting is not None]
    return render_template(
        "settings/show.html",
        overview=overview,
        **alone,
        without_factor=without_factor,
        second_factor_required=current_practice().second_factor_required,
        large_confirm_cents=current_practice().large_confirm_cents,
        providers=sorted(matching, key=lambda provider: provider.setting is None)[:PROVIDERS_SHOWN_MAX],
        hidden=max(0, len(matching) - PROVIDERS_SHOWN_MAX),
        own=len(own),
        searched=searched,
        searchable=len(overview.providers) >= PROVIDERS_SEARCHABLE_FROM,
        choices=list(WriteOffSetting),
        as_the_practice=SAME_AS_PRACTICE,
        limits=LIMITS,
        two_people={name: getattr(current_practice(), name) for name in ("claim_limit_cents", "job_limit_cents")},
        standing={limit.column: getattr(current_practice(), limit.column) for limit in LIMITS.values()},
        faults=faults or {},
        typed=typed or {},
        zones=_zones(),
        may_change=current_actor().may(Action.CHANGE_SETTING),
    )


def _zones() -> dict[str, list[str]]:
    """Return the time zones to choose from: those of the United States, then those of each continent.

    The practice's own zone is always among them.
    """
    own = current_practice().time_zone
    groups = {"United States": list(US_ZONES)}
    for zone in sorted({*available_timezones(), own}.difference(US_ZONES)):
        if zone.startswith(CONTINENTS):
            groups.setdefault(zone.partition("/")[0], []).append(zone)
        elif zone == own:
            groups["Other"] = [own]
    return groups


@blueprint.post("/write-off", needs=Action.CHANGE_SETTING)
def change() -> Response:
    """Set the practice's setting."""
    actor = current_actor()
    setting = _setting(request.form.get("setting"))
    acts.run(write_off_setting.set_for_practice, practice_id=actor.practice_id, setting=setting)
    return acts.redirect_with(
        "Balance Writeoff setting saved. Existing previews keep their old setting.", "settings.show"
    )


@blueprint.post("/write-off/provider", needs=Action.CHANGE_SETTING)
def change_for_provider() -> Response:
    """Set one billing provider's setting, or return it to the practice default."""
    actor = current_actor()
    chosen = request.form.get("setting")
    setting = None if chosen == SAME_AS_PRACTICE else _setting(chosen)
    acts.run(
        write_off_setting.set_for_provider,
        practice_id=actor.practice_id,
        provider_external_id=request.form.get("provider_id", ""),
        setting=setting,
    )
    flash("Provider setting saved.", "good")
    return redirect(url_for("settings.show", provider=request.form.get("searched") or None), code=303)


@blueprint.app_template_global("setting_choosers")
def setting_choosers() -> Sequence[str]:
    """Return the names of the users who may choose the practice's setting."""
    return acts.read(write_off_setting.names_of_choosers, current_actor().practice_id)


def _setting(text: str | None) -> WriteOffSetting:
    if text not in set(WriteOffSetting):
        raise UnknownSetting
    return WriteOffSetting(text)
