"""The second factor: codes of an app and recovery codes, each once; verification within five minutes."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from core.access import (
    own_factor,
    sealed,
    second_factor,
    tokens,
    totp,
    user_management,
    user_sessions,
    users,
    verification,
)
from core.access.own_factor import FactorRequired, NoFactor
from core.access.permissions import Actor, Scope, VerificationNeeded
from core.access.sealed import Unreadable
from core.access.second_factor import AppUnreadable, ClockOff, CodeNeeded, CodeUsed, TooManyFailures, WrongCode
from core.access.ties import Ties
from core.access.user_sessions import SessionLife
from core.access.users import WrongPassword
from core.db.engine import transaction
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.errors import Refusal
from core.ledger import posting_decisions
from core.models.people import RecoveryCode, SecondFactor, UserSession
from core.money import UNLIMITED
from core.practices import factor_setting, limits, one_person_choice, write_off_setting
from core.schedules import schedule_commands, time_zone
from core.settings import load_settings
from tests.at_once import raised_at_once
from tests.core.schedules.conftest import a_request
from tests.factories import NOW, GivenPractice, Line

MINUTE = dt.timedelta(minutes=1)
PASSWORD = "correct horse battery staple"
LIFE = SessionLife()


@pytest.fixture
def ruth(practice: GivenPractice) -> Actor:
    """An approver with a password."""
    new = {"email": "ruth@lakeside.example", "name": "Ruth", "role": Role.APPROVER, "password": PASSWORD}
    return users.actor_for(practice.do(users.add_user, practice_id=practice.id, **new, now=NOW))


@pytest.fixture
def secret(practice: GivenPractice, ruth: Actor) -> str:
    """The secret of Ruth's second factor, which she set up an hour ago."""
    made = totp.make_secret()
    then = NOW - 60 * MINUTE
    practice.do(own_factor.add, secret=made, code=code_at(made, then), by=ruth, now=then)
    return made


def code_at(secret: str, at: dt.datetime) -> str:
    return pyotp.TOTP(secret).at(at)


def sign_in(practice: GivenPractice, ruth: Actor, code: str = "", *, now: dt.datetime = NOW) -> Actor:
    given: dict[str, Any] = {"email": ruth.email, "password": PASSWORD, "code": code, "address": "203.0.113.9"}
    return practice.do(users.sign_in, **given, now=now)  # type: ignore[no-any-return]


