"""What a newcomer finds: a practice with claims, and somebody to sign in as."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, exists, select

from core.access import users
from core.access.models import Role
from core.db.engine import make_sessions, transaction
from core.intake.sample import make_sample
from core.local.kept import kept_secret
from core.practices.models import Practice

PRACTICE: Final = "Lakeside Family Medicine"
CLAIMS: Final = 5_000
DEMO_EMAIL: Final = "demo@lakeside.example"
_PASSWORD: Final = "demo_password"  # the file's name


@dataclass(frozen=True)
class SignIn:
    """How to sign in as the demo user."""

    email: str
    password: str


def make_if_empty(engine: Engine, data_dir: Path, *, now: dt.datetime, say: Callable[[str], None]) -> None:
    """Make the practice and its demo user, unless the database has any practice."""
    sessions = make_sessions(engine)
    with transaction(sessions) as session:
        if session.scalar(select(exists().where(Practice.id.is_not(None)))):
            return
    say(f"Making the sample practice {PRACTICE} with {CLAIMS:,} claims …")
    make_sample(engine, practice_name=PRACTICE, claims=CLAIMS, seed=1)
    with transaction(sessions) as session:
        users.add_user(
            session,
            practice_id=session.scalars(select(Practice.id).where(Practice.name == PRACTICE)).one(),
            email=DEMO_EMAIL,
            name="Demo User",
            role=Role.ADMIN,
            password=kept_secret(data_dir, _PASSWORD, make=users.make_password),
            now=now,
        )


def sign_in(engine: Engine, data_dir: Path) -> SignIn | None:
    """How to sign in as the demo user; None where this folder's demo user is not in this database."""
    with transaction(make_sessions(engine)) as session:
        known = users.find_by_email(session, DEMO_EMAIL) is not None
    if not known or not (data_dir / _PASSWORD).exists():
        return None
    return SignIn(DEMO_EMAIL, kept_secret(data_dir, _PASSWORD))
