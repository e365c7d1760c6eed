"""Acts of core, each in its own transaction as the signed-in user, and what a page shows if one is refused."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

from flask import flash, g, redirect, request, url_for
from werkzeug.wrappers import Response

from core.access.permissions import VerificationNeeded
from core.db.engine import transaction
from core.errors import NotAllowed, NotFound, Refusal
from core.jobs.keys import JobKey
from webui.shared.app_context import app_context, now
from webui.shared.auth import current_actor
from webui.shared.labels import message_for_page

T = TypeVar("T")


def run(act: Callable[..., T], *given: Any, **more: Any) -> T:
    """Call `act`, a command of core, and commit."""
    by = current_actor()
    try:
        with transaction(app_context().sessions) as db:
            return act(db, *given, by=by, now=now(), **more)
    except VerificationNeeded as refusal:
        g.verification_needed = refusal.message  # shown at the field, if the page shows its form again
        raise


def read(query: Callable[..., T], *given: Any, **more: Any) -> T:
    """Call `query`, which only reads."""
    with app_context().sessions() as db:
        return query(db, *given, **more)


def sentence_on_page(refusal: Refusal) -> str:
    """Return the sentence to show on the user's page. Re-raise a refusal that has its own page."""
    if isinstance(refusal, NotFound | NotAllowed):
        raise refusal
    return message_for_page(refusal)


def is_accepted(box: str, fields: Iterable[str]) -> bool:
    """Return whether the user checked a box that accepts a warning about these fields. A changed field needs a new one.

    The value of the box is the values of the fields.
    """
    return request.form.get(box) == " ".join(request.form.get(name, "") for name in fields)


def job_key(job_id: int) -> JobKey:
    """Return the key of the job with this id in the user's practice."""
    return JobKey(current_actor().practice_id, job_id)


def redirect_to(endpoint: str, **values: Any) -> Response:
    """Redirect to a page."""
    return redirect(url_for(endpoint, **values), code=HTTPStatus.SEE_OTHER)


def redirect_with(message: str, endpoint: str, *, tone: str = "good", **values: Any) -> Response:
    """Redirect to a page that shows the message."""
    flash(message, tone)
    return redirect_to(endpoint, **values)
