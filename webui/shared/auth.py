"""Sign-in, sign-out, and the current user."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from flask import (
    Blueprint,
    Flask,
    Response,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException
from werkzeug.local import LocalProxy
from werkzeug.wrappers import Response as BaseResponse

from core.access import own_practice, password_links, user_sessions, users
from core.access.password_sign_in import PasswordSignInOff
from core.access.permissions import Action, Actor
from core.access.second_factor import CodeNeeded
from core.access.user_sessions import SessionLife
from core.db.engine import transaction
from core.models.people import User
from core.models.practices import Practice
from core.practices import practice_days, practice_queries
from webui.shared import identity_provider
from webui.shared.app_context import app_context, now
from webui.shared.clients import browser_family, client_address, short_address
from webui.shared.failed_sign_ins import limit_failed_sign_ins, limiter, seconds_to_wait
from webui.shared.page_arguments import safe_next
from webui.shared.partials import is_background_request

SESSION_COOKIE: Final = "settle_session"
HOST_PREFIX: Final = "__Host-"  # with HTTPS: a browser takes such a cookie only from this host over HTTPS (RFC 6265bis)
SIGNING_IN: Final = "signing_in"  # in the signed cookie of forms, between the password and the code
EMAIL_TO_SIGN_IN: Final = "email_to_sign_in"  # in the signed cookie of forms, after the user set a password
SET_UP_PAGES: Final = "factor_setup"  # the blueprints of the pages on which users set up a second factor
PASSKEY_SET_UP_PAGES: Final = "passkey_setup"
P = ParamSpec("P")
R = TypeVar("R")

blueprint = Blueprint("auth", __name__)
csrf = CSRFProtect()


class SignInRequired(Exception):
    """No user is signed in."""


class FactorSetUpRequired(Exception):
    """The user must set up a second factor before anything else."""


def register(app: Flask) -> None:
    """Add the pages, and let every page use the signed-in user."""
    limiter.init_app(app)
    app.register_blueprint(blueprint)
    app.register_error_handler(SignInRequired, ask_to_sign_in)
    app.register_error_handler(FactorSetUpRequired, _lead_to_set_up)
    # Queried only when a template uses it, so that an error page needs no database.
    app.context_processor(lambda: {"actor": LocalProxy(signed_in_actor), "practice": LocalProxy(current_practice)})


def on_this_installation(actor: Actor | None) -> Actor | None:
    """Return the user with what this installation lets its users do."""
    return actor and replace(actor, one_machine=app_context().settings.one_machine)


def session_cookie() -> str:
    """Return the name of the cookie with the session's token."""
    return f"{HOST_PREFIX}{SESSION_COOKIE}" if app_context().settings.https_only else SESSION_COOKIE


def session_token() -> str | None:
    """Return the token of the browser's session, or None."""
    return request.cookies.get(session_cookie())


def session_life() -> SessionLife:
    """Return how long sessions last on this installation."""
    settings = app_context().settings
    return SessionLife(settings.session_idle_minutes, settings.session_hours)


def signed_in_actor() -> Actor | None:
    """Return the signed-in user, or None."""
    if "actor" not in g:
        token = session_token()
        g.actor = None
        if token:
            with transaction(app_context().sessions) as db:
                touch = not is_background_request()
                g.actor = on_this_installation(user_sessions.find_actor(db, token, now(), session_life(), touch=touch))
            g.practice_id = g.actor and g.actor.practice_id
    actor: Actor | None = g.actor
    return actor


def current_actor() -> Actor:
    """Return the signed-in user. Raise `SignInRequired`, and `FactorSetUpRequired` except on the pages that do it."""
    actor = signed_in_actor()
    if actor is None:
        raise SignInRequired
    if actor.must_add_factor and request.blueprint not in {SET_UP_PAGES, PASSKEY_SET_UP_PAGES, identity_provider.PAGES}:
        raise FactorSetUpRequired
    return actor


def own_email() -> str:
    """Return the e-mail address of the signed-in user, by which failed attempts are counted."""
    actor = signed_in_actor()
    return actor.email if actor else ""


def current_practice() -> Practice:
    """Return the practice of the signed-in user."""
    if "practice" not in g:
        with app_context().sessions() as db:
            g.practice = practice_queries.find(db, current_actor().practice_id)
    practice: Practice = g.practice
    return practice


def current_day() -> dt.date:
    """Return the date in the time zone of the user's practice."""
    return practice_days.today(current_practice(), now=now())


