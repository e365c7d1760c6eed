"""Commands on a previewed or confirmed job: discard, pause, resume, cancel, retry.

The right depends on the job's kind (a reversal needs the right to reverse), so core checks it. The view only requires
the right to see jobs.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.jobs import codes, commands, job_queries
from core.jobs.execution import retry
from core.models.jobs import SettleJob
from webui.api.blueprint import JOBS, api
from webui.api.job_models import RetryAnswer, RetryGroupAnswer, SettleJobAnswer
from webui.api.job_responses import job_answer, run_job_command
from webui.api.request_parsing import JobPath, Parameters
from webui.shared.token_auth import current_actor


class RetryQuery(Parameters):
    """Which failed claims to retry."""

    code: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(lambda given: (given,) if isinstance(given, str) else given),
        Field(description="Retry only claims that failed with this code. Repeat for more codes"),
    ] = None


@api.post("/settle-jobs/<job_id>/discard", needs=Action.SEE_CLAIMS, tag=JOBS, problems=[409])
def discard_job(path: JobPath) -> SettleJobAnswer:
    """Discard a preview. The job never runs and changes nothing."""
    return _run_command(commands.discard, path)


@api.post("/settle-jobs/<job_id>/pause", needs=Action.SEE_CLAIMS, tag=JOBS, problems=[409])
def pause_job(path: JobPath) -> SettleJobAnswer:
    """Pause a job. It is paused once its workers finish their current chunks."""
    return _run_command(commands.pause, path)


@api.post("/settle-jobs/<job_id>/resume", needs=Action.SEE_CLAIMS, tag=JOBS, problems=[409])
def resume_job(path: JobPath) -> SettleJobAnswer:
    """Resume a paused or halted job."""
    return _run_command(commands.resume, path)


@api.post("/settle-jobs/<job_id>/cancel", needs=Action.SEE_CLAIMS, tag=JOBS, problems=[409])
def cancel_job(path: JobPath) -> SettleJobAnswer:
    """Cancel a job. Settled claims stay settled; the remaining claims are not processed."""
    return _run_command(commands.cancel, path)


@api.get("/settle-jobs/<job_id>/retry-failed", needs=Action.SEE_CLAIMS, tag=JOBS)
def show_retry(path: JobPath, session: Session) -> RetryAnswer:
    """Show which failed claims a retry would try, by failure code. A claim that would only be skipped is not tried."""
    found = retry.offer(session, job_queries.find(session, path.key(current_actor())))
    groups = [
        RetryGroupAnswer(
            **vars(group), words=group.words, blocked_words={code: codes.describe(code) for code in group.blocked}
        )
        for group in found.groups
    ]
    return RetryAnswer(claims=found.claims, obstacle=found.obstacle, groups=groups)


@api.post("/settle-jobs/<job_id>/retry-failed", needs=Action.SEE_CLAIMS, tag=JOBS, problems=[409])
def retry_failed(path: JobPath, query: RetryQuery) -> SettleJobAnswer:
    """Retry the failed claims that can succeed. A second call changes nothing."""
    return _run_command(commands.retry_failed, path, chosen=query.code)


def _run_command(command: Callable[..., SettleJob], path: JobPath, **arguments: Any) -> SettleJobAnswer:
    return run_job_command(command, path.key(current_actor()), job_answer, **arguments)
