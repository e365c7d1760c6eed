"""Your account: change your own password, and see your second factor, sessions and tokens."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from flask import Blueprint, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from core.access import own_password, passkeys, second_factor, tokens, user_sessions
from core.access.passwords import BadPassword
from core.access.permissions import SCOPE_WORDS
from core.access.users import WrongPassword
from core.counting import counted
from core.db.bounds import BIGINT_MAX
from core.models.people import User
from webui.account.password_pages import new_password_faults
from webui.shared import acts
from webui.shared.app_context import app_context, now
from webui.shared.auth import current_actor, own_email, session_life, session_token
from webui.shared.failed_sign_ins import limit_failed_sign_ins

blueprint = Blueprint("account", __name__, url_prefix="/account")
_ID_RULE: Final = f"<int(max={BIGINT_MAX}):session_id>"


@blueprint.get("")
def show() -> str:
    """Show the user's own account."""
    return account_page()


def account_page(*, faults: Mapping[str, str] | None = None, typed: MultiDict[str, str] | None = None) -> str:
    """Return the page, with the faults of a form and what was typed into it."""
    person, token = current_actor(), session_token()
    with app_context().sessions() as db:
        found = user_sessions.list_open(db, person.user_id, now(), session_life())
        own_tokens = tokens.list_own(db, person, now())
        factor = {
            "factor": second_factor.find(db, person.user_id),
            "passkeys": passkeys.list_of(db, person.user_id),
            "codes_left": second_factor.count_recovery_codes(db, person.user_id),
            "factor_required": second_factor.is_required(db, db.get_one(User, person.user_id)),
        }
    return render_template(
        "account/show.html",
        person=person,
        browsers=[(one, user_sessions.is_of_token(one, token)) for one in found],
        life=session_life(),
        tokens=own_tokens,
        token_count=len(own_tokens),
        **factor,
        scopes=SCOPE_WORDS,
        days_default=tokens.DAYS_DEFAULT,
        typed=typed,
        faults=faults or {},
    )


@blueprint.post("/password")
@limit_failed_sign_ins(own_email)
def change_password() -> Response | tuple[str, int]:
    """Change the password, sign out the user's other browsers, and revoke their tokens unless they keep them."""
    current_actor()
    given = {"old": request.form.get("password", ""), "new": request.form.get("new_password", "")}
    if faults := new_password_faults():
        if not given["old"]:
            faults |= {"password": "Enter your current password."}
        return account_page(faults=faults), HTTPStatus.UNPROCESSABLE_ENTITY
    try:
        kept = {"keep_tokens": "keep_tokens" in request.form, "this_session": session_token()}
        revoked: int = acts.run(own_password.change, **given, **kept)
    except WrongPassword as refusal:
        return account_page(faults={"password": refusal.message}), refusal.http_status
    except BadPassword as refusal:
        return account_page(faults={"new_password": refusal.message}), refusal.http_status
    ended = f" {counted(revoked, 'API token')} revoked." if revoked else ""
    return acts.redirect_with(f"Password changed. Your other browsers are signed out.{ended}", "account.show")


@blueprint.post(f"/sessions/{_ID_RULE}/end")
def end_session(session_id: int) -> Response:
    """Sign out one of the user's browsers."""
    acts.run(user_sessions.end_one, session_id)
    return acts.redirect_with("The browser is signed out.", "account.show")


@blueprint.post("/sessions/end-others")
def end_other_sessions() -> Response:
    """Sign out all of the user's browsers but this one."""
    ended: int = acts.run(user_sessions.end_others, but=session_token())
    return acts.redirect_with(f"{counted(ended, 'other browser')} signed out.", "account.show")
