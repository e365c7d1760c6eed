"""The files of a job, and its reconciliation certificate."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from flask import Response
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.claims import feed
from core.enums.jobs import JobFile
from core.jobs import codes
from core.jobs.results import certificates, files
from core.jobs.results.certificates import Certificate
from core.practices import practice_queries
from webui.api.blueprint import JOBS, TABLE_FILE, api
from webui.api.models import Seen, labeled
from webui.api.request_parsing import FileFormat, JobPath, parse_format
from webui.claims import filter_words
from webui.jobs.job_files import send_job_file
from webui.shared.token_auth import current_actor


class FilePath(JobPath):
    """A file of a job, and its format."""

    file: JobFile
    form: FileFormat

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read it. Raise `NotFound` if a job has no such file."""
        job, file = JobPath.of(given), files.parse_file(given["file"])
        return cls(job_id=job.job_id, file=file, form=parse_format(given, "A job's files are"))


class CertificateAnswer(Certificate):
    """The certificate, with words for its codes."""

    status_words: str
    filter_words: Annotated[
        list[Seen],
        BeforeValidator(labeled),
        Field(description="The filter that chose the claims, in words"),
    ]
    time_zone: Annotated[str, Field(description="The practice's time zone, for displaying the times")]
    cost_share_words: Annotated[str | None, Field(description="The cost sharing that the job wrote off, as a sentence")]
    items_sha256: Annotated[
        str | None, Field(description="Fingerprint of the claim list; null for users who can't see the audit log")
    ]
    code_words: Annotated[dict[str, str], Field(description="A sentence for each code")]


@api.get("/settle-jobs/<job_id>/<file>.<form>", needs=Action.SEE_CLAIMS, tag=JOBS, file=TABLE_FILE)
def download(path: FilePath) -> Response:
    """Download a job's claims that were settled, not settled (with reasons) or not processed, as of now.

    The file is complete before the first byte is sent. Finish one download before you request many more;
    after a 429, wait as Retry-After says.
    """
    actor = current_actor()
    return send_job_file(path.key(actor), path.file, path.form, by=actor)


@api.get("/settle-jobs/<job_id>/certificate", needs=Action.SEE_CLAIMS, tag=JOBS, problems=[409])
def show_certificate(path: JobPath, session: Session) -> CertificateAnswer:
    """Show the reconciliation certificate of a finished job: A/R before - written off = A/R after."""
    actor = current_actor()
    drawn_up = certificates.for_job(session, path.key(actor), fingerprint=actor.may(Action.SEE_AUDIT))
    practice = practice_queries.find(session, actor.practice_id)
    filter_terms = filter_words.describe_filter(drawn_up.filter, feed.filter_choices(session, practice.id))
    share = drawn_up.cost_share
    return CertificateAnswer(
        **vars(drawn_up),
        status_words=codes.status_words(drawn_up.status),
        filter_words=filter_terms,
        time_zone=practice.time_zone,
        cost_share_words=share.sentence("wrote off") if share else None,
        code_words={code: codes.describe(code) for code in drawn_up.by_code},
    )
