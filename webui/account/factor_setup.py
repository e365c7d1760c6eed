"""Set up or replace your second factor: a QR code for the app, a code from the app, then the recovery codes."""

from http import HTTPStatus

from flask import Blueprint, render_template, request, session
from markupsafe import Markup
from werkzeug.wrappers import Response

from core.access import own_factor, totp
from core.access.permissions import VerificationNeeded
from core.access.second_factor import WrongCode
from core.access.users import WrongPassword
from webui.shared import acts
from webui.shared.auth import SET_UP_PAGES, current_actor, own_email, session_token
from webui.shared.failed_sign_ins import limit_failed_sign_ins

_NEW_SECRET = "new_factor"  # noqa: S105 – in the signed cookie of forms, until a code shows that the app has it

blueprint = Blueprint(SET_UP_PAGES, __name__, url_prefix="/account/second-factor")


@blueprint.get("")
def show() -> str:
    """Show the QR code, and ask for the first code."""
    return _page()


def _page(**faults: str) -> str:
    person, secret = current_actor(), _secret()
    return render_template(
        "account/second_factor.html",
        person=person,
        qr_code=_qr_code(totp.address(secret, account=person.email)),
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        faults=faults,
    )


def _secret() -> str:
    """Return the secret that this browser is setting up. It stays the same when the page is loaded again."""
    if session.get(_NEW_SECRET, {}).get("user_id") != current_actor().user_id:
        session[_NEW_SECRET] = {"user_id": current_actor().user_id, "secret": totp.make_secret()}
    secret: str = session[_NEW_SECRET]["secret"]
    return secret


def _qr_code(text: str) -> Markup:
    # Imported here, because few users set up a factor.
    import segno

    drawn = segno.make(text, error="m").svg_inline(scale=5, border=4, light="#fff", svgclass="qr", lineclass=None)
    return Markup(drawn)  # noqa: S704 – segno's own SVG; the text is only in its squares


@blueprint.post("")
@limit_failed_sign_ins(own_email)
def add() -> Response | tuple[str, int]:
    """Store the second factor, and show the recovery codes once."""
    given = {"code": request.form.get("code", ""), "password": request.form.get("password", "")}
    this = session_token()
    try:
        codes: list[str] = acts.run(own_factor.add, secret=_secret(), **given, this_session=this)
    except WrongCode as refusal:
        return _page(code=refusal.message), HTTPStatus.UNPROCESSABLE_ENTITY
    except WrongPassword as refusal:
        return _page(password=refusal.message), refusal.http_status
    except VerificationNeeded as refusal:
        return _page(), refusal.http_status  # which has the field
    session.pop(_NEW_SECRET)
    # Not a redirect, because the codes are only in this response.
    return render_template("account/recovery_codes.html", codes=codes, is_new=True), HTTPStatus.CREATED
