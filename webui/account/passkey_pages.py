"""Your account: one of your passkeys with its name, its removal, and the use of a passkey to verify."""

from http import HTTPStatus
from typing import Final

from flask import Blueprint, Response, g, jsonify, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from core.access import own_passkeys, passkeys, second_factor
from core.access.own_factor import FactorRequired
from core.access.own_passkeys import BadPasskeyName
from core.access.permissions import VerificationNeeded
from core.access.users import WrongPassword
from core.db.bounds import BIGINT_MAX
from core.db.engine import transaction
from core.models.people import User
from webui.shared import acts
from webui.shared.app_context import app_context, now
from webui.shared.auth import current_actor, own_email
from webui.shared.failed_sign_ins import limit_failed_sign_ins
from webui.shared.passkey_site import NoPasskeysHere, required_site
from webui.shared.verification import PASSKEY_FIELD

blueprint = Blueprint("passkeys", __name__, url_prefix="/account/passkeys")
_ID_RULE: Final = f"<int(max={BIGINT_MAX}):passkey_id>"
_NO_ANSWER: Final = "Your browser sent no passkey. Try again."


@blueprint.get(f"/{_ID_RULE}")
def show(passkey_id: int) -> str:
    """Show one of the user's passkeys."""
    return _page(passkey_id)


def _page(passkey_id: int, *, name: str | None = None, **faults: str) -> str:
    person = current_actor()
    with app_context().sessions() as db:
        passkey = own_passkeys.find(db, passkey_id, by=person)
        user = db.get_one(User, person.user_id)
        is_last = own_passkeys.is_last_part(db, user)
        is_kept = is_last and second_factor.is_required(db, user)
    typed = passkey.name if name is None else name
    return render_template(
        "account/passkey.html", passkey=passkey, typed=typed, is_last=is_last, is_kept=is_kept, faults=faults
    )


@blueprint.post(f"/{_ID_RULE}/name")
def rename(passkey_id: int) -> BaseResponse | tuple[str, int]:
    """Rename the passkey."""
    name = request.form.get("name", "")
    try:
        acts.run(own_passkeys.rename, passkey_id, name)
    except BadPasskeyName as refusal:
        return _page(passkey_id, name=name, name_fault=refusal.message), refusal.http_status
    return acts.redirect_with("Passkey renamed.", "account.show", _anchor="second-factor")


@blueprint.post(f"/{_ID_RULE}/remove")
@limit_failed_sign_ins(own_email)
def remove(passkey_id: int) -> BaseResponse | tuple[str, int]:
    """Remove the passkey."""
    current_actor()
    try:
        acts.run(own_passkeys.remove, passkey_id, password=request.form.get("password", ""))
    except WrongPassword as refusal:
        return _page(passkey_id, password=refusal.message), refusal.http_status
    except VerificationNeeded as refusal:
        return _page(passkey_id), refusal.http_status  # which has the field
    except FactorRequired as refusal:
        return acts.redirect_with(refusal.message, "account.show", tone="warn")
    return acts.redirect_with("Passkey removed.", "account.show", _anchor="second-factor")


@blueprint.post("/options")
def begin() -> Response | tuple[Response, int]:
    """Return what the browser needs to use a passkey."""
    person = current_actor()
    try:
        with transaction(app_context().sessions) as db:
            options = passkeys.options_to_use(db, person.user_id, required_site(), now=now())
    except NoPasskeysHere as refusal:
        return jsonify(fault=refusal.message), refusal.http_status
    return Response(options, mimetype="application/json")


@blueprint.post("/verify")
def verify() -> tuple[Response, int]:
    """Tell passkeys.js whether the passkey was right. `webui.shared.verification` has checked it."""
    current_actor()
    fault = g.get("verification_fault")
    if fault is None and not request.form.get(PASSKEY_FIELD):
        fault = _NO_ANSWER
    return (jsonify(fault=fault), HTTPStatus.CONFLICT) if fault else (jsonify({}), HTTPStatus.OK)
