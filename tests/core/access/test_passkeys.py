"""Passkeys: added, used once for each challenge, renamed and removed; what is refused, and what the audit says."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from core.access import own_factor, own_passkeys, passkeys, second_factor, totp, user_management, user_sessions, users
from core.access.own_factor import FactorRequired, NoApp
from core.access.own_passkeys import BadPasskeyName, NoSuchPasskey, PasskeyTaken, TooManyPasskeys
from core.access.passkeys import ChallengeEnded, PasskeyAnswer, PasskeyCopied, PasskeyRefused, Site, UnknownPasskey
from core.access.permissions import Actor, VerificationNeeded
from core.access.second_factor import CodeNeeded, Kinds, WrongCode
from core.access.user_sessions import SessionLife
from core.access.users import WrongPassword
from core.enums.people import Role
from core.models.people import Passkey, PasskeyChallenge, SecondFactor, User
from core.practices import factor_setting
from tests.at_once import raised_at_once
from tests.authenticator import ORIGIN, PRESENT, Authenticator, encode
from tests.core.access.test_second_factor import PASSWORD, code_at
from tests.factories import NOW, GivenPractice

SITE = Site("localhost", ORIGIN)
LATER = NOW + dt.timedelta(minutes=5)


@pytest.fixture
def ruth(practice: GivenPractice) -> Actor:
    """An approver with a password."""
    new = {"email": "ruth@lakeside.example", "name": "Ruth", "role": Role.APPROVER, "password": PASSWORD}
    return users.actor_for(practice.do(users.add_user, practice_id=practice.id, **new, now=NOW))


@pytest.fixture
def key(practice: GivenPractice, ruth: Actor) -> Authenticator:
    """Ruth's passkey."""
    made = Authenticator()
    add(practice, ruth, made)
    return made


def add(practice: GivenPractice, user: Actor, key: Authenticator, **given: Any) -> list[str]:
    given = {"name": "Laptop", "password": PASSWORD, "by": user, "now": NOW} | given
    begun = {name: given[name] for name in ("name", "password", "by", "now")}
    answer = PasskeyAnswer(key.create(practice.do(own_passkeys.begin, SITE, **begun)), SITE)
    return practice.do(own_passkeys.add, answer, **given)  # type: ignore[no-any-return]


def options(practice: GivenPractice, by: Actor, now: dt.datetime = NOW) -> str:
    return practice.do(passkeys.options_to_use, by.user_id, SITE, now=now)  # type: ignore[no-any-return]


def sign_in(practice: GivenPractice, by: Actor, given: str, *, now: dt.datetime = NOW) -> Actor:
    """Finish the sign-in of a user whose password was right, with this credential."""

    def finish(session: Any) -> Actor:
        user, answer = session.get_one(User, by.user_id), PasskeyAnswer(given, SITE)
        return users.finish_sign_in(session, user, answer, now=now, address="203.0.113.9")

    return practice.do(finish)  # type: ignore[no-any-return]


def refused(practice: GivenPractice) -> list[Any]:
    return [entry.facts["refused"] for entry in practice.audited("user.passkey_refused")]


def test_a_passkey_is_a_second_factor_and_the_first_one_gives_recovery_codes(
    practice: GivenPractice, ruth: Actor
) -> None:
    here, _there = (practice.do(user_sessions.start, ruth, NOW) for _ in range(2))
    asked = json.loads(practice.do(own_passkeys.begin, SITE, name="Laptop", by=ruth, now=NOW))
    codes = add(practice, ruth, Authenticator(), this_session=here)
    more = add(practice, ruth, Authenticator(), name=" Phone ", this_session=here)

    assert (len(codes), more) == (10, [])
    assert asked["rp"] == {"name": "Batch Settle", "id": "localhost"}
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    with practice.sessions() as session:
        user = session.get_one(User, ruth.user_id)
        assert asked["user"]["id"] == encode(user.passkey_handle.bytes), "random, not the e-mail address"
        assert second_factor.kinds_of(session, ruth.user_id) == Kinds(app=False, passkey=True)
        assert user_sessions.find_actor(session, here, NOW, SessionLife()) == replace(ruth, has_passkey=True)
        assert [one.name for one in passkeys.list_of(session, ruth.user_id)] == ["Laptop", "Phone"]
        assert second_factor.users_with(session, [ruth.user_id]) == {ruth.user_id}
    assert [entry.facts for entry in practice.audited("user.factor_added")] == [{"sessions_ended": 1}]
    assert len(practice.audited("user.passkey_added")) == 2
    given: dict[str, Any] = {"email": ruth.email, "password": PASSWORD, "now": NOW}
    with pytest.raises(CodeNeeded, match="Enter one of your recovery codes, because your passkeys work only on"):
        practice.do(users.sign_in, **given)
    with pytest.raises(WrongCode, match="Your account has no authenticator app"):
        practice.do(users.sign_in, **given, code="123456")
    assert practice.do(users.sign_in, **given, code=codes[0]) == ruth