def test_a_code_is_the_one_of_the_standard() -> None:
    rfc_secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"; appendix B of RFC 6238
    for seconds, code in ((1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")):
        assert totp.steps_off(rfc_secret, code, now=dt.datetime.fromtimestamp(seconds, dt.UTC)) == 0


def test_a_sign_in_takes_the_password_and_a_code(practice: GivenPractice, ruth: Actor, secret: str) -> None:
    with pytest.raises(CodeNeeded) as needed:
        sign_in(practice, ruth)

    assert needed.value.user.id == ruth.user_id
    assert sign_in(practice, ruth, f" {code_at(secret, NOW)[:3]} {code_at(secret, NOW)[3:]}") == ruth
    assert [entry.act for entry in practice.audited() if entry.at == NOW][-1] == "user.signed_in"


@pytest.mark.parametrize(
    ("off", "refusal", "words"),
    [
        (0, None, ""),
        (-30, None, ""),
        (30, None, ""),
        (-60, ClockOff, "This code is about 1 minute old. Enter the one that the app shows now."),
        (240, WrongCode, "This code is wrong."),  # a guess would learn a code of the next minutes
        (-900, WrongCode, "This code is wrong."),
    ],
)
def test_a_clock_may_be_off_by_one_step_and_more_is_refused_in_words(
    practice: GivenPractice, ruth: Actor, secret: str, off: int, refusal: type[WrongCode] | None, words: str
) -> None:
    code = code_at(secret, NOW + dt.timedelta(seconds=off))
    if refusal is None:
        assert sign_in(practice, ruth, code) == ruth
        return
    with pytest.raises(WrongCode, match=words) as refused:
        sign_in(practice, ruth, code)
    assert type(refused.value) is refusal
    (entry,) = practice.audited("user.factor_failed")
    assert (entry.user_id, entry.facts) == (None, {"refused": refusal.code, "address": "203.0.113.9"})


def test_a_code_works_once_and_the_one_before_it_no_more(practice: GivenPractice, ruth: Actor, secret: str) -> None:
    sign_in(practice, ruth, code_at(secret, NOW))

    for at in (NOW, NOW - dt.timedelta(seconds=30)):
        with pytest.raises(CodeUsed):
            sign_in(practice, ruth, code_at(secret, at))
    assert sign_in(practice, ruth, code_at(secret, NOW + dt.timedelta(seconds=30))) == ruth


def test_of_two_sign_ins_at_once_with_one_code_one_is_refused(
    practice: GivenPractice, ruth: Actor, secret: str
) -> None:
    code = code_at(secret, NOW)

    refused = raised_at_once(*[lambda: sign_in(practice, ruth, code)] * 2)

    assert [type(one) for one in refused if one] == [CodeUsed]


def test_eight_wrong_codes_in_five_minutes_are_counted_in_the_database(
    practice: GivenPractice, ruth: Actor, secret: str
) -> None:
    for _ in range(7):
        with pytest.raises(WrongCode):
            sign_in(practice, ruth, "000000")
    sign_in(practice, ruth, code_at(secret, NOW - dt.timedelta(seconds=30)))
    for _ in range(8):
        with pytest.raises(WrongCode):
            sign_in(practice, ruth, "000000")

    with pytest.raises(TooManyFailures):
        sign_in(practice, ruth, code_at(secret, NOW))
    later = NOW + 5 * MINUTE
    assert sign_in(practice, ruth, code_at(secret, later), now=later) == ruth
    assert len(practice.audited("user.factor_failed")) == 15


def test_each_recovery_code_works_once_and_only_its_hash_is_stored(
    practice: GivenPractice, ruth: Actor, secret: str
) -> None:
    codes = practice.do(own_factor.make_recovery_codes, by=ruth, now=NOW)

    assert len(set(codes)) == second_factor.RECOVERY_CODES == 10
    assert sign_in(practice, ruth, codes[0].upper().replace("-", " ")) == ruth
    with pytest.raises(WrongCode):
        sign_in(practice, ruth, codes[0])
    assert [entry.facts for entry in practice.audited("user.recovery_code_used")] == [{"codes_left": 9}]
    with practice.sessions() as session:
        stored = repr(session.scalars(select(RecoveryCode.code_hash)).all())
    assert not any(code in stored for code in codes)
    newer = practice.do(own_factor.make_recovery_codes, by=ruth, now=NOW)
    with pytest.raises(WrongCode):
        sign_in(practice, ruth, codes[1])
    assert sign_in(practice, ruth, newer[1]) == ruth


def test_the_secret_is_sealed_and_a_new_key_opens_it_while_the_old_one_is_kept(
    practice: GivenPractice, ruth: Actor, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    def use(minutes: int, **keys: str) -> str:
        """Sign in with these keys of the server. Return what is stored then."""
        for name in ("SECRET_KEY", "OLD_SECRET_KEY"):
            monkeypatch.delenv(f"SETTLE_{name}", raising=False)
        for name, key in keys.items():
            monkeypatch.setenv(f"SETTLE_{name}", key * 32)
        load_settings.cache_clear()
        at = NOW + minutes * MINUTE
        sign_in(practice, ruth, code_at(secret, at), now=at)
        with practice.sessions() as session:
            return str(session.get_one(SecondFactor, ruth.user_id).secret)

    try:
        without = use(0)
        first = use(1, SECRET_KEY="a")
        same = use(2, SECRET_KEY="a")
        changed = use(3, SECRET_KEY="b", OLD_SECRET_KEY="a")
        alone = use(4, SECRET_KEY="b")
        for refused in ({"SECRET_KEY": "c"}, {}):
            with pytest.raises(AppUnreadable):
                use(5, **refused)
        with pytest.raises(Unreadable):
            sealed.unseal(changed, owner="another")
    finally:
        monkeypatch.undo()
        load_settings.cache_clear()

    assert without == secret
    assert first == same != changed == alone
    assert not any(secret in one for one in (first, changed))


def test_setting_up_needs_a_code_of_the_new_secret_and_signs_out_other_browsers(
    practice: GivenPractice, ruth: Actor
) -> None:
    here, _there = (practice.do(user_sessions.start, ruth, NOW) for _ in range(2))
    made = totp.make_secret()
    setup: dict[str, Any] = {"secret": made, "by": ruth, "now": NOW, "this_session": here}

    with pytest.raises(WrongCode):
        practice.do(own_factor.add, code="000000", **setup)
    with pytest.raises(ClockOff):
        practice.do(own_factor.add, code=code_at(made, NOW - 3 * MINUTE), **setup)
    assert not practice.audited("user.factor_added")
    practice.do(own_factor.add, code=code_at(made, NOW), **setup)

    assert [entry.facts for entry in practice.audited("user.factor_added")] == [{"sessions_ended": 1}]
    with practice.sessions() as session:
        found = user_sessions.find_actor(session, here, NOW, LIFE)
    assert found == replace(ruth, has_app=True)
    with pytest.raises(CodeUsed):
        sign_in(practice, ruth, code_at(made, NOW))


def test_replacing_and_removing_need_the_password_and_verification(
    practice: GivenPractice, ruth: Actor, secret: str
) -> None:
    made = totp.make_secret()
    unverified = replace(ruth, is_verified=False)
    new: dict[str, Any] = {"secret": made, "code": code_at(made, NOW), "now": NOW}

    with pytest.raises(VerificationNeeded):
        practice.do(own_factor.add, **new, password=PASSWORD, by=unverified)
    with pytest.raises(WrongPassword):
        practice.do(own_factor.add, **new, password="wrong", by=ruth)
    practice.do(own_factor.add, **new, password=PASSWORD, by=ruth)
    with pytest.raises(WrongCode):
        sign_in(practice, ruth, code_at(secret, NOW))

    with pytest.raises(VerificationNeeded):
        practice.do(own_factor.remove, password=PASSWORD, by=unverified, now=NOW)
    with pytest.raises(WrongPassword):
        practice.do(own_factor.remove, password="wrong", by=ruth, now=NOW)
    practice.do(own_factor.remove, password=PASSWORD, by=ruth, now=NOW)
    with pytest.raises(NoFactor):
        practice.do(own_factor.make_recovery_codes, by=ruth, now=NOW)
    assert sign_in(practice, ruth) == ruth
    assert [entry.act for entry in practice.audited() if "factor_re" in entry.act] == [
        "user.factor_replaced", "user.factor_removed",
    ]  # fmt: skip


def test_a_required_factor_is_missed_by_its_roles_and_cannot_be_removed(
    practice: GivenPractice, admin: Actor, ruth: Actor, secret: str
) -> None:
    def actor(by: Actor) -> Actor | None:
        with transaction(practice.sessions) as session:
            return user_sessions.find_actor(session, user_sessions.start(session, by, NOW), NOW, LIFE)

    assert not actor(admin).must_add_factor  # type: ignore[union-attr]
    practice.do(factor_setting.change, required=True, by=admin, now=NOW)

    missing = {one.email: actor(one).must_add_factor for one in (practice.biller, admin, ruth)}  # type: ignore[union-attr]
    assert missing == {practice.biller.email: False, admin.email: True, ruth.email: False}
    assert practice.do(factor_setting.count_without, practice.id) == 1
    with pytest.raises(FactorRequired):
        practice.do(own_factor.remove, password=PASSWORD, by=ruth, now=NOW)
    (entry,) = practice.audited("second_factor.changed")
    assert entry.facts == {"second_factor_required": {"from": False, "to": True}}
    assert practice.violations() == []
    practice.sql(
        "INSERT INTO single_sign_on (practice_id, active, issuer, client_id, client_secret, groups_claim, adds_users, "
        "asks_second_factor, password_sign_in) VALUES (:id, true, '', '', '', '', false, true, false)",
        id=practice.id,
    )
    assert practice.do(factor_setting.count_without, practice.id) == 0, "the identity provider asks each user"


def test_an_administrator_who_resets_a_factor_signs_the_user_out_and_controls_the_account(
    practice: GivenPractice, admin: Actor, ruth: Actor, secret: str
) -> None:
    practice.do(user_sessions.start, ruth, NOW)

    for _ in range(2):
        practice.do(user_management.reset_factor, ruth.user_id, by=admin, now=NOW)

    assert [entry.facts for entry in practice.audited("user.factor_reset")] == [{"sessions_ended": 1}]
    assert sign_in(practice, ruth) == ruth
    with practice.sessions() as session:
        assert session.scalars(select(SecondFactor)).all() == []
        assert session.scalars(select(UserSession)).all() == []
        (grant,) = Ties.read(session, practice.id).grants_of(ruth.user_id)
    assert grant.describe("your account") == "reset the second factor of your account"


def test_verification_lasts_five_minutes(practice: GivenPractice, ruth: Actor, secret: str) -> None:
    token = practice.do(user_sessions.start, ruth, NOW)

    def is_verified(after: float) -> bool:
        with practice.sessions() as session:
            return user_sessions.find_actor(session, token, NOW + after * MINUTE, LIFE).is_verified  # type: ignore[union-attr]

    assert [is_verified(4.9), is_verified(5)] == [True, False]
    later = NOW + 10 * MINUTE
    given: dict[str, Any] = {"token": token, "by": replace(ruth, has_app=True), "now": later, "address": "there"}
    with pytest.raises(WrongCode):  # the password is not enough for a user with a second factor
        practice.do(verification.verify, given="", password=PASSWORD, **given)
    assert not is_verified(10)
    practice.do(verification.verify, given=code_at(secret, later), password="", **given)
    assert [is_verified(14.9), is_verified(15)] == [True, False]
    assert [entry.user_id for entry in practice.audited("user.factor_failed")] == [ruth.user_id]


def test_a_user_without_a_factor_gives_the_password_again(practice: GivenPractice, ruth: Actor) -> None:
    token = practice.do(user_sessions.start, ruth, NOW - 10 * MINUTE)
    given: dict[str, Any] = {"given": "", "token": token, "by": ruth, "now": NOW, "address": "there"}

    with pytest.raises(WrongPassword):
        practice.do(verification.verify, password="wrong", **given)
    practice.do(verification.verify, password=PASSWORD, **given)

    with practice.sessions() as session:
        assert user_sessions.find_actor(session, token, NOW, LIFE) == ruth
    assert [entry.user_id for entry in practice.audited("user.verification_failed")] == [ruth.user_id]


def acts_of(practice: GivenPractice, admin: Actor, ruth: Actor) -> dict[str, Callable[[Actor], Any]]:
    """Return the acts that need verification, each by the user given."""
    money = {"claim_cents": 1, "job_cents": 1}
    new: dict[str, Any] = {"email": "new@lakeside.example", "name": "New", "role": Role.BILLER, **money}
    biller = practice.biller.user_id
    practice.claims(4)
    practice.limit(job=4_000)
    practice.sql("UPDATE practice SET large_confirm_cents = 1500")
    large = practice.preview({"claim_ids": ["C00001", "C00002"]}, by=admin, key="large")
    over = practice.confirmed({"all": True}, key="over")
    settled = practice.settle({"claim_ids": ["C00003"]}, key="settled")
    back = practice.request_reversal(settled, by=admin)
    nightly = practice.act(schedule_commands.create, a_request(), by=admin)
    practice.claim("P", Line(10_00))
    practice.limit_of(practice.biller, claim=1)
    waiting = practice.post("P", 2, kind="payment", responsibility="insurance", paid_by="primary").request
    assert waiting is not None
    do = practice.act
    return {
        "a large CONFIRM": lambda by: practice.confirm(large, by=by),
        "the CONFIRM of a reversal": lambda by: practice.confirm(back, by=by),
        "an approval": lambda by: practice.approve(over, by=by),
        "the approval of a posting": lambda by: do(posting_decisions.approve, waiting.id, by=by),
        "limits of the practice": lambda by: do(limits.set_write_off_limits, **money, by=by),
        "rule limits": lambda by: do(limits.set_rule_limits, {"statements_min": 1}, by=by),
        "limits of a user": lambda by: do(user_management.set_limits, biller, **money, by=by),
        "a new user": lambda by: do(user_management.add, **new, by_mail=False, by=by),
        "a role": lambda by: do(user_management.change_role, biller, Role.APPROVER, by=by),
        "a reset": lambda by: do(user_management.reset_factor, biller, by=by),
        "a password link": lambda by: do(user_management.make_password_link, biller, by_mail=False, by=by),
        "one person": lambda by: do(one_person_choice.end, by=by),
        "the zone": lambda by: do(time_zone.set_time_zone, "America/Denver", by=by),
        "the setting": lambda by: do(
            write_off_setting.set_for_practice, practice_id=practice.id, setting=WriteOffSetting.BOTH, by=by
        ),
        "a provider's setting": lambda by: do(
            write_off_setting.set_for_provider,
            practice_id=practice.id, provider_external_id="1", setting=WriteOffSetting.BOTH, by=by,
        ),
        "the choice about second factors": lambda by: do(
            factor_setting.change, large_confirm_cents=UNLIMITED, by=by
        ),
        "a schedule that settles": lambda by: do(
            schedule_commands.start_settling, nightly.id, confirmation="CONFIRM", version=nightly.version, by=by
        ),
        "a token": lambda by: do(tokens.add_own, name="x", scopes=[Scope.READ], days=1, by=by),
    }  # fmt: skip


def raised(act: Callable[[], Any]) -> Refusal | None:
    try:
        act()
    except Refusal as refusal:
        return refusal
    return None


def test_what_moves_much_money_or_changes_who_may_needs_verification(
    practice: GivenPractice, admin: Actor, ruth: Actor
) -> None:
    acts = acts_of(practice, admin, ruth)
    unverified = replace(admin, is_verified=False)
    refused = {name: type(raised(partial(act, unverified))) for name, act in acts.items()}
    assert refused == dict.fromkeys(acts, VerificationNeeded)
    for act in acts.values():
        act(admin)


def test_a_small_confirm_and_a_rejection_need_no_verification(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(10_000_00))
    practice.claim("2", Line(10_000_01))
    by = replace(practice.biller, is_verified=False)

    practice.confirm(practice.preview({"claim_ids": ["1"]}, key="small"), by=by)
    with pytest.raises(VerificationNeeded):
        practice.confirm(practice.preview({"claim_ids": ["2"]}, key="large"), by=by)
    practice.do(factor_setting.change, large_confirm_cents=UNLIMITED, by=admin, now=NOW)
    practice.limit(job=1)
    over = practice.preview({"claim_ids": ["2"]}, key="over")
    practice.confirm(over, by=by)
    practice.reject(over, by=replace(admin, is_verified=False))
