"""Browser sessions and API tokens."""

import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.access import tokens, user_sessions
from core.access.permissions import Actor
from core.access.users import actor_for
from core.models.people import ApiToken, User, UserSession
from tests.core.access.conftest import NOW, acts

MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def ann(biller: User) -> Actor:
    return actor_for(biller)


def test_a_session_lasts_as_long_as_the_user_is_active(session: Session, ann: Actor) -> None:
    token = user_sessions.start(session, ann, NOW)

    for minutes in (29, 58, 87):
        assert user_sessions.find_actor(session, token, NOW + minutes * MINUTE, 30) == ann
    assert user_sessions.find_actor(session, token, NOW + (87 + 30) * MINUTE, 30) is None


def test_reading_pages_updates_the_session_at_most_once_a_minute(session: Session, ann: Actor) -> None:
    token = user_sessions.start(session, ann, NOW)
    row = session.query(UserSession).one()

    user_sessions.find_actor(session, token, NOW + dt.timedelta(seconds=59), 30)
    session.refresh(row)
    assert row.seen_at == NOW
    user_sessions.find_actor(session, token, NOW + MINUTE, 30)
    session.refresh(row)
    assert row.seen_at == NOW + MINUTE


def test_ending_a_session_twice_is_audited_once_and_leaves_other_sessions_alone(session: Session, ann: Actor) -> None:
    token = user_sessions.start(session, ann, NOW)
    other = user_sessions.start(session, ann, NOW)

    user_sessions.end(session, token, NOW)
    user_sessions.end(session, token, NOW)

    assert user_sessions.find_actor(session, token, NOW, 30) is None
    assert user_sessions.find_actor(session, other, NOW, 30) == ann
    assert acts(session) == ["user.added", "user.signed_out"]


def test_a_deactivated_user_loses_session_and_token_immediately(session: Session, ann: Actor, biller: User) -> None:
    cookie, token = user_sessions.start(session, ann, NOW), tokens.add_token(session, biller, NOW)
    biller.active = False
    session.flush()

    assert user_sessions.find_actor(session, cookie, NOW, 30) is None
    assert tokens.find_actor_by_token(session, token, NOW) is None


def test_abandoned_sessions_are_deleted_at_a_later_sign_in(session: Session, ann: Actor) -> None:
    user_sessions.start(session, ann, NOW)
    user_sessions.start(session, ann, NOW + dt.timedelta(days=31))

    assert session.query(UserSession).count() == 1


def test_a_token_acts_as_its_user_until_it_is_revoked(session: Session, ann: Actor, biller: User) -> None:
    token = tokens.add_token(session, biller, NOW)

    assert tokens.find_actor_by_token(session, token, NOW) == ann
    number = tokens.revoke(session, token, NOW)
    for revoke_again in (lambda: tokens.revoke(session, token, NOW), lambda: tokens.revoke_by_id(session, number, NOW)):
        with pytest.raises(tokens.NoSuchToken):
            revoke_again()
    assert tokens.find_actor_by_token(session, token, NOW) is None
    assert acts(session) == ["user.added", "token.added", "token.revoked"]


def test_a_tokens_last_use_is_recorded_at_most_once_a_minute(session: Session, biller: User) -> None:
    token = tokens.add_token(session, biller, NOW)
    row = session.query(ApiToken).one()

    for seconds, used_at in ((0, 0), (59, 0), (60, 60)):
        tokens.find_actor_by_token(session, token, NOW + dt.timedelta(seconds=seconds))
        session.refresh(row)
        assert row.used_at == NOW + dt.timedelta(seconds=used_at)


@pytest.mark.parametrize("nonsense", ["", "x", "settle_", "\x00", "\ud800", "é" * 10_000])
def test_a_malformed_token_authenticates_no_user(session: Session, biller: User, nonsense: str) -> None:
    tokens.add_token(session, biller, NOW)

    assert tokens.find_actor_by_token(session, nonsense, NOW) is None
    assert user_sessions.find_actor(session, nonsense, NOW, 30) is None


def test_the_database_stores_only_hashes_of_tokens(session: Session, ann: Actor, biller: User) -> None:
    cookie, token = user_sessions.start(session, ann, NOW), tokens.add_token(session, biller, NOW)

    stored = "".join(
        str(row)
        for table in ("user_session", "api_token", "audit_entry", "app_user")
        for row in session.execute(text(f"SELECT t::text, to_jsonb(t)::text FROM {table} t"))
    )
    assert cookie not in stored
    assert token not in stored
    assert {len(row.token_hash) for row in [*session.query(UserSession), *session.query(ApiToken)]} == {32}
