"""The printed certificate: every page has its number."""

import re
import zlib

from core.enums.practices import PayerClass
from tests.browser.conftest import OPEN, no_browser
from tests.factories import GivenPractice, Line

pytestmark = no_browser


def pages_of(pdf: bytes) -> list[str]:
    """Return the text of each page of a PDF that Chromium made, without the white space between words."""
    begins = re.finditer(rb"<<(?:(?!endobj).)*?/Length (\d+)(?:(?!endobj).)*?>>\s*stream\r?\n", pdf, re.DOTALL)
    streams = [pdf[found.end() : found.end() + int(found[1])] for found in begins]
    texts = [zlib.decompress(stream) for stream in streams if stream[:1] == b"x"]
    glyphs: dict[bytes, str] = {}
    for cmap in (text for text in texts if b"begincmap" in text):
        for first, last, letter in re.findall(rb"^<(\w{4})> (?:<(\w{4})> )?<(\w{4})>$", cmap, re.MULTILINE):
            begin, end = int(first, 16), int(last or first, 16)
            glyphs |= {b"%04X" % code: chr(int(letter, 16) + code - begin) for code in range(begin, end + 1)}
    contents = [text for text in texts if b" Tj" in text]
    return ["".join(glyphs.get(glyph, "?") for hexes in re.findall(rb"<(\w+)> Tj", text)
                    for glyph in re.findall(rb"\w{4}", hexes)) for text in contents]  # fmt: skip


def test_each_page_of_a_printed_certificate_has_its_number(practice: GivenPractice, open_as: OPEN) -> None:
    for number in range(60):
        payer = practice.payer(f"P{number}", PayerClass.COMMERCIAL)
        practice.claim(f"C{number}", Line(100, 50), primary_payer_id=payer)
    job = practice.settle()
    page = open_as(f"/jobs/{job.job_id}/certificate", practice.biller)

    printed = [re.sub(r"\s", "", text) for text in pages_of(page.pdf(prefer_css_page_size=True))]

    assert len(printed) > 1
    for number, text in enumerate(printed, start=1):
        assert f"Page{number}of{len(printed)}" in text, (number, text[-200:])
