"""Settings, Single sign-on: the practice's identity provider, for administrators."""

import re
from collections.abc import Mapping
from typing import Final

from flask import render_template, request
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.enums.people import Role
from core.single_sign_on import check, settings
from core.single_sign_on.refusals import SignInRefused
from core.single_sign_on.settings import DomainTaken, NotThroughProvider, PasswordsNeeded
from core.single_sign_on.wanted import BadSingleSignOn, GroupToRole, Wanted
from webui.shared import acts
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor
from webui.shared.identity_provider import redirect_uri, web_client

_EMPTY_ROWS: Final = 3  # for new groups; saving shows three more
_ADDRESS: Final = "single_sign_on_form.show"

blueprint = Pages("single_sign_on_form", __name__, url_prefix="/settings/single-sign-on")


@blueprint.get("", needs=Action.CHANGE_SETTING)
def show() -> str:
    """Show the settings."""
    return _page()


def _page(*, typed: Wanted | None = None, faults: Mapping[str, str] | None = None) -> str:
    saved = acts.read(settings.show, current_actor())
    wanted = typed or settings.wanted_of(saved)
    return render_template(
        "settings/single_sign_on.html",
        wanted=wanted,
        rows=[*wanted.groups, *([GroupToRole("", Role.BILLER)] * _EMPTY_ROWS)],
        has_secret=bool(saved and saved.settings.client_secret),
        is_saved=saved is not None,
        passwords_on=saved is None or saved.settings.password_sign_in,
        redirect_uri=redirect_uri(),
        roles=list(Role),
        faults=faults or {},
    )


@blueprint.post("", needs=Action.CHANGE_SETTING)
def save() -> Response | tuple[str, int]:
    """Save the settings."""
    typed = _typed()
    try:
        acts.run(settings.save, typed, reach=app_context().settings.webhook_reach)
    except BadSingleSignOn as refusal:
        return _page(typed=typed, faults={refusal.facts["field"]: refusal.message}), refusal.http_status
    except DomainTaken as refusal:
        return _page(typed=typed, faults={"domains": refusal.message}), refusal.http_status
    except (NotThroughProvider, PasswordsNeeded) as refusal:
        return _page(typed=typed, faults={"password_sign_in": refusal.message}), refusal.http_status
    return acts.redirect_with("Single sign-on saved.", _ADDRESS)


def _typed() -> Wanted:
    form = request.form
    rows = zip(form.getlist("group"), form.getlist("role"), strict=False)
    known = {role.value for role in Role}
    return Wanted(
        active="active" in form,
        issuer=form.get("issuer", ""),
        client_id=form.get("client_id", ""),
        client_secret=form.get("client_secret") or None,
        domains=[one for one in re.split(r"[\s,;]+", form.get("domains", "")) if one],
        groups_claim=form.get("groups_claim", ""),
        groups=[GroupToRole(group, Role(role)) for group, role in rows if group.strip() and role in known],
        adds_users="adds_users" in form,
        asks_second_factor="asks_second_factor" in form,
        password_sign_in="password_sign_in" in form,
    )


@blueprint.post("/test", needs=Action.CHANGE_SETTING)
def test() -> Response:
    """Ask the identity provider of the saved settings, and say what is wrong."""
    saved = acts.read(settings.show, current_actor())
    if saved is None or not saved.settings.issuer:
        return acts.redirect_with("Save an issuer first.", _ADDRESS, tone="warn")
    try:
        tested = check.test(saved.settings.issuer, web_client())
    except SignInRefused as refusal:
        return acts.redirect_with(refusal.message, _ADDRESS, tone="bad")
    return acts.redirect_with(check.words(tested), _ADDRESS)
