"""Read a delimited text file line by line, and detect its encoding and delimiter."""

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from core.intake.parsing.lines import BadLine, UnreadableFile, split_fields

DELIMITERS: Final = (",", ";", "\t", "|")
UTF_8: Final = "utf-8"
WINDOWS_1252: Final = "windows-1252"
_PIECE_BYTES: Final = 1_000_000
_LINE_CHARACTERS_MAX: Final = 1_000_000
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, None),
    (codecs.BOM_UTF32_BE, None),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The bytes from 0x80 to 0x9F that occur in a US office's Windows-1252 text: quotes, dashes, €, …, ™, •, Œ, Š, Ž, Ÿ.
_USUAL_BYTES: Final = frozenset(b"\x80\x85\x8a\x8c\x8e\x91\x92\x93\x94\x95\x96\x97\x99\x9a\x9c\x9e\x9f")
_C1_BYTES: Final = frozenset(range(0x80, 0xA0))
_CHARACTERS_SHOWN_MAX: Final = 10
_SAMPLE_LINES: Final = 50


class Encoding(NamedTuple):
    """The encoding of a file. `evidence` is empty if the file itself proves it (a byte order mark, or valid UTF-8)."""

    name: str
    evidence: str


def detect_encoding(path: Path) -> Encoding:
    """Return the encoding, reading the whole file in pieces. Raise `UnreadableFile` if it is unknown."""
    with path.open("rb") as binary:
        head = binary.read(4_096)
    for mark, name in _BOMS:
        if head.startswith(mark):
            if name is None:
                raise UnreadableFile("this is UTF-32 text; save it as CSV UTF-8", 1)
            return Encoding(name, "")
    if head[1:] and (not any(head[1:200:2]) or not any(head[:200:2])):
        return Encoding("utf-16-le" if not any(head[1:200:2]) else "utf-16-be", "")
    return _utf_8_or_windows(path)


def _utf_8_or_windows(path: Path) -> Encoding:
    """Return UTF-8 if all of the file is valid UTF-8. Otherwise, return Windows-1252 if no byte rules it out."""
    decoder, is_utf_8, odd = codecs.getincrementaldecoder("utf-8")(), True, set[int]()
    line = first_line = 1
    with path.open("rb") as binary:
        while piece := binary.read(_PIECE_BYTES):
            try:
                decoder.decode(piece) if is_utf_8 else None
            except UnicodeDecodeError as error:
                is_utf_8 = False
                first_line = line + piece.count(b"\n", 0, max(error.start, 0))
            if not piece.isascii():
                odd.update(byte for byte in set(piece) if byte >= 0x80)  # noqa: PLR2004  not ASCII
            line += piece.count(b"\n")
    if is_utf_8 and decoder.getstate()[0] == b"":
        return Encoding(UTF_8, "")
    strange = (odd & _C1_BYTES) - _USUAL_BYTES
    if strange:
        raise UnreadableFile(
            f"the file is not UTF-8, and byte 0x{min(strange):02X} is unusual in Windows-1252; save it as CSV UTF-8",
            first_line,
        )
    seen = " ".join(bytes([byte]).decode(WINDOWS_1252) for byte in sorted(odd)[:_CHARACTERS_SHOWN_MAX])
    evidence = f"line {first_line} is not UTF-8; in Windows-1252, the file contains these characters: {seen}"
    return Encoding(WINDOWS_1252, evidence)


def read_text_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield the lines as text, numbered from 1. Raise `UnreadableFile`."""
    number = 0
    try:
        with path.open(encoding=encoding, newline="\n") as text:
            while line := text.readline(_LINE_CHARACTERS_MAX):
                number += 1
                if len(line) == _LINE_CHARACTERS_MAX:
                    raise UnreadableFile("the line is longer than a million characters; is this a CSV file?", number)
                yield number, line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeError:
        raise UnreadableFile(f"the file is not {encoding.upper()} from here on; save it as CSV UTF-8", number) from None


def detect_delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that splits the most of these lines into the same number of fields."""
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == len("sep=,"):
        return lines[0].strip()[-1]

    def fit(delimiter: str) -> tuple[int, int]:
        widths = [_width(line, delimiter) for line in lines if line.strip()]
        usual = max(set(widths), key=lambda width: (widths.count(width), width)) if widths else 1
        return (widths.count(usual) if usual > 1 else 0, usual)

    return max(DELIMITERS, key=fit)


def sample_lines(path: Path, encoding: str) -> list[str]:
    """Return the first lines. Raise `UnreadableFile`."""
    return [
        line
        for _, line in zip(range(_SAMPLE_LINES), (text for _, text in read_text_lines(path, encoding)), strict=False)
    ]


def _width(line: str, delimiter: str) -> int:
    try:
        return len(split_fields(line, delimiter))
    except BadLine:
        return 1
