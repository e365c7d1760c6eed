"""A demo practice with claims, and a demo user."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, exists, select

from core.access import passwords, users
from core.db.engine import make_sessions, transaction
from core.enums.people import Role
from core.intake.sample.make_sample import make_sample
from core.local.saved_secret import load_or_create_secret
from core.models.people import User
from core.models.practices import Practice

PRACTICE: Final = "Lakeside Family Medicine"
CLAIMS: Final = 5_000
DEMO_EMAIL: Final = "demo@lakeside.example"
_PASSWORD: Final = "demo_password"  # noqa: S105 – the name of its file


@dataclass(frozen=True)
class SignIn:
    """How to sign in as the demo user."""

    email: str
    password: str


def create_if_empty(engine: Engine, data_dir: Path, *, now: dt.datetime, say: Callable[[str], None]) -> None:
    """Create the demo practice unless the database has a practice, and its demo user unless it has users."""
    if not _has_rows(engine, Practice):
        say(f"Creating the sample practice {PRACTICE} with {CLAIMS:,} claims …")
        make_sample(engine, practice_name=PRACTICE, claims=CLAIMS, seed=1, now=now)
    if not _has_rows(engine, User):
        _add_demo_user(engine, data_dir, now=now)


def _has_rows(engine: Engine, table: type[Practice | User]) -> bool:
    with transaction(make_sessions(engine)) as session:
        return bool(session.scalar(select(exists().where(table.id.is_not(None)))))


def _add_demo_user(engine: Engine, data_dir: Path, *, now: dt.datetime) -> None:
    with transaction(make_sessions(engine)) as session:
        practice_id = session.scalar(select(Practice.id).where(Practice.name == PRACTICE))
        if practice_id is not None:
            users.add_user(
                session,
                practice_id=practice_id,
                email=DEMO_EMAIL,
                name="Demo User",
                role=Role.ADMIN,
                password=load_or_create_secret(data_dir, _PASSWORD, make=passwords.generate_password),
                now=now,
            )


def find_sign_in(engine: Engine, data_dir: Path) -> SignIn | None:
    """Return the demo user's sign-in, or None if this folder's demo user is not in this database."""
    with transaction(make_sessions(engine)) as session:
        known = users.find_by_email(session, DEMO_EMAIL) is not None
    if not known or not (data_dir / _PASSWORD).exists():
        return None
    return SignIn(DEMO_EMAIL, load_or_create_secret(data_dir, _PASSWORD))
