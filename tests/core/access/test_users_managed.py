"""User management by administrators: roles, limits, deactivation.

Not their own account, and never the last administrator.
"""

import datetime as dt
from collections.abc import Callable

import pytest
from sqlalchemy import select

from core.access import password_links, tokens, user_management, user_sessions
from core.access.permissions import Actor
from core.access.user_management import OwnAccount
from core.access.user_sessions import SessionLife
from core.db.engine import transaction
from core.enums.people import Role
from core.errors import NotAllowed, NotFound
from core.models.people import ApiToken, User, UserSession
from core.money import CENTS_MAX, UNLIMITED, BadLimitAmount
from tests.at_once import raised_at_once
from tests.factories import NOW, GivenPractice, a_practice


def do(practice: GivenPractice, act: Callable[..., User], target: Actor, *given: object, **more: object) -> User:
    return practice.do(act, target.user_id, *given, now=NOW, **more)


def read(practice: GivenPractice, target: Actor) -> User:
    with practice.sessions() as session:
        return session.get_one(User, target.user_id)


def audited(practice: GivenPractice) -> list[tuple[str, str, int | None, dict[str, object]]]:
    return [(entry.act, entry.subject, entry.user_id, entry.facts) for entry in practice.audited()]


def test_a_role_change_is_audited_with_the_old_and_the_new_role(practice: GivenPractice, admin: Actor) -> None:
    do(practice, user_management.change_role, practice.biller, Role.APPROVER, by=admin)
    # an unchanged role is not audited
    do(practice, user_management.change_role, practice.biller, Role.APPROVER, by=admin)

    assert read(practice, practice.biller).role is Role.APPROVER
    subject = f"user:{practice.biller.user_id}"
    assert audited(practice) == [
        ("user.role_changed", subject, admin.user_id, {"from": "biller", "to": "approver"}),
    ]


def test_limits_are_set_in_cents_or_as_unlimited_and_audited_with_old_and_new(
    practice: GivenPractice, admin: Actor
) -> None:
    do(practice, user_management.set_limits, practice.biller, claim_cents=5_000, job_cents=UNLIMITED, by=admin)
    do(practice, user_management.set_limits, practice.biller, claim_cents=0, job_cents=100_000, by=admin)

    user = read(practice, practice.biller)
    assert (user.claim_limit_cents, user.job_limit_cents) == (0, 100_000)
    assert [facts for _, _, _, facts in audited(practice)] == [
        {"claim_limit_cents": {"from": "unlimited", "to": 5_000}},
        {"claim_limit_cents": {"from": 5_000, "to": 0}, "job_limit_cents": {"from": "unlimited", "to": 100_000}},
    ]


@pytest.mark.parametrize("cents", [-1, CENTS_MAX + 1, UNLIMITED - 1, UNLIMITED + 1])
def test_an_amount_outside_the_limits_range_is_refused(practice: GivenPractice, admin: Actor, cents: int) -> None:
    with pytest.raises(BadLimitAmount):
        do(practice, user_management.set_limits, practice.biller, claim_cents=cents, job_cents=0, by=admin)
    assert audited(practice) == []


ACTS = [
    lambda session, user_id, **who: user_management.change_role(session, user_id, Role.APPROVER, **who),
    lambda session, user_id, **who: user_management.set_limits(session, user_id, claim_cents=1, job_cents=1, **who),
    user_management.deactivate,
    user_management.reactivate,
    user_management.end_sessions,
    lambda session, user_id, **who: user_management.make_password_link(session, user_id, by_mail=False, **who)[0],
]


@pytest.mark.parametrize("act", ACTS)
def test_an_administrator_cannot_change_their_own_account(
    practice: GivenPractice, admin: Actor, act: Callable[..., User]
) -> None:
    practice.person("second@lakeside.example", Role.ADMIN)
    with pytest.raises(OwnAccount):
        do(practice, act, admin, by=admin)
    assert audited(practice) == []


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.OPS])
@pytest.mark.parametrize("act", ACTS)
def test_only_an_administrator_changes_or_lists_users(
    practice: GivenPractice, admin: Actor, act: Callable[..., User], role: Role
) -> None:
    other = practice.person(f"{role}2@lakeside.example", role)
    with pytest.raises(NotAllowed):
        do(practice, act, practice.biller, by=other)
    with pytest.raises(NotAllowed), practice.sessions() as session:
        user_management.list_users(session, other)


@pytest.mark.parametrize("act", ACTS)
def test_users_of_another_practice_are_not_found(practice: GivenPractice, act: Callable[..., User]) -> None:
    stranger = a_practice(practice.sessions, name="Other").person("admin@other.example", Role.ADMIN)
    with pytest.raises(NotFound):
        do(practice, act, practice.biller, by=stranger)
    with practice.sessions() as session:
        assert [user.id for user in user_management.list_users(session, stranger)] == [
            stranger.user_id,
            stranger.user_id - 1,
        ]
        for find in (
            lambda: user_management.find(session, practice.biller.user_id, by=stranger),
            lambda: user_management.find_by_email(session, practice.biller.email, by=stranger),
        ):
            with pytest.raises(NotFound):
                find()


