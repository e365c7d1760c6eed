"""Whether a password signs a user in. A practice with single sign-on can turn this off."""

from http import HTTPStatus

from sqlalchemy import false, select
from sqlalchemy.orm import Session

from core.errors import Refusal
from core.models.people import User
from core.models.single_sign_on import SingleSignOn


class PasswordSignInOff(Refusal):
    """Your practice signs in with single sign-on, so this password signs in nowhere. Choose "Single sign-on"."""

    http_status = HTTPStatus.FORBIDDEN


def is_off(session: Session, practice_id: int) -> bool:
    """Return whether users of the practice sign in only through its identity provider."""
    of_practice = select(SingleSignOn.practice_id).where(SingleSignOn.practice_id == practice_id)
    return session.scalar(of_practice.where(SingleSignOn.password_sign_in == false())) is not None


def require(session: Session, user: User) -> None:
    """Raise `PasswordSignInOff` if the user's practice turned passwords off."""
    if is_off(session, user.practice_id):
        raise PasswordSignInOff
