"""Browser sessions and API tokens."""

import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.access import tokens, user_sessions
from core.access.permissions import Action, Actor, Scope, ScopeMissing
from core.access.token_hash import hash_token
from core.access.user_sessions import NoSuchSession, SessionLife
from core.access.users import actor_for
from core.enums.people import Role
from core.errors import BadInput
from core.models.people import ApiToken, User, UserSession
from tests.core.access.conftest import NOW, acts

MINUTE = dt.timedelta(minutes=1)
LIFE = SessionLife(idle_minutes=30, hours=12)


@pytest.fixture
def ann(biller: User) -> Actor:
    return actor_for(biller)


def test_a_session_lasts_as_long_as_the_user_is_active(session: Session, ann: Actor) -> None:
    token = user_sessions.start(session, ann, NOW)

    for minutes in (29, 58, 87):
        found = user_sessions.find_actor(session, token, NOW + minutes * MINUTE, LIFE)
        assert found == replace(ann, is_verified=False)
    assert user_sessions.find_actor(session, token, NOW + (87 + 30) * MINUTE, LIFE) is None


def test_a_session_ends_twelve_hours_after_the_sign_in_whatever_the_user_does(session: Session, ann: Actor) -> None:
    token = user_sessions.start(session, ann, NOW)

    for minutes in range(20, 12 * 60, 20):
        assert user_sessions.find_actor(session, token, NOW + minutes * MINUTE, LIFE)
    assert user_sessions.list_open(session, ann.user_id, NOW + 700 * MINUTE, LIFE)
    assert user_sessions.find_actor(session, token, NOW + 12 * 60 * MINUTE, LIFE) is None
    assert user_sessions.list_open(session, ann.user_id, NOW + 12 * 60 * MINUTE, LIFE) == []


def test_a_sign_in_ends_the_earlier_session_of_that_browser(session: Session, ann: Actor) -> None:
    earlier, other = user_sessions.start(session, ann, NOW), user_sessions.start(session, ann, NOW)

    token = user_sessions.start(session, ann, NOW, browser="Firefox on Mac", address="203.0.113.x", replaces=earlier)

    found = [user_sessions.find_actor(session, one, NOW, LIFE) for one in (earlier, other, token)]
    assert found == [None, ann, ann]
    assert session.query(UserSession).filter_by(browser="Firefox on Mac", address="203.0.113.x").count() == 1


def test_users_end_only_their_own_sessions(session: Session, ann: Actor) -> None:
    token, _, _ = (user_sessions.start(session, ann, NOW) for _ in range(3))
    this, *others = sorted(session.query(UserSession), key=lambda one: not user_sessions.is_of_token(one, token))
    stranger = replace(ann, user_id=ann.user_id + 1)

    for who, number in ((stranger, others[0].id), (ann, 10**6)):
        with pytest.raises(NoSuchSession):
            user_sessions.end_one(session, number, by=who, now=NOW)
    user_sessions.end_one(session, others[0].id, by=ann, now=NOW)
    assert [user_sessions.end_others(session, but=token, by=ann, now=NOW) for _ in range(2)] == [1, 0]

    assert [one.id for one in user_sessions.list_open(session, ann.user_id, NOW, LIFE)] == [this.id]
    assert acts(session)[-2:] == ["user.sessions_ended"] * 2


def test_reading_pages_updates_the_session_at_most_once_a_minute(session: Session, ann: Actor) -> None:
    token = user_sessions.start(session, ann, NOW)
    row = session.query(UserSession).one()

    user_sessions.find_actor(session, token, NOW + dt.timedelta(seconds=59), LIFE)
    session.refresh(row)
    assert row.seen_at == NOW
    user_sessions.find_actor(session, token, NOW + MINUTE, LIFE)
    session.refresh(row)
    assert row.seen_at == NOW + MINUTE


