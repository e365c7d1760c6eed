"""The delimiters of an interchange, which its ISA segment declares."""

import re
from functools import cached_property
from typing import Final

ISA_ELEMENTS: Final = 16
_ISA_CHARACTERS_MAX: Final = 1_000  # 106 if the sender follows the standard
_USAGE, _VERSION, _REPETITION = 15, 12, 11  # ISA15, ISA12, ISA11
_NEVER: Final = " .-\0"  # these occur in amounts and in padded elements
_LINE_ENDS: Final = "\r\n"
_ISA: Final = r"ISA[^A-Za-z0-9 \t\r\n]"  # control characters such as 0x1D are usual delimiters
# ISA01 has two characters, which tells the segment from a word that ends in ISA.
ISA_START: Final = re.compile(r"ISA(?=([^A-Za-z0-9 \t\r\n])[\r\n]*[0-9][\r\n]*[0-9A-Z][\r\n]*\1)")
# Digests must not depend on the delimiters: the same remittance may arrive through two clearinghouses.
_ELEMENT_MARK, _COMPONENT_MARK = 0x1D, 0x1F
SEGMENT_MARK: Final = "\x1e"


class BadIsa(Exception):
    """The ISA segment is not complete."""


class BadDelimiters(Exception):
    """The delimiters are not usable."""


class Delimiters:
    """The characters between elements, between components, and after each segment."""

    def __init__(self, element: str, component: str, terminator: str, repetition: str = "") -> None:
        """Raise `BadDelimiters` unless all of them are different punctuation characters."""
        self.element, self.component, self.terminator = element, component, terminator
        used = [element, component, terminator, *([] if _is_alphanumeric(repetition) else repetition)]
        if len(set(used)) < len(used) or any(_is_alphanumeric(one) or one in _NEVER for one in used):
            raise BadDelimiters
        if element in _LINE_ENDS or component in _LINE_ENDS:
            raise BadDelimiters

    @cached_property
    def interchange_boundary(self) -> re.Pattern[str]:
        """Return the pattern of a terminator before an IEA segment or before the ISA of another interchange."""
        end, element = re.escape(self.terminator), re.escape(self.element)
        return re.compile(f"{end}[ \\t]*(?:IEA(?:{element}|(?={end}))|{_ISA})")

    @cached_property
    def neutral(self) -> bytes:
        """Return the table that replaces the delimiters, for digests."""
        table = bytearray(range(256))
        table[ord(self.element)], table[ord(self.component)] = _ELEMENT_MARK, _COMPONENT_MARK
        return bytes(table)

    def without_line_ends(self, text: str) -> str:
        """Remove line ends, which may stand anywhere, even inside an element. Keep the terminator."""
        for line_end in _LINE_ENDS:
            if line_end != self.terminator and line_end in text:
                text = text.replace(line_end, "")
        return text

    def place_with_line_ends(self, text: str, place: int) -> int:
        """Return the place in `text` of the character that is at `place` without line ends."""
        for found in re.finditer(r"[\r\n]", text):
            if found.start() > place:
                break
            place += found[0] != self.terminator
        return place


def read_isa(text: str) -> tuple[list[str], Delimiters, int]:
    """Read the ISA segment at the start of `text`. Return its elements, its delimiters and its length.

    Elements may have any length: some senders do not pad them. Raise `BadIsa` or `BadDelimiters`.
    """
    element, seen, kept = text[3:4], 0, []
    for place, character in enumerate(text[:_ISA_CHARACTERS_MAX]):
        if seen == ISA_ELEMENTS and character not in _LINE_ENDS:
            component, end = character, place + 1
            break
        seen += character == element
        kept.append(character)
    else:
        raise BadIsa
    elements = "".join(kept).translate({10: None, 13: None}).split(element)
    elements[-1] = component
    # A line end here is the terminator, or it cuts the segment. After a terminator comes a letter.
    after = text[end:].lstrip(_LINE_ENDS)[:1]
    if after and text[end] in _LINE_ENDS and not _is_alphanumeric(after):
        end = text.index(after, end)
    terminator = text[end : end + 1]
    if not terminator:
        raise BadIsa
    repetition = elements[_REPETITION].strip() if elements[_VERSION].strip() >= "00402" else ""
    if len(repetition) > 1 or len(elements[_USAGE]) > 1:
        raise BadIsa
    return elements, Delimiters(element, component, terminator, repetition), end + 1


def _is_alphanumeric(text: str) -> bool:
    return text.isascii() and text.isalnum()
