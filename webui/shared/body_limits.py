"""How large a request may be, who may send a large one, and how many at once."""

import threading
from collections import Counter
from http import HTTPStatus
from typing import ClassVar, Final

from flask import Flask, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from core.access.permissions import Actor
from core.errors import Refusal
from webui.shared import auth, token_auth
from webui.shared.problem_json import API_PATH

BODY_BYTES_MAX: Final = 32 * 1024 * 1024  # a million claim ids in one request, with a reserve
BODY_BYTES_BEFORE_SIGN_IN_MAX: Final = 64 * 1024  # a sign-in form has a few hundred
HEAD_BYTES_MAX: Final = 32 * 1024  # the feed's filter in the address, and the cookies, have a few thousand
# Parsing a million ids takes seconds and hundreds of megabytes. A piece of an upload is stored without parsing.
LARGE_BODY_BYTES: Final = 2 * 1024 * 1024
_PARSED: Final = frozenset({"application/json", "application/x-www-form-urlencoded", "multipart/form-data"})
UPLOAD_PATH: Final = "/imports"


class TooManyLargeRequests(Refusal):
    """Another large request is not finished. Try again in a few seconds."""

    http_status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after_seconds: ClassVar[int | None] = 5


class LargeRequests:
    """The large requests that this process reads: one for each user, and together at most half of its threads."""

    def __init__(self, most: int) -> None:
        """Start empty."""
        self._most = most
        self._lock = threading.Lock()
        self._users: Counter[int] = Counter()

    def begin(self, user_id: int) -> None:
        """Count a request. Raise `TooManyLargeRequests`."""
        with self._lock:
            if self._users[user_id] or self._users.total() >= self._most:
                raise TooManyLargeRequests
            self._users[user_id] += 1

    def end(self, user_id: int) -> None:
        """Stop counting it."""
        with self._lock:
            del self._users[user_id]


def too_large_sentence(path: str) -> str:
    """Return what to say about a request to `path` that is too large."""
    if path == UPLOAD_PATH:
        most = BODY_BYTES_MAX // 1_000_000
        return (
            f"These files are too large for a browser without JavaScript, which can send up to {most} MB. "
            "Turn on JavaScript, or upload a zip file that contains the files."
        )
    return "This request is too large."


def register(app: Flask, *, threads: int) -> None:
    """Refuse a large body from a caller who is not signed in, and too many of them, before anything reads it."""
    app.config.update(MAX_CONTENT_LENGTH=BODY_BYTES_MAX, MAX_FORM_MEMORY_SIZE=BODY_BYTES_MAX)
    large = LargeRequests(max(1, threads // 2))

    def check_size() -> None:
        size = request.content_length or 0
        if size <= BODY_BYTES_BEFORE_SIGN_IN_MAX:
            return
        actor = _actor()
        if actor is None:
            raise RequestEntityTooLarge
        if size > LARGE_BODY_BYTES and request.mimetype in _PARSED:
            large.begin(actor.user_id)
            g.large_request_of = actor.user_id

    def end(_: BaseException | None) -> None:
        if (user_id := g.pop("large_request_of", None)) is not None:
            large.end(user_id)

    # First, because the check of the form token reads the form.
    app.before_request_funcs.setdefault(None, []).insert(0, check_size)
    app.teardown_request(end)


def _actor() -> Actor | None:
    if request.path.startswith(API_PATH):
        return token_auth.current_actor()  # raises `TokenNeeded`
    return auth.signed_in_actor()
