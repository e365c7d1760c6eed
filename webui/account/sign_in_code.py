"""The second step of a sign-in: a passkey, a code of the authenticator app, or a recovery code."""

import datetime as dt
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, Response as FlaskResponse, g, jsonify, redirect, render_template, request, session, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from core.access import passkeys, second_factor, users
from core.access.passkeys import PasskeyRefused
from core.access.second_factor import Kinds, WrongCode
from core.db.engine import transaction
from core.models.people import User
from webui.shared import auth
from webui.shared.app_context import app_context, now
from webui.shared.auth import SIGNING_IN
from webui.shared.clients import client_address
from webui.shared.failed_sign_ins import limit_failed_sign_ins
from webui.shared.passkey_site import NoPasskeysHere, given_answer, passkey_site, required_site

PASSWORD_GOOD_FOR: Final = dt.timedelta(minutes=10)  # from the password to the second factor

blueprint = Blueprint("sign_in_code", __name__, url_prefix="/sign-in/code")


def _signing_in() -> dict[str, Any] | None:
    """Return who gave the right password in this browser, or None if that was too long ago."""
    found: dict[str, Any] | None = session.get(SIGNING_IN)
    if found is None or now().timestamp() - found["at"] > PASSWORD_GOOD_FOR.total_seconds():
        return None
    g.practice_id = found["practice_id"]  # whose rows this request may see
    return found


def _typed_email() -> str:
    found = _signing_in()
    return found["email"] if found else ""


@blueprint.get("")
def show() -> Response | str:
    """Ask for the passkey or the code."""
    return _page() if _signing_in() else _again()


def _page(**faults: str | None) -> str:
    found = _signing_in()
    with app_context().sessions() as db:
        has = second_factor.kinds_of(db, found["user_id"]) if found else Kinds(app=True, passkey=False)
    return render_template("account/sign_in_code.html", has=has, site=passkey_site(), faults=faults)


@blueprint.post("/options")
def begin() -> Response | tuple[Response, int]:
    """Return what the browser needs to use a passkey."""
    found = _signing_in()
    if found is None:
        return jsonify(fault="Your password was entered over ten minutes ago. Start again."), HTTPStatus.CONFLICT
    try:
        with transaction(app_context().sessions) as db:
            options = passkeys.options_to_use(db, found["user_id"], required_site(), now=now())
    except NoPasskeysHere as refusal:
        return jsonify(fault=refusal.message), refusal.http_status
    return FlaskResponse(options, mimetype="application/json")


@blueprint.post("")
@limit_failed_sign_ins(_typed_email)
def check() -> Response | tuple[str, int]:
    """Check the passkey or the code, set the cookie, and redirect to the requested page."""
    found = _signing_in()
    if found is None:
        return _again()
    try:
        given = given_answer("credential") or request.form.get("code", "")
        with transaction(app_context().sessions) as db:
            user = db.get_one(User, found["user_id"])
            actor = users.finish_sign_in(db, user, given, now=now(), address=client_address())
            token = auth.start_session_for(db, actor, identity_factor=False if "from_provider" in found else None)
    except (PasskeyRefused, NoPasskeysHere) as refusal:
        return _page(passkey=refusal.message), refusal.http_status
    except (WrongCode, users.SignInFailed) as refusal:
        return _page(code=refusal.message), refusal.http_status
    return auth.signed_in_response(token, found["next"])


@blueprint.errorhandler(HTTPStatus.TOO_MANY_REQUESTS)
def _too_many(error: HTTPException) -> tuple[str, int]:
    return _page(code=error.description), HTTPStatus.TOO_MANY_REQUESTS


def _again() -> Response:
    return redirect(url_for("auth.sign_in", ended=1))
