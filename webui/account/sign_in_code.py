"""The second step of a sign-in: a code of the authenticator app, or a recovery code."""

import datetime as dt
from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from core.access import users
from core.access.second_factor import WrongCode
from core.db.engine import transaction
from webui.shared import auth
from webui.shared.app_context import app_context, now
from webui.shared.auth import SIGNING_IN
from webui.shared.clients import client_address
from webui.shared.failed_sign_ins import limit_failed_sign_ins

PASSWORD_GOOD_FOR: Final = dt.timedelta(minutes=10)  # from the password to the code

blueprint = Blueprint("sign_in_code", __name__, url_prefix="/sign-in/code")


def _signing_in() -> dict[str, Any] | None:
    """Return who gave the right password in this browser, or None if that was too long ago."""
    found: dict[str, Any] | None = session.get(SIGNING_IN)
    if found is None or now().timestamp() - found["at"] > PASSWORD_GOOD_FOR.total_seconds():
        return None
    return found


def _typed_email() -> str:
    found = _signing_in()
    return found["email"] if found else ""


@blueprint.get("")
def show() -> Response | str:
    """Ask for the code."""
    return render_template("account/sign_in_code.html") if _signing_in() else _again()


@blueprint.post("")
@limit_failed_sign_ins(_typed_email)
def check() -> Response | tuple[str, int]:
    """Check the code, set the cookie, and redirect to the requested page."""
    found = _signing_in()
    if found is None:
        return _again()
    try:
        with transaction(app_context().sessions) as db:
            user = users.find_to_sign_in(db, found["email"])
            if user is None or user.id != found["user_id"]:
                return _again()
            code = request.form.get("code", "")
            actor = users.finish_sign_in(db, user, code, now=now(), address=client_address())
            token = auth.start_session_for(db, actor)
    except (WrongCode, users.SignInFailed) as refusal:
        return render_template("account/sign_in_code.html", fault=refusal.message), refusal.http_status
    return auth.signed_in_response(token, found["next"])


@blueprint.errorhandler(429)
def _too_many(error: HTTPException) -> tuple[str, int]:
    return render_template("account/sign_in_code.html", fault=error.description), 429


def _again() -> Response:
    return redirect(url_for("auth.sign_in", ended=1))
