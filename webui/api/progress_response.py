"""A job's progress as the API answers it."""

import datetime as dt
from typing import Annotated

from pydantic import Field

from core.models.jobs import JobStatus
from webui.api.models import Answer


class WrittenOff(Answer):
    """Written off so far, by responsibility."""

    insurance: int
    patient: int


class ProgressAnswer(Answer):
    """How far a job is: settled + skipped + failed + remaining = total, at every instant."""

    status: JobStatus
    words: Annotated[str, Field(description="The counts, for people; a completed job that settled no claim says so")]
    total: int
    settled: int
    skipped: int
    failed: int
    remaining: int
    reconciling: Annotated[
        bool, Field(description="Every claim has its outcome; the job ends once its totals are checked")
    ]
    written_off_cents: WrittenOff
    rate_per_second: Annotated[
        float | None,
        Field(
            description="Of the last 10 seconds while it runs, of its time at work once it has ended; without pauses. "
            "Null while it is paused or halted, and for less than a second at work"
        ),
    ]
    seconds_left: Annotated[int | None, Field(description="At that rate; null unless it runs")]
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    worked_seconds: Annotated[
        int | None, Field(description="At work, without pauses, until it ended or paused; null while it runs")
    ]
    paused_seconds: Annotated[
        int, Field(description="Paused, halted, or ended until a retry; without the pause that lasts")
    ]
