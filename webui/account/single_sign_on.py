"""Sign in through the practice's identity provider, and verify there again."""

from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, g, redirect, render_template, request, session, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from core.access import own_practice, second_factor, user_sessions, users
from core.db.engine import transaction
from core.models.single_sign_on import SignInRequest, SingleSignOn
from core.single_sign_on import attempts, id_token, settings, sign_in
from core.single_sign_on.id_token import Identity
from core.single_sign_on.refusals import BadIdToken, OtherUser, SignInRefused, SignInStale
from core.single_sign_on.settings import NoSingleSignOn
from webui.shared import auth
from webui.shared.app_context import app_context, now
from webui.shared.auth import SIGNING_IN, session_token, signed_in_actor
from webui.shared.clients import client_address
from webui.shared.failed_sign_ins import limit_failed_sign_ins
from webui.shared.identity_provider import ADDRESS, LEAVING, PAGES, lead_to, lead_to_again, web_client
from webui.shared.page_arguments import safe_next
from webui.shared.verification import ask_again

_NO_PROVIDER: Final = "No identity provider signs in this e-mail address. Check it, or sign in with your password."
_ERROR_CHARACTERS_MAX: Final = 60

Page = Response | str | tuple[str, int]
blueprint = Blueprint(PAGES, __name__, url_prefix=ADDRESS)


@blueprint.get("")
def show() -> Page:
    """Ask for the e-mail address, if several practices have an identity provider."""
    if signed_in_actor():
        return redirect(safe_next(request.args.get("next")))
    return _page(wanted=request.args.get("next", ""))


@blueprint.post("")
def start() -> Page:
    """Lead the browser to the identity provider."""
    email, wanted = request.form.get("email", ""), request.form.get("next", "")
    with app_context().sessions() as db:
        practice_id = attempts.find_practice_for(db, email)
        asks_email = len(own_practice.with_single_sign_on(db)) > 1
    if practice_id is None and asks_email and not email:
        return _page(wanted=wanted)  # from the button of the sign-in page, which asks for no address
    try:
        return lead_to(practice_id, email=email, wanted=wanted)
    except NoSingleSignOn:
        return _page(wanted=wanted, email=email, fault=_NO_PROVIDER), HTTPStatus.UNPROCESSABLE_ENTITY
    except SignInRefused as refusal:
        return _page(wanted=wanted, email=email, fault=refusal.message), refusal.http_status


def _page(*, wanted: str, email: str = "", fault: str | None = None) -> str:
    with app_context().sessions() as db:
        asks_email = len(own_practice.with_single_sign_on(db)) > 1
    return render_template("account/single_sign_on.html", next=wanted, email=email, fault=fault, asks_email=asks_email)


@blueprint.post("/again")
def sign_in_again() -> Page:
    """Lead a signed-in user to the identity provider again, and then back to a page that needs verification."""
    actor, wanted = signed_in_actor(), request.form.get("next", "")
    if actor is None:
        raise auth.SignInRequired
    try:
        return lead_to_again(actor, wanted=wanted)
    except SignInRefused as refusal:
        return _page(wanted=wanted, fault=refusal.message), refusal.http_status


@blueprint.get("/callback")
@limit_failed_sign_ins(lambda: request.args.get("state", ""))
def callback() -> Page:
    """Take the identity provider's answer: sign in, or verify a signed-in user."""
    left: dict[str, Any] = session.pop(LEAVING, {})
    asked = None
    try:
        asked = _take(left)
        identity = _fetch_identity(asked)
        finish = _verified if asked.user_id else _signed_in
        return finish(asked, identity, left.get("next"))
    except SignInRefused as refusal:
        if asked is not None:
            with transaction(app_context().sessions) as db:
                sign_in.record_refusal(db, asked.practice_id, refusal, now=now(), address=client_address())
            if asked.form and signed_in_actor():
                return ask_again(asked.form, refusal.message), refusal.http_status
        return _page(wanted=left.get("next") or "", fault=refusal.message), refusal.http_status


def _take(left: dict[str, Any]) -> SignInRequest:
    """Return what was stored when this browser left. Raise `SignInStale`."""
    state = request.args.get("state", "")
    if not state or state != left.get("state"):
        raise SignInStale
    with transaction(app_context().sessions) as db:
        asked = attempts.take(db, state, now=now())
    g.practice_id = asked.practice_id  # whose rows this request may see
    return asked


def _fetch_identity(asked: SignInRequest) -> Identity:
    """Return who signed in. Raise `SignInRefused`."""
    with app_context().sessions() as db:
        found = _settings(db, asked)
        db.expunge(found)  # no connection is held while the provider is asked
    if request.args.get("iss", found.issuer) != found.issuer:
        raise BadIdToken("The answer comes from a different identity provider. Begin again.")
    if "code" not in request.args:
        error = request.args.get("error", "")[:_ERROR_CHARACTERS_MAX]
        said = f" ({error})" if error.replace("_", "").isalnum() else ""
        raise SignInRefused(f"The identity provider did not sign you in{said}. Try again, or ask its administrator.")
    return id_token.fetch(found, asked, request.args["code"], web=web_client(), now=now())


def _settings(db: Any, asked: SignInRequest) -> SingleSignOn:
    try:
        return settings.find_active(db, asked.practice_id)
    except NoSingleSignOn:
        raise SignInStale from None  # an administrator turned it off meanwhile


def _signed_in(asked: SignInRequest, identity: Identity, wanted: str | None) -> Page:
    with transaction(app_context().sessions) as db:
        found = _settings(db, asked)
        user = sign_in.sign_in(db, found, identity, now=now())
        counts = sign_in.counts_as_factor(found, identity)
        if second_factor.find(db, user.id) and not counts:
            session[SIGNING_IN] = {
                "user_id": user.id, "practice_id": user.practice_id, "email": user.email, "at": now().timestamp(),
                "next": wanted, "from_provider": True,
            }  # fmt: skip
            return redirect(url_for("sign_in_code.show"), code=HTTPStatus.SEE_OTHER)
        actor = users.record_sign_in(db, user, now=now(), identity_provider=True)
        # A session that was open there signs users in without a question, which verifies no user now.
        at = None if identity.signed_in_at is None else min(identity.signed_in_at, now())
        token = auth.start_session_for(db, actor, identity_factor=counts, id_token=identity.id_token, verified_at=at)
    return auth.signed_in_response(token, wanted)


def _verified(asked: SignInRequest, identity: Identity, wanted: str | None) -> Page:
    actor, token = signed_in_actor(), session_token()
    if actor is None or token is None or actor.user_id != asked.user_id:
        raise OtherUser
    with transaction(app_context().sessions) as db:
        sign_in.verify(db, _settings(db, asked), asked, identity)
        user_sessions.verify(db, token, now())
    form = asked.form
    if form is None:
        return redirect(safe_next(wanted), code=HTTPStatus.SEE_OTHER)
    return render_template(
        "account/verified.html", path=safe_next(form["path"]), fields=form["fields"], back=safe_next(form["back"])
    )  # fmt: skip


@blueprint.errorhandler(HTTPStatus.TOO_MANY_REQUESTS)
def _too_many(error: HTTPException) -> tuple[str, int]:
    return _page(wanted="", fault=error.description), HTTPStatus.TOO_MANY_REQUESTS
