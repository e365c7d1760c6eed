"""Why a server cannot be used: each cause has a code, words and a cure, and none of them names a user or an address."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One reason. `signs` are the libraries' and the server's own words, in lower case."""

    code: str
    words: str
    cure: str
    signs: tuple[str, ...] = ()
    sqlstates: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The words and the cure."""
        return f"{self.words} {self.cure}"


def first_that_shows(causes: Iterable[Cause], text: str) -> Cause | None:
    """Return the first cause whose sign stands in the text of an error."""
    said = " ".join(text.lower().split())
    return next((cause for cause in causes if any(sign in said for sign in cause.signs)), None)