def test_deactivating_a_user_ends_their_sessions_and_revokes_their_tokens(
    practice: GivenPractice, admin: Actor
) -> None:
    with transaction(practice.sessions) as session:
        owner = session.get_one(User, practice.biller.user_id)
        cookie = user_sessions.start(session, practice.biller, NOW)
        user_sessions.start(session, practice.biller, NOW)
        token = tokens.add_token(session, owner, NOW)
        assert user_management.count_sessions_and_tokens(session, owner, NOW) == (2, 1)

    do(practice, user_management.deactivate, practice.biller, by=admin)

    with transaction(practice.sessions) as session:
        assert user_sessions.find_actor(session, cookie, NOW, SessionLife()) is None
        assert tokens.find_actor_by_token(session, token, NOW) is None
        assert session.scalars(select(UserSession)).all() == []
        assert session.scalars(select(ApiToken.revoked_at)).all() == [NOW]
        assert user_management.count_sessions_and_tokens(
            session, session.get_one(User, practice.biller.user_id), NOW
        ) == (
            0,
            0,
        )
    assert audited(practice)[-1][3] == {"sessions_ended": 2, "tokens_revoked": 1}


def test_reactivating_a_user_does_not_revive_old_sessions_or_tokens(practice: GivenPractice, admin: Actor) -> None:
    with transaction(practice.sessions) as session:
        owner = session.get_one(User, practice.biller.user_id)
        token = tokens.add_token(session, owner, NOW)
    do(practice, user_management.deactivate, practice.biller, by=admin)
    with transaction(practice.sessions) as session:  # a sign-in that was in progress
        cookie = user_sessions.start(session, practice.biller, NOW)
    do(practice, user_management.deactivate, practice.biller, by=admin)
    do(practice, user_management.reactivate, practice.biller, by=admin)
    do(practice, user_management.reactivate, practice.biller, by=admin)

    with transaction(practice.sessions) as session:
        assert user_sessions.find_actor(session, cookie, NOW, SessionLife()) is None
        assert tokens.find_actor_by_token(session, token, NOW) is None
    assert read(practice, practice.biller).active
    assert [act for act, *_ in audited(practice)] == ["token.added", "user.deactivated", "user.reactivated"]


def test_an_administrator_who_lost_the_role_or_the_account_changes_no_user(
    practice: GivenPractice, admin: Actor
) -> None:
    second = practice.person("second@lakeside.example", Role.ADMIN)
    do(practice, user_management.deactivate, admin, by=second)
    with pytest.raises(NotAllowed, match="deactivated"):
        do(practice, user_management.change_role, practice.biller, Role.ADMIN, by=admin)
    do(practice, user_management.reactivate, admin, by=second)
    do(practice, user_management.change_role, admin, Role.BILLER, by=second)
    with pytest.raises(NotAllowed, match="role"):
        do(practice, user_management.change_role, practice.biller, Role.ADMIN, by=admin)
    assert read(practice, practice.biller).role is Role.BILLER


def test_an_administrator_adds_a_user_with_explicit_limits(practice: GivenPractice, admin: Actor) -> None:
    with transaction(practice.sessions) as session:
        added, link = user_management.add(
            session, email="New@Lakeside.example", name="New", role=Role.BILLER, claim_cents=50_00,
            job_cents=UNLIMITED, by_mail=False, by=admin, now=NOW,
        )  # fmt: skip
        assert password_links.find_user(session, link.token, NOW).id == added.id
        assert (added.email, added.practice_id) == ("new@lakeside.example", practice.id)
        assert (added.claim_limit_cents, added.job_limit_cents) == (50_00, UNLIMITED)
    facts = {"role": "biller", "claim_limit_cents": 50_00, "job_limit_cents": "unlimited"}
    assert audited(practice) == [("user.added", f"user:{added.id}", admin.user_id, facts)]
    with pytest.raises(NotAllowed), transaction(practice.sessions) as session:
        user_management.add(
            session, email="x@y.example", name="X", role=Role.ADMIN, claim_cents=1, job_cents=1, by_mail=False,
            by=practice.biller, now=NOW,
        )  # fmt: skip


def test_two_administrators_who_deactivate_each_other_at_once_leave_one(practice: GivenPractice, admin: Actor) -> None:
    second = practice.person("second@lakeside.example", Role.ADMIN)
    for _ in range(15):
        raised = raised_at_once(
            lambda: do(practice, user_management.deactivate, admin, by=second),
            lambda: do(practice, user_management.deactivate, second, by=admin),
        )

        assert all(isinstance(error, NotAllowed) for error in raised)
        active = [who for who in (admin, second) if read(practice, who).active]
        assert (len(active), len(raised)) == (1, 1)
        (left,), (out,) = active, [who for who in (admin, second) if who not in active]
        do(practice, user_management.reactivate, out, by=left)


def test_the_audit_records_the_time_passed_in_by_the_caller(practice: GivenPractice, admin: Actor) -> None:
    at = NOW + dt.timedelta(days=3)
    practice.do(user_management.deactivate, practice.biller.user_id, by=admin, now=at)
    assert [entry.at for entry in practice.audited()] == [at]