def requires(action: Action) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only a signed-in user whose role allows `action` call the view. Send others to sign-in or refuse."""

    def wrap(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            current_actor().require(action)
            return view(*args, **kwargs)

        return guarded

    return wrap


class Pages(Blueprint):
    """A blueprint whose views say which action the user's role must allow."""

    def route(  # type: ignore[override]  # no view may leave out what it needs
        self, rule: str, *, needs: Action | None, **options: Any
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Add a view. `get` and `post` call this with their method. If `needs` is None, the view checks its caller."""
        add: Callable[[Any], Any] = super().route(rule, **options)
        return add if needs is None else lambda view: add(requires(needs)(view))

    if TYPE_CHECKING:
        get = post = route  # type: ignore[assignment]


@blueprint.get("/sign-in")
def sign_in() -> BaseResponse | str:
    """Show the sign-in page. A signed-in user is redirected."""
    if signed_in_actor():
        return redirect(safe_next(request.args.get("next")))
    signed_out = "signed_out" in request.args or request.args.get("state") == identity_provider.SIGNED_OUT
    shown = {"ended": "ended" in request.args, "signed_out": signed_out, "email": session.pop(EMAIL_TO_SIGN_IN, "")}
    return sign_in_page(request.args.get("next", ""), **shown)


def sign_in_page(wanted: str, **shown: Any) -> str:
    """Return the sign-in page. After the sign-in, it leads to the page `wanted`."""
    with app_context().sessions() as db:
        has_single_sign_on = identity_provider.has_any(db)
        # Without a form, only the command `settle single-sign-on passwords-on` lets passwords sign in again.
        has_form = not has_single_sign_on or own_practice.passwords_sign_in(db)
    return render_template(
        "signin.html", next=wanted, has_single_sign_on=has_single_sign_on, has_form=has_form, **shown
    )


@blueprint.post("/sign-in")
@limit_failed_sign_ins(lambda: request.form.get("email", ""))
def start_session() -> BaseResponse | tuple[str, int]:
    """Check the password, set the cookie, and redirect to the requested page."""
    email = request.form.get("email", "")
    try:
        with transaction(app_context().sessions) as db:
            password = request.form.get("password", "")
            actor = users.sign_in(db, email=email, password=password, now=now(), address=client_address())
            token = start_session_for(db, actor)
    except (users.SignInFailed, PasswordSignInOff) as refusal:
        return sign_in_page(request.form.get("next", ""), email=email, fault=refusal.message), refusal.http_status
    except users.PasswordChangeNeeded:
        return _ask_for_own_password(email)
    except CodeNeeded as refusal:
        return _ask_for_code(refusal.user)
    return signed_in_response(token, request.form.get("next"))


def signed_in_response(token: str, wanted: str | None) -> BaseResponse:
    """Set the cookie, and redirect to the page that the user wanted."""
    session.clear()  # a form token from before the sign-in is no longer valid
    response = redirect(safe_next(wanted))
    response.set_cookie(
        session_cookie(), token, httponly=True, samesite="Lax", secure=app_context().settings.https_only, path="/"
    )
    return response


def start_session_for(db: Session, actor: Actor, *, identity_factor: bool | None = None, **from_provider: Any) -> str:
    """Start a session in this browser, and return its token. The rest is known after single sign-on."""
    return user_sessions.start(
        db, actor, now(), browser=browser_family(), address=short_address(), replaces=session_token(),
        identity_factor=identity_factor, **from_provider,
    )  # fmt: skip


def _ask_for_own_password(email: str) -> BaseResponse:
    """Redirect a user who signed in with a password that was given to the page that sets their own."""
    with transaction(app_context().sessions) as db:
        token = password_links.for_given_password(db, email, now=now())
    return redirect(url_for("passwords.show", token=token, given=1), code=HTTPStatus.SEE_OTHER)


def _ask_for_code(user: User) -> BaseResponse:
    """Redirect a user whose password was right to the page that asks for a code."""
    # In the signed cookie, because there is no session yet.
    session[SIGNING_IN] = {
        "user_id": user.id, "practice_id": user.practice_id, "email": user.email, "at": now().timestamp(),
        "next": request.form.get("next"),
    }  # fmt: skip
    return redirect(url_for("sign_in_code.show"), code=HTTPStatus.SEE_OTHER)


def _lead_to_set_up(_: FactorSetUpRequired) -> BaseResponse:
    to = url_for(f"{SET_UP_PAGES}.show")
    return _redirect_whole_page(to) if _asks_for_part() else redirect(to)


@blueprint.post("/sign-out")
def sign_out() -> BaseResponse:
    """End the session in the database and in the browser."""
    token = session_token()
    at_provider = None
    if token:
        at_provider = identity_provider.sign_out_address(token)
        with transaction(app_context().sessions) as db:
            user_sessions.end(db, token, now())
    g.actor = None
    response: BaseResponse = redirect(url_for("auth.sign_in", signed_out=1))
    if at_provider:
        response = make_response(render_template("account/leaving.html", address=at_provider, signing_out=True))
    response.delete_cookie(session_cookie(), path="/", secure=app_context().settings.https_only)
    # Selections and scroll positions too. Pages are never cached, and clearing a cache takes browsers seconds.
    response.headers["Clear-Site-Data"] = '"cookies", "storage"'
    return response


@blueprint.errorhandler(HTTPStatus.TOO_MANY_REQUESTS)
def _too_many(error: HTTPException) -> Response:
    form = request.form
    page = sign_in_page(form.get("next", ""), email=form.get("email"), fault=error.description)
    response = make_response(page, HTTPStatus.TOO_MANY_REQUESTS)
    response.headers["Retry-After"] = str(seconds_to_wait())
    return response


def ask_to_sign_in(_: SignInRequired) -> BaseResponse:
    """Redirect to the sign-in page and then back, if a page was requested."""
    if _asks_for_part():
        return _redirect_whole_page(url_for("auth.sign_in", ended="1"))
    return redirect_to_sign_in(request.full_path.rstrip("?") if request.method == "GET" else None)


def _asks_for_part() -> bool:
    return "HX-Request" in request.headers or request.headers.get("Sec-Fetch-Dest") == "empty"


def _redirect_whole_page(to: str) -> BaseResponse:
    """Redirect the page around the part that was requested, because a part cannot show another page."""
    response = Response(status=HTTPStatus.UNAUTHORIZED)
    response.headers["HX-Redirect"] = to
    return response


def redirect_to_sign_in(wanted: str | None) -> BaseResponse:
    """Redirect to the sign-in page, which gives the reason, and from there to `wanted`."""
    was_signed_in = request.method == "POST" or session_token() is not None
    return redirect(url_for("auth.sign_in", next=wanted, ended="1" if was_signed_in else None))
