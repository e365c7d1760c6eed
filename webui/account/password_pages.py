"""Set a password through a link, and ask for a link by e-mail. Neither needs a session."""

import hashlib
from http import HTTPStatus
from typing import Final, TypeVar

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, session, url_for
from flask_limiter.util import get_remote_address
from werkzeug.wrappers import Response as BaseResponse

from core.access import password_links, tokens
from core.access.passwords import BadPassword
from core.db.engine import transaction
from webui.shared.app_context import app_context, now
from webui.shared.auth import EMAIL_TO_SIGN_IN, csrf
from webui.shared.clients import client_address
from webui.shared.failed_sign_ins import limiter

# Without them, a stranger could fill a mailbox.
REQUESTS_PER_ADDRESS: Final = "10 per 5 minutes"
REQUESTS_PER_ACCOUNT: Final = "3 per hour"
_TOO_MANY: Final = "Too many requests for a link. Wait an hour, or ask an administrator of your practice for a link."
PASSWORDS_DIFFER: Final = "The two passwords differ. Enter the same password twice."

R = TypeVar("R", bound=BaseResponse)

blueprint = Blueprint("passwords", __name__)


def _account_key() -> str:
    return hashlib.sha256(request.form.get("email", "").strip().lower().encode("utf-8", "replace")).hexdigest()


@blueprint.get("/forgot-password")
def forgot() -> str:
    """Show the form to ask for a link, or whom to ask if no e-mail can be sent."""
    return render_template("account/forgot.html", by_mail=app_context().settings.mails_links)


@blueprint.post("/forgot-password")
@limiter.limit(REQUESTS_PER_ADDRESS, key_func=get_remote_address, error_message=_TOO_MANY)
@limiter.limit(REQUESTS_PER_ACCOUNT, key_func=_account_key, error_message=_TOO_MANY)
def ask_for_link() -> Response | tuple[str, int]:
    """E-mail a link. The answer is the same for every address."""
    if not app_context().settings.mails_links:
        return forgot(), HTTPStatus.CONFLICT
    sessions, email = app_context().sessions, request.form.get("email", "")
    at, address = now(), client_address()

    def queue() -> None:
        with transaction(sessions) as db:
            password_links.mail_if_known(db, email, now=at, address=address)

    response = make_response(render_template("account/forgot.html", by_mail=True, asked=True))
    response.call_on_close(queue)  # after the answer, so that its time does not reveal who has an account
    return response


@blueprint.get("/set-password/<token>")
def show(token: str) -> Response:
    """Show the form. Opening it does not use up the link, because mail programs open links too."""
    return _page(token)


@blueprint.post("/set-password/<token>")
def save(token: str) -> BaseResponse:
    """Set the password, and lead to the sign-in."""
    password = request.form.get("new_password", "")
    if password != request.form.get("repeated", ""):
        return _page(token, faults={"repeated": PASSWORDS_DIFFER})
    try:
        with transaction(app_context().sessions) as db:
            user = password_links.use(db, token, password, keep_tokens="keep_tokens" in request.form, now=now())
            session[EMAIL_TO_SIGN_IN] = user.email
    except BadPassword as refusal:
        return _page(token, faults={"new_password": refusal.message})
    flash("Your password is saved. Sign in with it.", "good")
    return _private(redirect(url_for("auth.sign_in"), code=HTTPStatus.SEE_OTHER))


csrf.exempt(save)  # only the link's owner knows the token, and browsers send no referrer from this page


def _page(token: str, *, faults: dict[str, str] | None = None) -> Response:
    with app_context().sessions() as db:
        user = password_links.find_user(db, token, now())
        token_count = tokens.count_open(db, user.id, now())
    page = render_template(
        "account/set_password.html", person=user, given="given" in request.args, token_count=token_count,
        faults=faults or {},
    )  # fmt: skip
    return _private(make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK))


def _private(response: R) -> R:
    response.headers["Referrer-Policy"] = "no-referrer"  # the address contains the token
    return response
