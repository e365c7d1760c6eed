"""The users of the practice: roles, limits, deactivation."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from core.access import password_links, password_sign_in, second_factor, user_management, users
from core.access.password_links import NewLink
from core.access.permissions import Action
from core.access.user_management import NotIndependent, OwnAccount
from core.access.users import EmailTaken
from core.audit import sentences
from core.db.bounds import BIGINT_MAX
from core.enums.people import Role
from core.errors import BadInput
from core.models.people import User
from webui.practice.limits import LIMITS_SAVED, parse_limits
from webui.shared import acts
from webui.shared.app_context import absolute_url, app_context, now
from webui.shared.auth import Pages, current_actor

ROLE_DESCRIPTIONS = {
    Role.BILLER: "imports claims; previews, confirms and controls jobs; posts payments; and places holds",
    Role.APPROVER: "approves other users’ jobs over a limit, and reverses jobs",
    Role.ADMIN: (
        "everything a biller and an approver can do, plus settings, schedules, exclusions, month-end close and users"
    ),
    Role.OPS: "Operations page only; no patient data",
}

blueprint = Pages("users", __name__, url_prefix="/users")
USER_ID_RULE = f"<int(max={BIGINT_MAX}):user_id>"


class UnknownRole(BadInput):
    """Choose a role."""


@blueprint.get("", needs=Action.MANAGE_USERS)
def index() -> str:
    """List all users with role and limits, and show a form to add one."""
    return _index()


def _index(*, faults: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> str:
    with app_context().sessions() as db:
        found = user_management.list_users(db, current_actor())
        with_factor = second_factor.users_with(db, [user.id for user in found])
    return render_template(
        "users/index.html",
        people=found,
        with_factor=with_factor,
        roles=list(Role),
        means=ROLE_DESCRIPTIONS,
        faults=faults or {},
        typed=typed or {},
    )


@blueprint.post("", needs=Action.MANAGE_USERS)
def add() -> tuple[str, int]:
    """Add a user, and show once the link with which the user sets a password."""
    typed = request.form
    limits, of_limits = parse_limits(typed)
    faults = {**_faults(typed), **of_limits}
    if faults:
        return _index(faults=faults, typed=typed), HTTPStatus.UNPROCESSABLE_ENTITY
    try:
        new = {"email": typed["email"], "name": typed["name"], "role": _role(typed["role"])}
        person, link = acts.run(user_management.add, **new, **limits, by_mail=app_context().settings.mails_links)
    except EmailTaken as fault:
        return _index(faults={"email": fault.message}, typed=typed), fault.http_status
    return _link_page("users/added.html", person, link), HTTPStatus.CREATED


def _link_page(template: str, person: User, link: NewLink) -> str:
    # Not a redirect, because the link is only in this response.
    with app_context().sessions() as db:
        passwords_off = password_sign_in.is_off(db, person.practice_id)
        control = user_management.control_of(db, person, now=now())
    url = absolute_url(password_links.path(link.token))
    return render_template(
        template, person=person, link=link, link_url=url, passwords_off=passwords_off, control=control
    )


@blueprint.get(f"/{USER_ID_RULE}", needs=Action.MANAGE_USERS)
def show(user_id: int) -> str:
    """Show one user."""
    return _page(user_id)


def _page(user_id: int, *, faults: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> str:
    with app_context().sessions() as db:
        person = user_management.find(db, user_id, by=current_actor())
        control = user_management.control_of(db, person, now=now())
        changes = user_management.list_sign_in_changes(db, person)
        browsers, tokens = user_management.count_sessions_and_tokens(db, person, now())
        has_factor = second_factor.find(db, user_id) is not None
        has_identity = user_management.has_identity(db, person)
        administrators = [
            one for one in user_management.list_users(db, current_actor()) if one.active and one.role is Role.ADMIN
        ]
    return render_template(
        "users/show.html",
        person=person,
        control=control,
        sign_in_changes=[(sentences.sentence(one.act, one.subject, names={}), one.at) for one in changes],
        browsers=browsers,
        tokens=tokens,
        has_factor=has_factor,
        has_identity=has_identity,
        is_own=person.id == current_actor().user_id,
        is_only_administrator=len(administrators) == 1,
        roles=list(Role),
        means=ROLE_DESCRIPTIONS,
        faults=faults or {},
        typed=typed or {},
    )


@blueprint.post(f"/{USER_ID_RULE}/role", needs=Action.MANAGE_USERS)
def change_role(user_id: int) -> Response:
    """Change the user's role."""
    role = _role(request.form.get("role"))
    return _run_command(
        user_management.change_role, user_id, role, message="Role saved. It takes effect on the user’s next click."
    )


