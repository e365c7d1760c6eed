"""Single sign-on: a practice's identity provider, the users it signs in, and sign-ins in progress."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, OfPractice, PracticeId, Str, Timestamp, enum_column
from core.enums.people import Role


class SingleSignOn(Base):
    """A practice's identity provider, and what its sign-ins may do."""

    __table_args__ = (CheckConstraint("active OR password_sign_in", name="users_can_sign_in"),)

    practice_id: Mapped[OfPractice]
    active: Mapped[bool]
    issuer: Mapped[Str]
    # Who set the issuer, and so decides who signs in as whom. None: a command on the server.
    issuer_set_by: Mapped[int | None] = mapped_column(BigInteger)
    client_id: Mapped[Str]
    client_secret: Mapped[Str]  # sealed (`core.access.sealed`); each token request sends it
    groups_claim: Mapped[Str]
    adds_users: Mapped[bool]  # whether a first sign-in without an account adds one
    asks_second_factor: Mapped[bool]  # whether every sign-in there counts as a second factor
    password_sign_in: Mapped[bool]  # whether a password also signs in


class SignInDomain(Base):
    """A domain of e-mail addresses that belongs to one practice's identity provider."""

    __table_args__ = (ForeignKeyConstraint(["practice_id"], ["single_sign_on.practice_id"], ondelete="CASCADE"),)

    domain: Mapped[str] = mapped_column(primary_key=True)  # lower case
    practice_id: Mapped[BigInt]


class GroupRole(Base):
    """The role that a group of the identity provider gives. The first of a user's groups decides."""

    __table_args__ = (ForeignKeyConstraint(["practice_id"], ["single_sign_on.practice_id"], ondelete="CASCADE"),)

    practice_id: Mapped[PracticeId]
    group_name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    role: Mapped[Role] = mapped_column(enum_column(Role, "group_role_known"))
    set_by: Mapped[int | None] = mapped_column(BigInteger)  # whose act the role counts as. None: a command


class UserIdentity(Base):
    """Who a user is at an identity provider. The subject never changes, unlike an e-mail address."""

    __table_args__ = (UniqueConstraint("user_id", "issuer", name="a_user_has_one_identity_at_each_provider"),)

    practice_id: Mapped[OfPractice]
    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("app_user.id"))
    linked_at: Mapped[Timestamp]


class SignInRequest(Base):
    """A browser that was sent to the identity provider. Its answer deletes the row, so that it works once."""

    __table_args__ = (ForeignKeyConstraint(["practice_id"], ["practice.id"]),)

    state_hash: Mapped[bytes] = mapped_column(
        primary_key=True
    )  # SHA-256 of the state, which the browser's cookie holds
    practice_id: Mapped[BigInt]
    nonce: Mapped[Str]
    code_verifier: Mapped[Str]
    redirect_uri: Mapped[Str]
    created_at: Mapped[Timestamp]
    # To verify a signed-in user again: the user, and the form to send after that.
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("app_user.id"))
    form: Mapped[dict[str, Any] | None]
