"""Preview the same claims again with a different posting date."""

import datetime as dt
from http import HTTPStatus

from flask import redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from core.access.permissions import Action
from core.errors import Refusal
from core.jobs import preview_again
from core.practices.periods import BadPostingDate
from core.reading import day
from webui.jobs import confirm
from webui.jobs.job_pages import JOB_ID_RULE
from webui.shared import acts
from webui.shared.app_context import app_context, hint_workers
from webui.shared.auth import Pages

blueprint = Pages("redate", __name__, url_prefix="/jobs")


class BadDate(BadPostingDate):
    """Enter a valid posting date as MM/DD/YYYY: a day in an open month, up to today."""


@blueprint.post(f"/{JOB_ID_RULE}/date", needs=Action.SEE_CLAIMS)  # core checks who may preview this kind of job
def preview_dated(job_id: int) -> BaseResponse | tuple[str, int]:
    """Preview the job's claims again with the date in the form."""
    try:
        job = acts.run(
            preview_again.preview_same_request,
            acts.job_key(job_id),
            posting_date=typed_date(request.form.get("posting_date", "")),
            chunk_claims=app_context().settings.chunk_claims,
        )
    except Refusal as refusal:
        return confirm.render_job_dialog(job_id, refusal.http_status, refused=acts.sentence_on_page(refusal))
    hint_workers(job)
    if confirm.in_dialog():
        return confirm.render_job_dialog(job.id, HTTPStatus.CREATED)
    return redirect(url_for("jobs.show", job_id=job.id), code=HTTPStatus.SEE_OTHER)


def typed_date(typed: str) -> dt.date:
    """Return the date in the field. Raise `BadDate`."""
    try:
        return day(typed.strip())
    except ValueError:
        raise BadDate from None
