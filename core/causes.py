"""Why a server is unavailable. Each cause has a code, a sentence and a cure, without user names or addresses."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One cause. `signs` are phrases from the errors of libraries and servers, in lowercase."""

    code: str
    words: str
    cure: str
    signs: tuple[str, ...] = ()
    sqlstates: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Return the words and the cure."""
        return f"{self.words} {self.cure}"


def find_cause(causes: Iterable[Cause], text: str) -> Cause | None:
    """Return the first cause with a sign that appears in an error's text."""
    message = " ".join(text.lower().split())
    return next((cause for cause in causes if any(sign in message for sign in cause.signs)), None)
