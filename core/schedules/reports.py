"""The morning report of a run: what was settled, skipped, failed, or waits."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.schedules.models import ScheduleRun


@dataclass(frozen=True)
class MorningReport:
    """What came of a run. settled + skipped + failed + remaining = claims, at every instant.

    `state` is one of `words.STATES`, or nothing, held, missed, stopped, failed. Cents are positive: written off where
    the job runs or ran, else what it would write off.
    """

    state: str
    sentence: str
    claims: int
    settled: int
    skipped: int
    failed: int
    remaining: int
    insurance_cents: int
    patient_cents: int
    by_code: list[tuple[str, int]]  # of what was not settled: code and how many claims, the most first
    job_id: int | None
    over: list[str]  # codes of the caps and limits that it is over
    held_by: list[int]  # the jobs that hold claims which this run therefore left alone
    is_final: bool  # it will not change by itself any more


def of_run(session: Session, run: ScheduleRun, *, now: dt.datetime) -> MorningReport:
    """The report as things stand at `now`."""
    raise NotImplementedError
