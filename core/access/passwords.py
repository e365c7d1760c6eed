"""Check that a password is hard to guess, hash it, and compare it."""

import re
import secrets
from collections.abc import Iterable
from threading import Lock
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from core.errors import BadInput

PASSWORD_CHARACTERS_MIN: Final = 12
PASSWORD_CHARACTERS_MAX: Final = 1_000  # hashing a megabyte would only keep a thread busy
# zxcvbn tries every spelling with symbols for letters: 24 characters take up to half a second, 72 take ten.
JUDGED_CHARACTERS_MAX: Final = 24
SCORE_MIN: Final = 3  # of 4: more than 100 million guesses
# zxcvbn takes three known words in a row for 100 million guesses, so they do not count toward the length.
CHARACTERS_BESIDES_NAMES_MIN: Final = 8
PRODUCT_WORDS: Final = ("settle", "batch", "batchsettle", "claims", "billing", "writeoff", "write-off")
_GENERATED_PASSWORD_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105 – none that look alike
_HASHER: Final = PasswordHasher()  # argon2id, RFC 9106's low-memory profile
_JUDGING: Final = Lock()  # zxcvbn keeps the words of a call in a global table
_TOO_EASY: Final = "This password is too easy to guess."
_ADVICE: Final = "Use several unrelated words, or let a password manager create one."
_REASONS: Final = {
    "user_inputs": "It consists mostly of your name, e-mail address or practice, or of words of billing.",
    "passwords": "It contains a password that many people use.",
    "repeat": "It repeats the same characters.",
    "sequence": "It contains a sequence such as abc or 123.",
    "spatial": "It follows the keys of a keyboard.",
    "date": "It contains a date.",
}


class BadPassword(BadInput):
    """A password must have at least 12 characters."""


class WeakPassword(BadPassword):
    """This password is too easy to guess. Use several unrelated words, or let a password manager create one."""


def hash_new(password: str, *, known: Iterable[str]) -> str:
    """Return the hash of a new password. Raise what `check_new` raises."""
    check_new(password, known=known)
    return hash_password(password)


def check_new(password: str, *, known: Iterable[str]) -> None:
    """Raise `BadPassword` if it is too short or too long, and `WeakPassword` if it is easy to guess.

    `known` are names that an attacker would try first.
    """
    if len(password) < PASSWORD_CHARACTERS_MIN:
        raise BadPassword
    if len(password) > PASSWORD_CHARACTERS_MAX:
        raise BadPassword(f"A password can have at most {PASSWORD_CHARACTERS_MAX:,} characters.")
    words = _words(known)
    if len(_without(words, password)) < CHARACTERS_BESIDES_NAMES_MIN:
        raise WeakPassword(f"{_TOO_EASY} {_REASONS['user_inputs']} {_ADVICE}")
    found = _judge(password[:JUDGED_CHARACTERS_MAX], words)
    if found["score"] < SCORE_MIN:
        raise WeakPassword(f"{_TOO_EASY} {_reason(found)}{_ADVICE}")


def hash_password(password: str) -> str:
    """Return the hash."""
    return _HASHER.hash(_bytes(password))


def hash_of_none() -> str:
    """Return a hash that no password matches, for a user who has not set one yet."""
    return hash_password(secrets.token_urlsafe())


def matches(password_hash: str, password: str) -> bool:
    """Return whether the password has this hash."""
    try:
        return _HASHER.verify(password_hash, _bytes(password))
    except (VerifyMismatchError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Return whether the hash was made with parameters that are no longer used."""
    return _HASHER.check_needs_rehash(password_hash)


def generate_password(*, groups: int = 4) -> str:
    """Return a password to show once, in groups of four characters with about 20 bits each."""
    return "-".join("".join(secrets.choice(_GENERATED_PASSWORD_LETTERS) for _ in range(4)) for _ in range(groups))


def _judge(password: str, words: list[str]) -> Any:
    # Imported here, because it reads its lists for a tenth of a second, and few commands need it.
    from zxcvbn import zxcvbn

    with _JUDGING:
        return zxcvbn(password, user_inputs=words)


def _words(known: Iterable[str]) -> list[str]:
    """Return each name, and each of its words."""
    names = [*known, *PRODUCT_WORDS]
    return [*names, *(word for name in names for word in re.split(r"[\W_]+", name) if len(word) > 2)]  # noqa: PLR2004


def _without(words: list[str], password: str) -> str:
    """Return the letters and digits of the password that belong to none of these words."""
    known = "|".join(re.escape(word.lower()) for word in sorted(words, key=len, reverse=True) if word)
    return re.sub(r"[\W_]+", "", re.sub(known, "", password.lower()))


def _reason(found: Any) -> str:
    kinds = {kind for part in found["sequence"] for kind in (part.get("dictionary_name"), part["pattern"])}
    return next((f"{words} " for kind, words in _REASONS.items() if kind in kinds), "")


def _bytes(password: str) -> bytes:
    return password[:PASSWORD_CHARACTERS_MAX].encode("utf-8", "surrogatepass")
