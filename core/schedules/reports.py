"""The report of a run: claims settled, skipped, failed, or waiting for a decision."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.counting import counted
from core.enums.job_items import Outcome, Verdict
from core.enums.jobs import FINAL_STATUSES, IN_PROGRESS_STATUSES, OPEN_STATUSES, JobStatus
from core.enums.practices import WriteOffSetting
from core.enums.schedules import RunOutcome, ScheduleMode
from core.jobs import job_queries
from core.jobs.keys import JobKey
from core.jobs.preview.totals import PreviewTotals
from core.jobs.results import outcomes, progress
from core.jobs.results.progress import Progress
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.schedules import ScheduleRun
from core.schedules import descriptions

IN_OTHER_JOB: Final = "in_other_job"
NONE_SETTLED: Final = "none_settled"  # state of a run whose job completed without settling a claim
HELD: Final = "held"  # state of a run whose claims were all reserved by other open jobs or skipped by rules

# No worker is active: a user has to decide, or the job has ended.
STOPPED_STATUSES: Final = tuple(
    status for status in (*FINAL_STATUSES, *OPEN_STATUSES) if status not in IN_PROGRESS_STATUSES
)


@dataclass(frozen=True)
class RunReport:
    """The result of a run. Settled + skipped + failed + remaining = claims at any time.

    `state` is a key of `descriptions.REPORT_WORDS`. Cents are positive: the amount written off, or before the job runs,
    the amount to be written off.
    """

    state: str
    sentence: str
    claims: int = 0
    settled: int = 0
    skipped: int = 0
    failed: int = 0
    remaining: int = 0
    insurance_cents: int = 0
    patient_cents: int = 0
    by_code: tuple[tuple[str, int], ...] = ()  # claims not settled: code and number, largest first
    job_id: int | None = None
    over: tuple[str, ...] = ()  # codes of exceeded caps and limits
    held_by: tuple[int, ...] = ()  # jobs that had reserved claims, so this run skipped those claims
    is_final: bool = True  # it will not change again without a user


class _Figures(NamedTuple):
    """The figures of a run with a job, named as in `RunReport`."""

    claims: int
    settled: int
    skipped: int
    failed: int
    remaining: int
    insurance_cents: int
    patient_cents: int
    by_code: tuple[tuple[str, int], ...]


def report_for_run(session: Session, run: ScheduleRun, *, now: dt.datetime) -> RunReport:
    """Return the report as of `now`."""
    if run.job_id is None:
        sentence = f"{descriptions.OUTCOME_LABELS[run.outcome]}."
        if run.reason_code is not None:
            sentence = f"{descriptions.OUTCOME_LABELS[run.outcome]}: {descriptions.describe_reason(run.reason_code)}."
        return RunReport(state=run.outcome.value, sentence=sentence)
    key = JobKey(run.practice_id, run.job_id)
    job, seen = job_queries.find(session, key), progress.for_job(session, key, now=now)
    figures = _run_figures(session, key, job, seen) if job.confirmed_at is not None else _preview_figures(job, seen)
    held_by = _reserving_jobs(session, key) if any(code == IN_OTHER_JOB for code, _ in figures.by_code) else ()
    state, because = _state(run, job, figures), job.discarded_because
    why = f"{descriptions.describe_reason(because)}." if because else ""
    return RunReport(
        state=state,
        sentence=" ".join(filter(None, (_sentence(state, figures, held_by), why, _neither(state, job, figures)))),
        **figures._asdict(),
        job_id=job.id,
        over=tuple(one["code"] for one in job.limits_exceeded),
        held_by=held_by,
        is_final=job.status in FINAL_STATUSES,
    )


def _state(run: ScheduleRun, job: SettleJob, figures: _Figures) -> str:
    if job.status is JobStatus.REPORTED and run.mode is ScheduleMode.SETTLE:
        return HELD if any(code == IN_OTHER_JOB for code, _ in figures.by_code) else RunOutcome.NOTHING.value
    if job.status is JobStatus.COMPLETED and not figures.settled:
        return NONE_SETTLED
    return descriptions.STATE_LABELS[job.status]


def _neither(state: str, job: SettleJob, f: _Figures) -> str:
    """Return a sentence if the job writes nothing off because the setting is Neither."""
    settles = f.settled or (f.remaining and state in ("waiting", "report"))
    if job.setting is not WriteOffSetting.NEITHER or f.insurance_cents or f.patient_cents or not settles:
        return ""
    return "The Balance Writeoff setting is Neither, so $0.00 is written off."


def _run_figures(session: Session, key: JobKey, job: SettleJob, seen: Progress) -> _Figures:
    rests = job.status in STOPPED_STATUSES
    by_code = (
        tuple(
            (group.code, group.claims)
            for group in outcomes.by_code(session, key)
            if group.outcome is not Outcome.SETTLED
        )
        if rests
        else _skips(job)  # items are still being written; the preview's skips are known
    )
    return _Figures(
        seen.total, seen.settled, seen.skipped, seen.failed, seen.remaining, seen.insurance_cents, seen.patient_cents,
        by_code,
    )  # fmt: skip


def _preview_figures(job: SettleJob, seen: Progress) -> _Figures:
    if job.preview is None:
        return _Figures(seen.total, 0, 0, 0, seen.total, 0, 0, ())
    frozen = PreviewTotals.model_validate(job.preview)
    cents = (frozen.insurance_cents, frozen.patient_cents)
    return _Figures(frozen.claims, 0, frozen.skipped, 0, frozen.will_settle, *cents, _skips(job))


def _skips(job: SettleJob) -> tuple[tuple[str, int], ...]:
    counts: list[dict[str, Any]] = (job.preview or {}).get("by_code", [])
    return tuple((count["code"], count["claims"]) for count in counts if count["action"] == Verdict.SKIP)


def _reserving_jobs(session: Session, key: JobKey) -> tuple[int, ...]:
    """Return the jobs that had reserved claims when this one was previewed."""
    held = (*key.of(JobItem), JobItem.verdict_code == IN_OTHER_JOB)
    other = JobItem.why["other_job"].as_integer()
    return tuple(session.scalars(select(other).where(*held).distinct().order_by(other)))


def _sentence(state: str, f: _Figures, held_by: tuple[int, ...]) -> str:
    matched, left = counted(f.claims, "claim"), counted(f.remaining, "claim")
    not_settled = counted(f.remaining, "claim was", "claims were")
    settled = counted(f.settled, "claim")
    of_claims = f"{settled} settled, {f.skipped:,} skipped, {f.failed:,} failed, {f.remaining:,} remaining"
    jobs = ", ".join(map(str, held_by))
    holds = ""
    if held_by:
        reserved = counted(dict(f.by_code)[IN_OTHER_JOB], "claim")
        holds = f" Already in unfinished job{'s' * (len(held_by) > 1)} {jobs}: {reserved}."
    sentence = {
        "preparing": f"This run's job is being prepared with {matched}.",
        "waiting": f"This run's job exceeds a cap or limit and needs another user's approval: {left} would be "
        f"settled, {f.skipped:,} skipped.",
        "report": f"This run would settle {left} and skip {f.skipped:,}. It settled none because it was report-only.",
        "nothing": f"Nothing to settle: {matched} matched, and rules skip {'it' if f.claims == 1 else 'all of them'}.",
        NONE_SETTLED: f"No claim was settled: {f.skipped:,} skipped, {f.failed:,} failed.",
        HELD: f"Nothing to settle: {matched} matched, and every claim that could be settled is in an unfinished job.",
        "rejected": f"Another user rejected this run's job: {not_settled} not settled.",
        "expired": f"This run's job was not approved in time: {not_settled} not settled.",
        "discarded": "This run's job was discarded. Nothing was settled.",
    }.get(state, f"{of_claims}.")
    return sentence + holds
