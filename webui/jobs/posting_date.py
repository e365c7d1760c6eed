"""One click from a preview in a closed month to the same preview on the next open date."""

from http import HTTPStatus

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from core.access.permissions import Action
from core.db.engine import transaction
from core.errors import BadInput, NotAllowed, NotFound, Refusal
from core.jobs import preview_again
from core.jobs.keys import JobKey
from core.reading import day
from webui.jobs import confirm
from webui.jobs.job_pages import JOB_ID_RULE
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.auth import current_actor, requires
from webui.shared.labels import message_for_page

blueprint = Blueprint("redate", __name__, url_prefix="/jobs")


class BadDate(BadInput):
    """This is not a date. Open the preview again."""

    code = "bad_date"


@blueprint.post(f"/{JOB_ID_RULE}/date")
@requires(Action.SEE_CLAIMS)  # core checks who may preview this kind of job
def preview_dated(job_id: int) -> BaseResponse | tuple[str, int]:
    """Preview it again with the date of the form."""
    actor = current_actor()
    try:
        posting_date = day(request.form.get("posting_date", ""))
    except ValueError:
        raise BadDate from None
    try:
        with transaction(app_context().sessions) as db:
            job = preview_again.preview_with_posting_date(
                db,
                JobKey(actor.practice_id, job_id),
                posting_date,
                by=actor,
                now=now(),
                chunk_claims=app_context().settings.chunk_claims,
            )
    except (NotFound, NotAllowed):
        raise
    except Refusal as refusal:
        return confirm.render_job_dialog(job_id, refusal.http_status, refused=message_for_page(refusal))
    hint_workers(job)
    if confirm.in_dialog():
        return confirm.render_job_dialog(job.id, HTTPStatus.CREATED)
    return redirect(url_for("jobs.show", job_id=job.id), code=HTTPStatus.SEE_OTHER)
