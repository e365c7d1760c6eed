"""Users, their sessions and tokens, and the audit log."""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, Cents, GeneratedId, OfPractice, PracticeId, Str, Timestamp, UserId, enum_column
from core.enums.people import Role
from core.money import UNLIMITED


class User(Base):
    """A user of one practice. The e-mail address is unique across practices."""

    __tablename__ = "app_user"
    __table_args__ = (
        UniqueConstraint("email", name="email_is_unique_everywhere"),
        CheckConstraint("email = lower(email)", name="email_is_lower_case"),
        CheckConstraint("claim_limit_cents >= 0 AND job_limit_cents >= 0", name="user_limits_not_negative"),
    )

    id: Mapped[GeneratedId]
    practice_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("practice.id"))
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(enum_column(Role, "role_known"))
    password_hash: Mapped[str]  # argon2id
    # An administrator or a command gave it, so it works only once, to choose another.
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    active: Mapped[bool] = mapped_column(default=True)
    # What this user may write off without approval, besides the practice's own limits.
    claim_limit_cents: Mapped[Cents] = mapped_column(default=UNLIMITED, server_default=str(UNLIMITED))
    job_limit_cents: Mapped[Cents] = mapped_column(default=UNLIMITED, server_default=str(UNLIMITED))
    created_at: Mapped[Timestamp]
    # What passkeys know the user by. It is random, because an authenticator may show it to others.
    passkey_handle: Mapped[uuid.UUID] = mapped_column(server_default=text("gen_random_uuid()"))


class PasswordLink(Base):
    """A link that sets a user's password, once. The address holds the token, this row only its hash."""

    __table_args__ = (
        UniqueConstraint("token_hash", name="password_link_is_unique"),
        Index("ix_password_link_user", "user_id"),
    )

    id: Mapped[GeneratedId]
    user_id: Mapped[UserId]
    token_hash: Mapped[bytes | None]  # SHA-256; None until its e-mail is sent
    created_at: Mapped[Timestamp]
    expires_at: Mapped[Timestamp]


class UserSession(Base):
    """A signed-in browser. The cookie holds the token, this row only its hash."""

    __table_args__ = (UniqueConstraint("id", name="session_id_is_unique"),)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)  # SHA-256
    id: Mapped[int] = mapped_column(BigInteger, Identity())  # names it in the user's list of sessions
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("app_user.id"))
    created_at: Mapped[Timestamp]
    seen_at: Mapped[Timestamp]
    browser: Mapped[str] = mapped_column(server_default="")  # its family, such as "Firefox on Windows"
    address: Mapped[str] = mapped_column(server_default="")  # its network, such as 203.0.113.x
    verified_at: Mapped[dt.datetime | None]  # the last code or passkey, or password of a user without either
    # With single sign-on: whether the sign-in counts as a second factor, and the ID token for signing out there.
    identity_factor: Mapped[bool | None]
    id_token: Mapped[str | None]


class SecondFactor(Base):
    """A user's second factor: an authenticator app, passkeys or both. Without either, the row is deleted."""

    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["app_user.id"]),
        CheckConstraint(
            "(secret IS NULL) = (added_at IS NULL) AND (secret IS NULL) = (used_step IS NULL)", name="an_app_is_whole"
        ),
    )

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # Of the authenticator app, which shares the secret (base32) with the server. Each of its codes works once.
    secret: Mapped[str | None]  # sealed (`core.access.sealed`), not a hash, because the server computes codes with it
    added_at: Mapped[dt.datetime | None]
    # The 30-second step of the last code. Codes of this step and before no longer work.
    used_step: Mapped[int | None] = mapped_column(BigInteger)
    # Wrong codes and refused passkeys. All web processes count together.
    failures: Mapped[BigInt] = mapped_column(default=0, server_default="0")
    failing_since: Mapped[dt.datetime | None]


class Passkey(Base):
    """A key pair that a device of the user holds. The server knows only the public key."""

    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["second_factor.user_id"], ondelete="CASCADE"),
        UniqueConstraint("credential_id", name="passkey_is_unique"),
        Index("ix_passkey_user", "user_id"),
    )

    id: Mapped[GeneratedId]
    user_id: Mapped[BigInt]
    name: Mapped[Str]  # that the user gave it
    credential_id: Mapped[bytes]  # that the authenticator gave it
    public_key: Mapped[bytes]  # COSE
    sign_count: Mapped[BigInt]  # of the last use; many authenticators always send 0
    transports: Mapped[list[str]]  # how browsers reach it, such as "usb" or "internal"
    added_at: Mapped[Timestamp]
    used_at: Mapped[dt.datetime | None]