def test_a_sign_in_takes_the_password_and_a_passkey(practice: GivenPractice, ruth: Actor, key: Authenticator) -> None:
    asked = options(practice, ruth)

    assert json.loads(asked)["allowCredentials"] == [
        {"id": encode(key.credential_id), "type": "public-key", "transports": ["usb"]}
    ]
    assert sign_in(practice, ruth, key.get(asked)) == ruth
    with practice.sessions() as session:
        (stored,) = passkeys.list_of(session, ruth.user_id)
        assert (stored.sign_count, stored.used_at) == (1, NOW)
    assert practice.audited()[-1].act == "user.signed_in"


def test_each_answer_works_once(practice: GivenPractice, ruth: Actor, key: Authenticator) -> None:
    answer = key.get(options(practice, ruth))

    of_two = raised_at_once(*[lambda: sign_in(practice, ruth, answer)] * 2)
    with pytest.raises(ChallengeEnded):
        sign_in(practice, ruth, answer)

    assert [type(one) for one in of_two if one] == [ChallengeEnded]
    assert refused(practice) == ["passkey_challenge_ended"] * 2


def test_a_refused_answer_uses_up_its_challenge(practice: GivenPractice, ruth: Actor, key: Authenticator) -> None:
    asked = options(practice, ruth)
    key.origin = "https://elsewhere.example"
    with pytest.raises(PasskeyRefused, match="It works only at http://localhost"):
        sign_in(practice, ruth, key.get(asked))
    key.origin = ORIGIN

    with pytest.raises(ChallengeEnded):
        sign_in(practice, ruth, key.get(asked))


def test_a_challenge_ends_after_five_minutes_and_is_the_users_own(
    practice: GivenPractice, ruth: Actor, key: Authenticator
) -> None:
    of_another = options(practice, practice.biller)
    late = options(practice, ruth)

    for asked, now in ((late, LATER), (of_another, NOW)):
        with pytest.raises(ChallengeEnded):
            sign_in(practice, ruth, key.get(asked), now=now)
    for _ in range(passkeys.CHALLENGES_MAX + 5):
        options(practice, ruth)
    with practice.sessions() as session:
        waiting = session.scalars(select(PasskeyChallenge).where(PasskeyChallenge.user_id == ruth.user_id)).all()
    assert len(waiting) == passkeys.CHALLENGES_MAX


def wrong_origin(key: Authenticator) -> None:
    key.origin = "https://localhost"


def count_back(key: Authenticator) -> None:
    key.count = 4


def untouched_count(key: Authenticator) -> None:
    key.count = -1


def no_pin(key: Authenticator) -> None:
    key.flags = PRESENT


def another_handle(key: Authenticator) -> None:
    key.handle = encode(bytes(16))


def another_key(key: Authenticator) -> None:
    key.key = Authenticator().key


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (wrong_origin, PasskeyRefused),
        (count_back, PasskeyCopied),
        (untouched_count, PasskeyCopied),
        (no_pin, PasskeyRefused),
        (another_handle, UnknownPasskey),
        (another_key, PasskeyRefused),
    ],
)
def test_a_wrong_answer_is_refused_and_audited(
    practice: GivenPractice,
    ruth: Actor,
    key: Authenticator,
    change: Callable[[Authenticator], None],
    refusal: type[PasskeyRefused],
) -> None:
    key.count = 4
    sign_in(practice, ruth, key.get(options(practice, ruth)))
    change(key)

    with pytest.raises(PasskeyRefused) as raised:
        sign_in(practice, ruth, key.get(options(practice, ruth)))

    assert type(raised.value) is refusal
    (entry,) = practice.audited("user.passkey_refused")
    assert (entry.user_id, entry.facts["refused"]) == (None, refusal.code)
    assert entry.facts["address"] == "203.0.113.9"


def test_a_passkey_of_another_user_and_a_removed_one_are_refused(
    practice: GivenPractice, ruth: Actor, key: Authenticator
) -> None:
    other = Authenticator()
    bea = practice.person("bea@lakeside.example", Role.ADMIN)
    practice.sql(
        "UPDATE app_user SET password_hash = (SELECT password_hash FROM app_user WHERE id = :id)", id=ruth.user_id
    )
    add(practice, bea, other)
    other.handle = None  # a security key without room for the handle sends none
    with pytest.raises(PasskeyTaken):
        add(practice, bea, key)
    with pytest.raises(UnknownPasskey):
        sign_in(practice, ruth, other.get(options(practice, ruth)))

    add(practice, ruth, Authenticator())
    answer = key.get(options(practice, ruth))
    with practice.sessions() as session:
        mine = passkeys.list_of(session, ruth.user_id)[0].id
    with pytest.raises(NoSuchPasskey):
        practice.do(own_passkeys.remove, mine, password=PASSWORD, by=bea, now=NOW)
    practice.do(own_passkeys.remove, mine, password=PASSWORD, by=ruth, now=NOW)

    with pytest.raises(UnknownPasskey):
        sign_in(practice, ruth, answer)
    assert [entry.facts for entry in practice.audited("user.passkey_removed")] == [{"passkey": mine}]