def test_ending_a_session_twice_is_audited_once_and_leaves_other_sessions_alone(session: Session, ann: Actor) -> None:
    token = user_sessions.start(session, ann, NOW)
    other = user_sessions.start(session, ann, NOW)

    user_sessions.end(session, token, NOW)
    user_sessions.end(session, token, NOW)

    assert user_sessions.find_actor(session, token, NOW, LIFE) is None
    assert user_sessions.find_actor(session, other, NOW, LIFE) == ann
    assert acts(session) == ["user.added", "user.signed_out"]


def test_a_deactivated_user_loses_session_and_token_immediately(session: Session, ann: Actor, biller: User) -> None:
    cookie, token = user_sessions.start(session, ann, NOW), tokens.add_token(session, biller, NOW)
    biller.active = False
    session.flush()

    assert user_sessions.find_actor(session, cookie, NOW, LIFE) is None
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


def test_a_token_expires_after_90_days_unless_told_otherwise(session: Session, biller: User) -> None:
    usual, short = tokens.add_token(session, biller, NOW), tokens.add_token(session, biller, NOW, days=1)

    found = [tokens.find_actor_by_token(session, short, NOW + dt.timedelta(days=days)) for days in (0, 1)]
    assert [actor is not None for actor in found] == [True, False]
    found = [tokens.find_actor_by_token(session, usual, NOW + dt.timedelta(days=days)) for days in (89, 90)]
    assert [actor is not None for actor in found] == [True, False]
    for days in (0, -1, 366):
        with pytest.raises(tokens.BadTokenDays):
            tokens.add_token(session, biller, NOW, days=days)


def test_a_token_of_an_earlier_version_has_all_scopes_and_no_expiry(session: Session, biller: User) -> None:
    columns = "(user_id, token_hash, created_at) VALUES (:user, :hash, now())"
    session.execute(text(f"INSERT INTO api_token {columns}"), {"user": biller.id, "hash": hash_token("settle_old")})

    actor = tokens.find_actor_by_token(session, "settle_old", NOW + dt.timedelta(days=4_000))

    assert actor == actor_for(biller)


@pytest.mark.parametrize("action", list(Action))
def test_each_action_needs_one_scope_besides_the_role(action: Action, ann: Actor) -> None:
    admin = replace(ann, role=Role.ADMIN, one_machine=True)
    allowing = [scope for scope in Scope if replace(admin, scopes=frozenset({scope})).may(action)]

    assert len(allowing) == 1
    with pytest.raises(ScopeMissing, match=f"the scope {allowing[0]}"):
        replace(admin, scopes=frozenset(Scope) - {allowing[0]}).require(action)
    assert not replace(admin, scopes=frozenset()).may(action)
    assert replace(ann, scopes=frozenset(Scope)).may(action) == ann.may(action), "a scope adds nothing to the role"


def test_users_create_and_revoke_only_their_own_tokens(session: Session, ann: Actor) -> None:
    given = {"name": " Nightly export ", "scopes": {Scope.READ}, "days": 30, "by": ann, "now": NOW}
    for wrong in ({"name": " "}, {"name": "x" * 61}, {"name": "a\nb"}, {"scopes": set()}, {"days": 0}):
        with pytest.raises(BadInput):
            tokens.add_own(session, **{**given, **wrong})
    actor = tokens.find_actor_by_token(session, tokens.add_own(session, **given), NOW)

    (kept,) = tokens.list_own(session, ann, NOW)
    assert (kept.name, kept.scopes, actor) == ("Nightly export", ["read"], replace(ann, scopes=frozenset({Scope.READ})))
    with pytest.raises(tokens.NoSuchToken):
        tokens.revoke_own(session, kept.id, by=replace(ann, user_id=ann.user_id + 1), now=NOW)
    assert tokens.list_own(session, ann, NOW + dt.timedelta(days=30)) == []
    tokens.revoke_own(session, kept.id, by=ann, now=NOW)
    assert tokens.list_own(session, ann, NOW) == []


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
    assert user_sessions.find_actor(session, nonsense, NOW, LIFE) is None


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
