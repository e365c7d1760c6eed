"""Your account: change your own password."""

from collections.abc import Mapping
from http import HTTPStatus

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from core.access import own_password
from core.access.passwords import BadPassword
from core.access.users import WrongPassword
from webui.account.password_pages import PASSWORDS_DIFFER
from webui.shared import acts
from webui.shared.auth import SESSION_COOKIE, current_actor, limit_failed_sign_ins, signed_in_actor

blueprint = Blueprint("account", __name__, url_prefix="/account")


def _own_email() -> str:
    actor = signed_in_actor()
    return actor.email if actor else ""


@blueprint.get("")
def show() -> str:
    """Show the user's own account."""
    return _page()


def _page(*, faults: Mapping[str, str] | None = None) -> str:
    return render_template("account/show.html", person=current_actor(), faults=faults or {})


@blueprint.post("/password")
@limit_failed_sign_ins(_own_email)
def change_password() -> Response | tuple[str, int]:
    """Change the password, and sign out the user's other browsers."""
    current_actor()
    given = {"old": request.form.get("password", ""), "new": request.form.get("new_password", "")}
    if given["new"] != request.form.get("repeated", ""):
        return _page(faults={"repeated": PASSWORDS_DIFFER}), HTTPStatus.UNPROCESSABLE_ENTITY
    try:
        acts.run(own_password.change, **given, this_session=request.cookies.get(SESSION_COOKIE))
    except WrongPassword as refusal:
        return _page(faults={"password": refusal.message}), refusal.http_status
    except BadPassword as refusal:
        return _page(faults={"new_password": refusal.message}), refusal.http_status
    return acts.redirect_with("Password changed. Your other browsers are signed out.", "account.show")
