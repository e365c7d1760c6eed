"""Add a passkey: a name, and the password or a code where one is needed. passkeys.js asks the browser for the rest."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from flask import Blueprint, Response, g, jsonify, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from core.access import own_passkeys
from core.access.own_passkeys import BadPasskeyName, PasskeyTaken, TooManyPasskeys
from core.access.passkeys import PasskeyAnswer, PasskeyRefused
from core.access.permissions import VerificationNeeded
from core.access.users import WrongPassword
from webui.shared import acts
from webui.shared.auth import PASSKEY_SET_UP_PAGES, current_actor, own_email, session_token
from webui.shared.clients import browser_family
from webui.shared.failed_sign_ins import limit_failed_sign_ins
from webui.shared.passkey_site import NoPasskeysHere, passkey_site, required_site

blueprint = Blueprint(PASSKEY_SET_UP_PAGES, __name__, url_prefix="/account/second-factor/passkey")
_FIELDS: Final = {BadPasskeyName: "name", WrongPassword: "password"}
_FAULTS: Final = (BadPasskeyName, WrongPassword, PasskeyRefused, PasskeyTaken, TooManyPasskeys, NoPasskeysHere)


@blueprint.get("")
def show() -> str:
    """Ask for the passkey's name."""
    return _page(browser_family())


def _page(name: str, faults: Mapping[str, str] | None = None) -> str:
    return render_template(
        "account/add_passkey.html", person=current_actor(), name=name, site=passkey_site(), faults=faults or {}
    )


def _given() -> dict[str, str]:
    return {name: request.form.get(name, "") for name in ("name", "password")}


@blueprint.post("/options")
@limit_failed_sign_ins(own_email)
def begin() -> Response | tuple[Response, int]:
    """Return what the browser needs, after everything else in the form was checked."""
    current_actor()
    try:
        options: str = acts.run(own_passkeys.begin, required_site(), **_given())
    except VerificationNeeded as refusal:
        return jsonify(fault=g.get("verification_fault", refusal.message)), refusal.http_status
    except _FAULTS as refusal:
        return jsonify(fault=refusal.message), refusal.http_status
    return Response(options, mimetype="application/json")


@blueprint.post("")
@limit_failed_sign_ins(own_email)
def add() -> BaseResponse | tuple[str, int]:
    """Store the passkey. Show recovery codes once if the user has none yet."""
    current_actor()
    given = _given()
    try:
        answer = PasskeyAnswer(request.form.get("credential", ""), required_site())
        codes: list[str] = acts.run(own_passkeys.add, answer, **given, this_session=session_token())
    except _FAULTS as refusal:
        # Not the status of a failed sign-in if a passkey was refused, because nothing was guessed.
        status = refusal.http_status if isinstance(refusal, WrongPassword) else HTTPStatus.UNPROCESSABLE_ENTITY
        return _page(given["name"], {_FIELDS.get(type(refusal), "passkey"): refusal.message}), status
    except VerificationNeeded as refusal:
        return _page(given["name"]), refusal.http_status  # which has the field
    if not codes:
        return acts.redirect_with("Passkey added.", "account.show", _anchor="second-factor")
    # Not a redirect, because the codes are only in this response.
    return render_template("account/recovery_codes.html", codes=codes, is_new=True), HTTPStatus.CREATED


@blueprint.errorhandler(HTTPStatus.TOO_MANY_REQUESTS)
def _too_many(error: HTTPException) -> tuple[Response | str, int]:
    words = error.description or ""
    page = (
        jsonify(fault=words) if request.endpoint == f"{PASSKEY_SET_UP_PAGES}.begin" else _page("", {"passkey": words})
    )
    return page, HTTPStatus.TOO_MANY_REQUESTS