def test_what_is_no_passkey_is_refused(practice: GivenPractice, ruth: Actor, key: Authenticator) -> None:
    parts = dict.fromkeys(("clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"), "A")
    odd = {"id": "\ud800", "rawId": "\ud800", "type": "public-key", "response": parts}
    texts = ["", "x", "[]", "{}", "[" * 5_000, "x" * 20_001, '"\\ud800"', json.dumps(odd)]
    texts += [text.replace("\ud800", "AA") for text in (json.dumps(odd), json.dumps(odd | {"type": "other"}))]
    given: dict[str, Any] = {"name": "x", "password": PASSWORD, "by": ruth, "now": NOW}
    for number, text in enumerate(texts):
        with pytest.raises(PasskeyRefused):
            sign_in(practice, ruth, text, now=NOW + number * dt.timedelta(minutes=5))
        with pytest.raises(PasskeyRefused):
            practice.do(own_passkeys.add, PasskeyAnswer(text, SITE), **given)


def test_adding_needs_a_name_verification_and_with_a_factor_the_password(
    practice: GivenPractice, ruth: Actor, key: Authenticator
) -> None:
    for given, refusal in (
        ({"name": " "}, BadPasskeyName),
        ({"by": replace(ruth, is_verified=False)}, VerificationNeeded),
        ({"password": "wrong"}, WrongPassword),
    ):
        with pytest.raises(refusal):
            add(practice, ruth, Authenticator(), **given)
    no_pin = Authenticator(flags=PRESENT)
    with pytest.raises(PasskeyRefused):
        add(practice, ruth, no_pin)
    practice.sql(
        "INSERT INTO passkey (user_id, name, credential_id, public_key, sign_count, transports, added_at)"
        " SELECT user_id, name, int4send(n), public_key, 0, transports, added_at FROM passkey, generate_series(1, 19) n"
    )
    with pytest.raises(TooManyPasskeys):
        add(practice, ruth, Authenticator())


def test_the_last_factor_stays_where_it_is_required(
    practice: GivenPractice, admin: Actor, ruth: Actor, key: Authenticator
) -> None:
    secret = totp.make_secret()
    practice.do(factor_setting.change, required=True, by=admin, now=NOW)
    passkey_id = key_id(practice, ruth)
    removal: dict[str, Any] = {"password": PASSWORD, "by": ruth, "now": NOW}

    with pytest.raises(FactorRequired):
        practice.do(own_passkeys.remove, passkey_id, **removal)
    with pytest.raises(NoApp):
        practice.do(own_factor.remove, **removal)
    with pytest.raises(WrongPassword):
        practice.do(own_factor.add, secret=secret, code=code_at(secret, NOW), password="wrong", by=ruth, now=NOW)
    practice.do(own_factor.add, secret=secret, code=code_at(secret, NOW), **removal)
    with pytest.raises(VerificationNeeded):
        practice.do(own_passkeys.remove, passkey_id, **removal | {"by": replace(ruth, is_verified=False)})
    with pytest.raises(WrongPassword):
        practice.do(own_passkeys.remove, passkey_id, **removal | {"password": "wrong"})
    practice.do(own_factor.remove, **removal)
    assert practice.do(second_factor.kinds_of, ruth.user_id) == Kinds(app=False, passkey=True)
    assert practice.do(second_factor.count_recovery_codes, ruth.user_id) == 10

    practice.do(factor_setting.change, required=False, by=admin, now=NOW)
    practice.do(own_passkeys.remove, passkey_id, **removal)
    assert practice.do(second_factor.find, ruth.user_id) is None
    acts = [entry.act for entry in practice.audited() if "removed" in entry.act]
    assert acts == ["user.app_removed", "user.passkey_removed", "user.factor_removed"]


def test_a_rename_is_audited_and_a_reset_removes_passkeys(
    practice: GivenPractice, admin: Actor, ruth: Actor, key: Authenticator
) -> None:
    for _ in range(2):
        practice.do(own_passkeys.rename, key_id(practice, ruth), " Yubi ", by=ruth, now=NOW)
    assert len(practice.audited("user.passkey_renamed")) == 1

    practice.do(user_management.reset_factor, ruth.user_id, by=admin, now=NOW)

    with practice.sessions() as session:
        assert session.scalars(select(Passkey)).all() == session.scalars(select(SecondFactor)).all() == []
    assert practice.do(users.sign_in, email=ruth.email, password=PASSWORD, now=NOW) == ruth
    assert practice.violations() == []


def key_id(practice: GivenPractice, by: Actor) -> int:
    with practice.sessions() as session:
        return passkeys.list_of(session, by.user_id)[0].id
