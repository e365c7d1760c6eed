"""Characters that look like others or are invisible, and ids compared by how they look."""

import unicodedata
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, func

# Letters of other alphabets and symbols that look like plain ones.
_LOOKS_LIKE: Final = {
    "\u0410": "A", "\u0412": "B", "\u0415": "E", "\u041a": "K", "\u041c": "M", "\u041d": "H", "\u041e": "O",
    "\u0420": "P", "\u0421": "C", "\u0422": "T", "\u0425": "X", "\u0423": "Y", "\u0406": "I", "\u0408": "J",
    "\u0405": "S", "\u0430": "a", "\u0435": "e", "\u043e": "o", "\u0440": "p", "\u0441": "c", "\u0445": "x",
    "\u0443": "y", "\u0456": "i", "\u0458": "j", "\u0455": "s",
    "\u0391": "A", "\u0392": "B", "\u0395": "E", "\u0396": "Z", "\u0397": "H", "\u0399": "I", "\u039a": "K",
    "\u039c": "M", "\u039d": "N", "\u039f": "O", "\u03a1": "P", "\u03a4": "T", "\u03a5": "Y", "\u03a7": "X",
    "\u03bf": "o", "\u03bd": "v",
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
    "\u2018": "'", "\u2019": "'",
}  # fmt: skip
# Invisible, although Unicode classes some of them as letters or marks.
_BLANK: Final = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
_INVISIBLE_CATEGORIES: Final = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
_ZERO_WIDTH: Final = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff" + "".join(map(chr, range(0x202A, 0x202F)))
_FROM: Final = "".join(_LOOKS_LIKE) + _ZERO_WIDTH + _BLANK


def describe_character(character: str) -> str:
    """Return its number and Unicode name, as `U+200B (ZERO WIDTH SPACE)`."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} ({name})" if name else f"U+{ord(character):04X}"


def is_hidden(character: str) -> bool:
    """Return whether the character is invisible or looks like a space, but is not a plain space."""
    return character != " " and (unicodedata.category(character) in _INVISIBLE_CATEGORIES or character in _BLANK)


def first_hidden_character(text: str) -> str | None:
    """Return the first hidden character of the text, or None."""
    if text.isascii() and text.isprintable():
        return None
    return next(filter(is_hidden, text), None)


def explain_unplain_character(text: str) -> str | None:
    """Return the fix for the first character that is not plain, or None if all are plain."""
    for character in text:
        if is_hidden(character):
            return f"remove the hidden character {describe_character(character)}"
        if character == "\u2212" or (unicodedata.category(character) == "Pd" and character != "-"):
            return f'the minus sign is a special character, {describe_character(character)}; use the plain minus "-"'
        if character not in "0123456789" and unicodedata.category(character) == "Nd":
            return (
                f"the digits are special characters, such as {describe_character(character)}; use plain digits 0 to 9"
            )
    return None


def fold_look_alikes(text: str) -> str:
    """Return the text as it looks: composed, without hidden characters, and with plain letters for look-alikes."""
    seen = "".join(_LOOKS_LIKE.get(c, c) for c in unicodedata.normalize("NFKC", text) if not is_hidden(c))
    return seen.strip()


def fold_look_alikes_sql(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Return the SQL expression for `fold_look_alikes`."""
    # Qualified, because plain NORMALIZE is PostgreSQL syntax that takes the form without quotes.
    composed = func.pg_catalog.normalize(column, "NFKC", type_=Text)
    return func.translate(composed, _FROM, "".join(_LOOKS_LIKE.values()), type_=Text)
