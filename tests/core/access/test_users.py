"""Adding users and signing in."""

from typing import Any, Literal

import pytest
from argon2 import PasswordHasher
from sqlalchemy.orm import Session

from core.access import passwords, users
from core.db.engine import Sessions
from core.enums.people import Role
from core.errors import Refusal
from core.models.people import AuditEntry, User
from core.practices.create import create_practice
from tests.core.access.conftest import NOW, PASSWORD, acts


def add(session: Session, practice_id: int, **other: Any) -> User:
    given = {"email": "bob@example.org", "name": "Bob", "role": Role.ADMIN, "password": PASSWORD, "now": NOW}
    return users.add_user(session, practice_id=practice_id, **{**given, **other})


def test_an_email_is_stored_in_lower_case_and_found_in_any_case(session: Session, biller: User) -> None:
    assert biller.email == "ann@example.org"
    found = users.find_by_email(session, " ANN@example.ORG ")
    assert found is not None
    assert found.id == biller.id


def test_a_password_is_stored_only_as_an_argon2id_hash(biller: User) -> None:
    assert biller.password_hash.startswith("$argon2id$")
    assert PASSWORD not in biller.password_hash


@pytest.mark.usefixtures("biller")
def test_an_email_is_unique_across_practices(session: Session) -> None:
    other = create_practice(session, name="Other", now=NOW)
    with pytest.raises(users.EmailTaken):
        add(session, other, email="ANN@EXAMPLE.ORG")


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"email": "bob"}, "bad_email"),
        ({"email": "b ob@example.org"}, "bad_email"),
        ({"email": "bob@exa\x00mple.org"}, "bad_email"),
        ({"email": "b" * 260 + "@example.org"}, "bad_email"),
        ({"name": "  "}, "bad_user_name"),
        ({"name": "B\nob"}, "bad_user_name"),
        ({"password": "elevenchars"}, "bad_password"),
        ({"password": "x" * 1_001}, "bad_password"),
        ({"password": "password1234"}, "weak_password"),
    ],
)
def test_an_invalid_user_is_refused_with_a_code_and_a_sentence(
    session: Session, practice_id: int, other: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refusal) as refused:
        add(session, practice_id, **other)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


def test_a_user_signs_in_with_the_right_password(session: Session, biller: User) -> None:
    actor = users.sign_in(session, email="ANN@example.org", password=PASSWORD, now=NOW)

    assert (actor.user_id, actor.practice_id, actor.role) == (biller.id, biller.practice_id, Role.BILLER)
    assert acts(session) == ["user.added", "user.signed_in"]


def test_new_hashes_cost_what_rfc_9106_recommends_for_little_memory(product_hasher: PasswordHasher) -> None:
    assert (product_hasher.time_cost, product_hasher.memory_cost, product_hasher.parallelism) == (3, 64 * 1024, 4)


class CountingHasher(PasswordHasher):
    """Hash as the product does, and count how often: almost all of a sign-in's time goes into it."""

    def __init__(self) -> None:
        super().__init__()
        self.hashes = 0

    def hash(self, password: str | bytes, **given: Any) -> str:
        self.hashes += 1
        return super().hash(password, **given)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  argon2's own name
        self.hashes += 1
        return super().verify(hash, password)


def test_every_failed_sign_in_gives_the_same_answer_and_hashes_once(
    session: Session, biller: User, practice_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inactive = add(session, practice_id)
    inactive.active = False
    session.commit()
    monkeypatch.setattr(passwords, "_HASHER", hasher := CountingHasher())

    answers, hashes = set(), []
    for email, password in [
        (biller.email, "wrong"),
        ("unknown@example.org", PASSWORD),
        (inactive.email, PASSWORD),
        ("no address\x00", "x" * 100_000),
        (biller.email, ""),
    ]:
        before = hasher.hashes
        with pytest.raises(users.SignInFailed) as refused:
            users.sign_in(session, email=email, password=password, now=NOW)
        hashes.append(hasher.hashes - before)
        answers.add((refused.value.code, refused.value.message))

    assert len(answers) == 1
    assert hashes == [1] * 5


def test_a_failed_sign_in_is_audited_although_its_transaction_is_rolled_back(sessions: Sessions) -> None:
    with sessions.begin() as session:
        practice_id = create_practice(session, name="Hill Clinic", now=NOW)
        ann = add(session, practice_id, email="ann@example.org")

    for email in (ann.email, "unknown@example.org"):
        with pytest.raises(users.SignInFailed), sessions.begin() as session:
            users.sign_in(session, email=email, password="wrong", now=NOW)

    with sessions() as session:
        entries = session.query(AuditEntry).filter(AuditEntry.act == "user.sign_in_failed").all()
        assert [(e.user_id, e.subject, e.facts) for e in entries] == [(None, f"user:{ann.id}", {})], (
            "a failed sign-in names no acting user"
        )


def test_a_hash_with_outdated_parameters_is_replaced_at_the_next_sign_in(session: Session, biller: User) -> None:
    biller.password_hash = weak = PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)
    session.flush()

    users.sign_in(session, email=biller.email, password=PASSWORD, now=NOW)

    session.refresh(biller)
    assert biller.password_hash != weak
    users.sign_in(session, email=biller.email, password=PASSWORD, now=NOW)


def test_a_generated_password_is_long_enough_and_never_repeats() -> None:
    generated = {passwords.generate_password() for _ in range(100)}
    assert len(generated) == 100
    assert all(len(password) >= passwords.PASSWORD_CHARACTERS_MIN for password in generated)
