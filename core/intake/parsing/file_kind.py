"""Recognize files that are not CSV in UTF-8 by their first bytes, and say how to convert them."""

import re
from typing import Final

_EXPORT: Final = "export it as CSV UTF-8"
_SIGNATURES: Final = (
    (b"\xff\xfe\x00\x00", "this is UTF-32 text; save it as CSV UTF-8"),
    (b"\x00\x00\xfe\xff", "this is UTF-32 text; save it as CSV UTF-8"),
    (b"\xff\xfe", "this is UTF-16 text (Excel calls it Unicode Text); save it as CSV UTF-8"),
    (b"\xfe\xff", "this is UTF-16 text (Excel calls it Unicode Text); save it as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", f"this is an old or protected Excel workbook (XLS); open it and {_EXPORT}"),
    (b"%PDF", f"this is a PDF, which cannot be imported; {_EXPORT} from the program that created it"),
    (b"\x1f\x8b", "this is a compressed file (gzip); unpack it first"),
    (b"BZh", "this is a compressed file (bzip2); unpack it first"),
    (b"7z\xbc\xaf", "this is a compressed file (7z); unpack it first"),
    (b"Rar!", "this is a compressed file (RAR); unpack it first"),
    (b"{\\rtf", f"this is a word-processor file (RTF); {_EXPORT} from the program that created it"),
    (
        b"ISA*",
        "this is an X12 file, such as an 835 or 837; import it without a mapping, and not with files of another type",
    ),
)
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_TEXT: Final = re.compile(rb"\s*(<\?xml|<!doctype|<html|<table|<workbook|[{\[])", re.IGNORECASE)
_UTF_16_BYTES: Final = 200  # enough to see that every second byte is 0


def explain_if_not_csv(head: bytes) -> str | None:
    """Return the fix if a file that begins with `head` is not CSV, or None if it may be."""
    if head.startswith(_ZIP):
        return _explain_zip(head)
    return next((cure for signature, cure in _SIGNATURES if head.startswith(signature)), None) or _explain_text(head)


def _explain_text(head: bytes) -> str | None:
    begin = head[:_UTF_16_BYTES]
    if begin[1:] and (not any(begin[1::2]) or not any(begin[::2])):
        return "this is UTF-16 text, or the file is damaged; save it as CSV UTF-8"
    marked = _TEXT.match(head.removeprefix(b"\xef\xbb\xbf"))
    if marked is not None and marked[1] in b"{[":
        return f"this is JSON; {_EXPORT} from the program that created it"
    if marked is not None:
        return f"this is a web page or XML file (some programs name it .xls or .csv); open it in Excel and {_EXPORT}"
    if b"\r" in head.rstrip(b"\r") and b"\n" not in head:
        return "the lines end with only a carriage return (CR), as on old Macs; save the file with LF or CRLF"
    return None


def _explain_zip(head: bytes) -> str:
    if b"word/" in head:
        return f"this is a Word document (DOCX); {_EXPORT} from the program that created it"
    if b"[Content_Types].xml" in head or b"xl/" in head or b"_rels/" in head:
        return f"this is an Excel workbook (XLSX); open it and {_EXPORT}"
    if b"opendocument" in head:
        return f"this is a LibreOffice document (ODS); open it and {_EXPORT}"
    if b"Index/" in head:
        return f"this is a Numbers document; open it and {_EXPORT}"
    return "this is a ZIP file; unpack it first"
