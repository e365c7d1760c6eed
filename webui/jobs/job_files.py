"""The files of a job, and its reconciliation certificate."""

from flask import Response, render_template

from core.access.permissions import Action, Actor
from core.claims import feed
from core.enums.jobs import JobFile, JobKind, JobStatus
from core.enums.practices import WriteOffSetting
from core.jobs.keys import JobKey
from core.jobs.results import certificates, files, outcomes
from webui.claims import filter_words
from webui.jobs.job_pages import JOB_ID_RULE
from webui.shared import acts, file_downloads
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor

blueprint = Pages("evidence", __name__, url_prefix="/jobs")


@blueprint.get(f"/{JOB_ID_RULE}/files/<name>.<any(csv, xlsx):form>", needs=Action.SEE_CLAIMS)
def download(job_id: int, name: str, form: str) -> Response:
    """Download one of the three files. Its rows are never all in memory at once."""
    actor = current_actor()
    return send_job_file(acts.job_key(job_id), files.parse_file(name), form, by=actor)


def send_job_file(key: JobKey, file: JobFile, form: str, *, by: Actor) -> Response:
    """Return a job's file as `csv` or `xlsx`."""
    return file_downloads.send_file(
        by=by,
        name=files.file_name(key, file, form),
        record=lambda db: files.authorize_download(db, key, file, by=by, now=now()),
        pieces=lambda db: (files.csv_file if form == "csv" else files.xlsx_file)(db, key, file, now=now()),
    )


@blueprint.get(f"/{JOB_ID_RULE}/certificate", needs=Action.SEE_CLAIMS)
def show(job_id: int) -> str:
    """Show the certificate for reading and printing."""
    actor = current_actor()
    practice_id, fingerprint = actor.practice_id, actor.may(Action.SEE_AUDIT)
    with app_context().sessions() as db:
        drawn_up = certificates.for_job(db, acts.job_key(job_id), fingerprint=fingerprint)
        by_code = outcomes.by_code(db, acts.job_key(job_id))
        choices = feed.filter_choices(db, practice_id)
    providers = dict(choices.providers)
    return render_template(
        "jobs/certificate.html",
        certificate=drawn_up,
        job_id=job_id,
        code_groups=by_code,
        reverses=drawn_up.kind == JobKind.REVERSE,
        changes_status=drawn_up.kind == JobKind.STATUS,
        kind=JobKind(drawn_up.kind),
        status=JobStatus(drawn_up.status),
        setting=WriteOffSetting(drawn_up.setting),
        provider_settings={
            providers.get(who, who): WriteOffSetting(own) for who, own in drawn_up.provider_settings.items()
        },
        terms=filter_words.describe_filter(drawn_up.filter, choices),
        drawn_up_at=now(),
    )


@blueprint.get(f"/{JOB_ID_RULE}/certificate.json", needs=Action.SEE_CLAIMS)
def as_json(job_id: int) -> Response:
    """Return the certificate as JSON. Only a user who may see the audit log gets the fingerprint."""
    with app_context().sessions() as db:
        fingerprint = current_actor().may(Action.SEE_AUDIT)
        drawn_up = certificates.for_job(db, acts.job_key(job_id), fingerprint=fingerprint)
    response = Response(drawn_up.model_dump_json(indent=2), mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="job-{job_id}-certificate.json"'
    return response
