"""Passwords: which are refused and why, links that set one, and how users change their own."""

import datetime as dt
import time

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from core.access import own_password, password_links, passwords, tokens, user_sessions, users
from core.access.password_links import LINK_LIFE, PasswordLinkInvalid
from core.access.passwords import BadPassword, WeakPassword
from core.access.user_sessions import SessionLife
from core.access.users import PasswordChangeNeeded, SignInFailed, WrongPassword
from core.enums.people import Role
from core.models.people import AuditEntry, PasswordLink, User
from tests.core.access.conftest import NOW, PASSWORD, acts

NEW = "orchid tunnel 44 velvet"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("password1234", "many people use"),
        ("HillClinic2025", "practice"),
        ("ann.ann.ann.ann", "your name"),
        ("settle settle", "words of billing"),
        ("aaaaaaaaaaaaaaaa", "repeats"),
        ("abcdefghijklm", "a sequence"),
        ("qwertyuiop[]", "keyboard"),
        ("11/23/1987 11", "date"),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused_with_the_reason(password: str, why: str) -> None:
    with pytest.raises(WeakPassword, match=why):
        passwords.hash_new(password, known=("Ann", "ann@example.org", "Hill Clinic"))


@pytest.mark.parametrize("password", [PASSWORD, NEW, "x" * 8 + "é漢 \x00\ud800 horse nine", NEW * 40])
def test_any_characters_and_up_to_1000_of_them_are_accepted_and_compared(password: str) -> None:
    kept = passwords.hash_new(password, known=("Ann",))

    assert passwords.matches(kept, password)
    assert not passwords.matches(kept, password[:-1])


def test_no_password_keeps_the_check_busy() -> None:
    begun = time.process_time()
    passwords.hash_new("4@8({[<369&#!1/|0$5+7%2" * 40, known=("Ann",))  # each character stands for several letters
    assert time.process_time() - begun < 5


def test_the_product_s_own_passwords_are_accepted() -> None:
    for _ in range(20):
        passwords.hash_new(passwords.generate_password(), known=())


def link_of(session: Session, user: User) -> str:
    return password_links.replace(session, user, by_mail=False, now=NOW).token


def test_a_link_sets_the_password_once_and_ends_the_sessions(session: Session, biller: User) -> None:
    cookie = user_sessions.start(session, users.actor_for(biller), NOW)
    token = tokens.add_token(session, biller, NOW)
    link = link_of(session, biller)

    password_links.use(session, link, NEW, now=NOW + LINK_LIFE - dt.timedelta(seconds=1))

    assert users.sign_in(session, email=biller.email, password=NEW, now=NOW).user_id == biller.id
    with pytest.raises(SignInFailed):
        users.sign_in(session, email=biller.email, password=PASSWORD, now=NOW)
    assert user_sessions.find_actor(session, cookie, NOW, SessionLife()) is None
    assert tokens.find_actor_by_token(session, token, NOW) is None
    for again in (password_links.use, lambda *given, now: password_links.find_user(*given[:2], now)):
        with pytest.raises(PasswordLinkInvalid):
            again(session, link, NEW, now=NOW)
    entry = session.query(AuditEntry).filter_by(act="user.password_set").one()
    assert (entry.user_id, entry.facts) == (biller.id, {"sessions_ended": 1, "tokens_revoked": 1})
    kept = tokens.add_token(session, biller, NOW)
    password_links.use(session, link_of(session, biller), PASSWORD, keep_tokens=True, now=NOW)
    assert tokens.find_actor_by_token(session, kept, NOW) is not None


def test_a_refused_password_leaves_the_link_usable(session: Session, biller: User) -> None:
    link = link_of(session, biller)
    session.commit()

    with pytest.raises(BadPassword, match="differs from the current one"):
        password_links.use(session, link, PASSWORD, now=NOW)
    session.rollback()

    assert password_links.use(session, link, NEW, now=NOW).id == biller.id


def test_a_link_ends_when_it_expires_is_replaced_or_its_user_is_deactivated(session: Session, biller: User) -> None:
    first, second = link_of(session, biller), link_of(session, biller)

    for link, now in ((first, NOW), (second, NOW + LINK_LIFE), ("nonsense\x00", NOW)):
        with pytest.raises(PasswordLinkInvalid):
            password_links.find_user(session, link, now)
    assert password_links.find_user(session, second, NOW).id == biller.id
    biller.active = False
    session.flush()
    with pytest.raises(PasswordLinkInvalid):
        password_links.use(session, second, NEW, now=NOW)


def test_the_database_stores_only_the_hash_of_a_link(session: Session, biller: User) -> None:
    link = link_of(session, biller)

    stored = str(session.execute(text("SELECT to_jsonb(t)::text FROM password_link t")).all())
    assert link not in stored
    assert len(session.query(PasswordLink).one().token_hash or b"") == 32


def test_a_user_without_a_password_cannot_sign_in(session: Session, practice_id: int) -> None:
    bob = {"email": "bob@example.org", "name": "Bob", "role": Role.ADMIN, "now": NOW}
    users.add_user(session, practice_id=practice_id, password=None, **bob)
    for password in ("", "None", "-"):
        with pytest.raises(SignInFailed):
            users.sign_in(session, email="bob@example.org", password=password, now=NOW)


def test_a_given_password_signs_in_only_to_be_changed(session: Session, biller: User) -> None:
    biller.must_change_password = True
    session.commit()

    with pytest.raises(PasswordChangeNeeded):
        users.sign_in(session, email=biller.email, password=PASSWORD, now=NOW)
    with pytest.raises(SignInFailed):
        own_password.change_given(session, email=biller.email, old="wrong", new=NEW, now=NOW)
    with pytest.raises(BadPassword):
        own_password.change_given(session, email=biller.email, old=PASSWORD, new=PASSWORD, now=NOW)
    own_password.change_given(session, email=biller.email, old=PASSWORD, new=NEW, now=NOW)

    assert users.sign_in(session, email=biller.email, password=NEW, now=NOW).user_id == biller.id
    assert acts(session)[-2:] == ["user.password_changed", "user.signed_in"]


def test_changing_the_password_needs_the_old_one_and_ends_the_other_sessions(session: Session, biller: User) -> None:
    ann = users.actor_for(biller)
    here, there = user_sessions.start(session, ann, NOW), user_sessions.start(session, ann, NOW)
    with pytest.raises(WrongPassword):
        own_password.change(session, old="wrong", new=NEW, by=ann, now=NOW)

    this, _other = tokens.add_token(session, biller, NOW), tokens.add_token(session, biller, NOW)
    own_password.change(session, old=PASSWORD, new=NEW, by=ann, now=NOW, this_session=here, this_token=this)

    assert tokens.find_actor_by_token(session, this, NOW) is not None
    assert tokens.count_open(session, biller.id, NOW) == 1
    own_password.change(session, old=NEW, new=PASSWORD, by=ann, now=NOW, this_session=here, keep_tokens=True)
    assert tokens.count_open(session, biller.id, NOW) == 1, "the user kept it"
    assert [user_sessions.find_actor(session, one, NOW, SessionLife()) for one in (here, there)] == [ann, None]
    assert link_of(session, biller)