@blueprint.post(f"/{USER_ID_RULE}/limits", needs=Action.MANAGE_USERS)
def set_limits(user_id: int) -> Response | tuple[str, int]:
    """Set what this user may write off without approval on one claim and in one job."""
    cents, faults = parse_limits(request.form)
    if faults:
        return _page(user_id, faults=faults, typed=request.form), HTTPStatus.UNPROCESSABLE_ENTITY
    return _run_command(user_management.set_limits, user_id, message=LIMITS_SAVED, **cents)


@blueprint.post(f"/{USER_ID_RULE}/password-link", needs=Action.MANAGE_USERS)
def make_password_link(user_id: int) -> str | Response:
    """Make a link with which the user sets a new password, and show it once."""
    try:
        person, link = acts.run(user_management.make_password_link, user_id, by_mail=app_context().settings.mails_links)
    except OwnAccount:
        return acts.redirect_to("account.show")  # where users change their own password
    return _link_page("users/password_link.html", person, link)


@blueprint.post(f"/{USER_ID_RULE}/sessions/end", needs=Action.MANAGE_USERS)
def end_sessions(user_id: int) -> Response:
    """Sign the user out of all browsers."""
    return _run_command(user_management.end_sessions, user_id, message="User signed out of all browsers.")


@blueprint.post(f"/{USER_ID_RULE}/second-factor/reset", needs=Action.MANAGE_USERS)
def reset_factor(user_id: int) -> Response:
    """Remove the second factor of a user who lost it."""
    return _run_command(
        user_management.reset_factor, user_id, message="Second factor reset. The user is signed out everywhere."
    )


@blueprint.post(f"/{USER_ID_RULE}/identity/unlink", needs=Action.MANAGE_USERS)
def unlink_identity(user_id: int) -> Response:
    """Unlink the user from the identity provider."""
    words = "User unlinked and signed out everywhere. The next single sign-on links the account again."
    return _run_command(user_management.unlink_identity, user_id, message=words)


@blueprint.post(f"/{USER_ID_RULE}/deactivate", needs=Action.MANAGE_USERS)
def deactivate(user_id: int) -> Response:
    """Deactivate the user."""
    return _run_command(
        user_management.deactivate,
        user_id,
        message="User deactivated and signed out everywhere. All API tokens were revoked.",
    )


@blueprint.post(f"/{USER_ID_RULE}/reactivate", needs=Action.MANAGE_USERS)
def reactivate(user_id: int) -> Response:
    """Reactivate the user."""
    return _run_command(
        user_management.reactivate,
        user_id,
        message="User reactivated. They can sign in again; API tokens stay revoked.",
    )


@blueprint.post(f"/{USER_ID_RULE}/vouch", needs=Action.MANAGE_USERS)
def vouch(user_id: int) -> Response:
    """Vouch for the account."""
    return _run_command(
        user_management.vouch,
        user_id,
        message="You vouched for this account. Its browser sessions, API tokens and password link have ended.",
    )


def _run_command(act: Callable[..., User], user_id: int, *given: Any, message: str, **more: Any) -> Response:
    try:
        acts.run(act, user_id, *given, **more)
    except (NotIndependent, OwnAccount) as refusal:
        flash(refusal.message, "warn")
    else:
        flash(message, "good")
    return redirect(url_for("users.show", user_id=user_id), code=HTTPStatus.SEE_OTHER)


def _faults(typed: Mapping[str, str]) -> dict[str, str]:
    """Return all faults by field."""
    faults = {}
    for field, read in (("name", users.checked_name), ("email", users.checked_email), ("role", _role)):
        try:
            read(typed.get(field, ""))
        except BadInput as fault:
            faults[field] = fault.message
    return faults


def _role(text: str | None) -> Role:
    if text not in set(Role):
        raise UnknownRole
    return Role(text)
