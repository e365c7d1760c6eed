"""How large a request may be, and who may send a large one."""

from typing import Final

from flask import Flask, request
from werkzeug.exceptions import RequestEntityTooLarge

from webui.shared import auth, token_auth
from webui.shared.problem_json import API_PATH

BODY_BYTES_MAX: Final = 32 * 1024 * 1024  # a million claim ids in one request, with a reserve
BODY_BYTES_BEFORE_SIGN_IN_MAX: Final = 64 * 1024  # a sign-in form has a few hundred
HEAD_BYTES_MAX: Final = 32 * 1024  # the feed's filter in the address, and the cookies, have a few thousand
UPLOAD_PATH: Final = "/imports"


def too_large_sentence(path: str) -> str:
    """Return what to say about a request to `path` that is too large."""
    if path == UPLOAD_PATH:
        most = BODY_BYTES_MAX // 1_000_000
        return (
            f"These files are too large for a browser without JavaScript, which can send up to {most} MB. "
            "Turn on JavaScript, or upload a zip file that contains the files."
        )
    return "This request is too large."


def register(app: Flask) -> None:
    """Refuse a large body from a caller who is not signed in, before anything reads it."""
    app.config.update(MAX_CONTENT_LENGTH=BODY_BYTES_MAX, MAX_FORM_MEMORY_SIZE=BODY_BYTES_MAX)
    # First, because the check of the form token reads the form.
    app.before_request_funcs.setdefault(None, []).insert(0, _refuse_large_body_before_sign_in)


def _refuse_large_body_before_sign_in() -> None:
    if (request.content_length or 0) > BODY_BYTES_BEFORE_SIGN_IN_MAX and not _is_signed_in():
        raise RequestEntityTooLarge


def _is_signed_in() -> bool:
    if request.path.startswith(API_PATH):
        return token_auth.current_actor() is not None  # raises `TokenNeeded`
    return auth.signed_in_actor() is not None