class PasskeyChallenge(Base):
    """A random value that the next answer of one of the user's passkeys must sign. An answer deletes the row."""

    __table_args__ = (Index("ix_passkey_challenge_user", "user_id"),)

    challenge: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[UserId]
    made_at: Mapped[Timestamp]


class RecoveryCode(Base):
    """A code that signs the user in once without the app or a passkey. Using it deletes the row."""

    __table_args__ = (ForeignKeyConstraint(["user_id"], ["second_factor.user_id"], ondelete="CASCADE"),)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)  # SHA-256


class ApiToken(Base):
    """A token for the HTTP API that acts as its user. It is shown once and stored as a hash."""

    __table_args__ = (UniqueConstraint("token_hash", name="token_is_unique"),)

    id: Mapped[GeneratedId]
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("app_user.id"))
    token_hash: Mapped[bytes]  # SHA-256
    name: Mapped[str] = mapped_column(server_default="")
    scopes: Mapped[list[str]] = mapped_column(server_default='["read", "post", "confirm", "manage"]')
    created_at: Mapped[Timestamp]
    expires_at: Mapped[dt.datetime | None]  # None: created by an earlier version
    used_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]


class SavedFilter(Base):
    """A named feed filter of the version before. Views replaced it, and a later migration drops the table."""

    __table_args__ = (UniqueConstraint("practice_id", "name", name="saved_filter_name_is_unique"),)

    id: Mapped[GeneratedId]
    practice_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("practice.id"))
    name: Mapped[str]
    query: Mapped[str]  # as in the feed's URL
    created_by: Mapped[BigInt]
    created_at: Mapped[Timestamp]


class AuditEntry(Base):
    """One action by a user (or the system), written in the action's own transaction. Append-only."""

    __table_args__ = (
        Index("ix_audit_entry_at", "practice_id", "at"),
        Index("ix_audit_entry_subject", "practice_id", "subject"),
        Index("ix_audit_entry_user", "practice_id", "user_id"),
        Index(
            "one_view_for_each_user_claim_and_hour", "practice_id", "user_id", "subject",
            text("date_bin('01:00:00', at, '2000-01-01 00:00:00+00')"), unique=True,
            postgresql_where=text("act = 'claim.viewed'"),
        ),
    )  # fmt: skip

    practice_id: Mapped[OfPractice]
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[Timestamp]
    user_id: Mapped[int | None] = mapped_column(BigInteger)  # None for the system
    act: Mapped[str]  # for example job.confirmed
    subject: Mapped[str]  # for example job:1042 or claim:184146026
    facts: Mapped[dict[str, Any]]  # ids, codes and counts; never a person's name or a note


class AuditLink(Base):
    """One link of a practice's audit chain. Its digest covers the previous digest. A trigger writes it at commit."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "entry_id"], ["audit_entry.practice_id", "audit_entry.id"]),
        UniqueConstraint("practice_id", "entry_id", name="an_entry_is_chained_once"),
    )

    practice_id: Mapped[PracticeId]
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # from 1, without gaps
    entry_id: Mapped[BigInt]
    digest: Mapped[str]  # SHA-256, hexadecimal, of the previous digest, the entry and the two columns below
    # If the entry's transaction posted: its id, and a SHA-256 of its digests (`core.models.ledger.PostingDigest`).
    transaction_id: Mapped[str | None]
    postings_sha256: Mapped[str | None]


class TimeStamp(Base):
    """What a time-stamping authority (RFC 3161) answered about a link of the chain. The time is in the answer."""

    __table_args__ = (UniqueConstraint("practice_id", "number", "digest", name="a_link_is_stamped_once"),)

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    number: Mapped[BigInt]
    digest: Mapped[str]
    answer: Mapped[bytes | None]  # not yet, or the authority was away for three days


class AuditHead(Base):
    """The end of a practice's audit chain. Its row is locked last, just before the commit."""

    practice_id: Mapped[OfPractice]
    number: Mapped[BigInt]
    digest: Mapped[str]
