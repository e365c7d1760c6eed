"""Your account: remove your authenticator app, and make new recovery codes."""

from http import HTTPStatus

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from core.access import own_factor, second_factor
from core.access.own_factor import FactorRequired, NoApp, NoFactor
from core.access.permissions import VerificationNeeded
from core.access.users import WrongPassword
from webui.account.account_page import account_page
from webui.shared import acts
from webui.shared.app_context import app_context
from webui.shared.auth import current_actor, own_email
from webui.shared.failed_sign_ins import limit_failed_sign_ins

blueprint = Blueprint("account_factor", __name__, url_prefix="/account/second-factor")


@blueprint.post("/remove")
@limit_failed_sign_ins(own_email)
def remove() -> Response | tuple[str, int]:
    """Remove the authenticator app."""
    current_actor()
    try:
        acts.run(own_factor.remove, password=request.form.get("factor_password", ""))
    except WrongPassword as refusal:
        return account_page(faults={"factor_password": refusal.message}), refusal.http_status
    except VerificationNeeded as refusal:
        return account_page(), refusal.http_status  # which has the field
    except (FactorRequired, NoApp) as refusal:
        return acts.redirect_with(refusal.message, "account.show", tone="warn")
    with app_context().sessions() as db:
        is_left = second_factor.find(db, current_actor().user_id) is not None
    rest = "Your passkeys still sign in." if is_left else "You sign in with your password alone."
    return acts.redirect_with(f"Your authenticator app is removed. {rest}", "account.show")


@blueprint.post("/recovery-codes")
def make_recovery_codes() -> Response | tuple[str, int]:
    """Make new recovery codes, and show them once."""
    try:
        codes: list[str] = acts.run(own_factor.make_recovery_codes)
    except NoFactor as refusal:
        return acts.redirect_with(refusal.message, "account.show", tone="warn")
    return render_template("account/recovery_codes.html", codes=codes, is_new=False), HTTPStatus.CREATED
