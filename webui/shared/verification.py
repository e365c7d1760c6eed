"""Ask a signed-in user for the second factor, or the password again. One mechanism for every form.

Core refuses with `VerificationNeeded`. A form that knows this beforehand shows the field itself (`m.verification()`).
Otherwise the page here asks, and sends the same form again with the field. Either way, what was typed in the field is
checked before the view runs. A passkey is checked in the same way, in a request of its own from passkeys.js.
"""

from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Flask, g, render_template, request
from werkzeug.exceptions import TooManyRequests

from core.access import verification
from core.access.password_sign_in import PasswordSignInOff
from core.access.permissions import VerificationNeeded
from core.access.second_factor import REFUSALS
from core.access.users import WrongPassword
from core.db.engine import transaction
from core.single_sign_on.refusals import SignInRefused
from core.single_sign_on.settings import NoSingleSignOn
from webui.shared import identity_provider, passkey_site, problem_json
from webui.shared.app_context import app_context, now
from webui.shared.auth import own_email, session_token, signed_in_actor
from webui.shared.clients import client_address
from webui.shared.failed_sign_ins import limit_failed_sign_ins
from webui.shared.page_arguments import safe_next
from webui.shared.passkey_site import NoPasskeysHere

CODE_FIELD: Final = "verification_code"
PASSWORD_FIELD: Final = "verification_password"  # noqa: S105 – a field's name
_TURNED_OFF: Final = "Single sign-on is off now. Sign out, and sign in with your password."
PROVIDER_FIELD: Final = "verification_provider"
PASSKEY_FIELD: Final = "verification_passkey"
_NOT_SENT_AGAIN: Final = frozenset({CODE_FIELD, PASSWORD_FIELD, PASSKEY_FIELD, PROVIDER_FIELD, "csrf_token"})


def register(app: Flask) -> None:
    """Check the field of every form, and ask for it where a form had none."""
    app.before_request(_check_field)
    app.register_error_handler(VerificationNeeded, _ask)
    app.context_processor(lambda: {"verification_fault": g.get("verification_fault", g.get("verification_needed"))})


def _check_field() -> str | tuple[str, int] | None:
    if request.method != "POST" or request.path.startswith(problem_json.API_PATH):
        return None
    if PROVIDER_FIELD in request.form:
        return _leave_for_provider()
    code, password, passkey = (
        request.form.get(name, "").strip() for name in (CODE_FIELD, PASSWORD_FIELD, PASSKEY_FIELD)
    )
    actor = signed_in_actor() if code or password or passkey else None
    if actor is None:
        return None
    given: dict[str, Any] = {"password": password, "token": session_token()}
    try:
        _refuse_after_failures()
        given["given"] = passkey_site.given_answer(PASSKEY_FIELD) or code
        with transaction(app_context().sessions) as db:
            verification.verify(db, **given, by=actor, now=now(), address=client_address())
    except (*REFUSALS, WrongPassword, PasswordSignInOff) as refusal:
        g.verification_failed = True  # counts as a failed sign-in
        g.verification_fault = refusal.message
    except NoPasskeysHere as refusal:
        g.verification_fault = refusal.message
    except TooManyRequests as refusal:
        g.verification_fault = refusal.description
    g.actor = replace(actor, is_verified="verification_fault" not in g)
    return None


def _leave_for_provider() -> str | tuple[str, int] | None:
    """Lead a user whom the identity provider signed in there again, and keep the form. Others have other fields."""
    actor = signed_in_actor()
    if actor is None or actor.is_verified or not actor.verifies_at_provider:
        return None
    try:
        return identity_provider.lead_to_again(actor, form=_form())
    except SignInRefused as refusal:
        return ask_again(_form(), refusal.message), refusal.http_status
    except NoSingleSignOn as refusal:
        return ask_again(_form(), _TURNED_OFF), refusal.http_status


def _form() -> dict[str, Any]:
    """Return the form that waits for verification: where it goes, and what was typed."""
    # PostgreSQL stores no NUL character. A password is neither stored nor sent again.
    fields = [
        (name, value.replace("\0", ""))
        for name, value in request.form.items(multi=True)
        if name not in _NOT_SENT_AGAIN and not name.endswith("password")
    ]
    return {"path": request.full_path.rstrip("?"), "fields": fields, "back": _back()}


def _back() -> str:
    return safe_next(urlsplit(request.referrer or "").path)


def ask_again(form: dict[str, Any], fault: str) -> str:
    """Return the page that asks for the field again, and keeps the form."""
    return render_template("verification.html", words="", verification_fault=fault, **form)


@limit_failed_sign_ins(own_email)
def _refuse_after_failures() -> None:
    """Raise `TooManyRequests` after too many failures of this user or address."""


def _ask(refusal: VerificationNeeded) -> tuple[str, int]:
    """Ask for the field, and keep what was typed in the form."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in _NOT_SENT_AGAIN]
    fault = g.get("verification_fault")  # nothing is wrong yet if the form had no field
    page = render_template(
        "verification.html", words=refusal.message, path=request.full_path.rstrip("?"), fields=fields, back=_back(),
        verification_fault=fault,
    )  # fmt: skip
    return page, refusal.http_status
