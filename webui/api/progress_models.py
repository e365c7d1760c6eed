"""A job's progress as the API answers it."""

import datetime as dt
from typing import Annotated

from pydantic import Field

from core.enums.jobs import JobKind, JobStatus
from webui.api.models import Answer


class WrittenOff(Answer):
    """Amount written off so far, by responsibility."""

    insurance: int
    patient: int


class ProgressAnswer(Answer):
    """A job's progress. At every instant, settled + skipped + failed + remaining = total."""

    kind: JobKind
    name: str
    status: JobStatus
    status_words: Annotated[str, Field(description="The status as a sentence shows it")]
    words: Annotated[str, Field(description="The counts as a sentence; says so if a completed job settled no claim")]
    total: int
    settled: int
    skipped: int
    failed: int
    remaining: int
    reconciling: Annotated[
        bool, Field(description="True when every claim has an outcome and the totals are being checked")
    ]
    written_off_cents: WrittenOff
    rate_per_second: Annotated[
        float | None,
        Field(
            description="Claims per second, excluding pauses: over the last 10 seconds, or over the whole job after it "
            "ended. Null while paused or halted, or in the first second"
        ),
    ]
    seconds_left: Annotated[int | None, Field(description="Estimate at that rate; null unless the job is running")]
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    worked_seconds: Annotated[
        int | None,
        Field(description="Working time, excluding pauses, until the job ended or paused; null while it runs"),
    ]
    paused_seconds: Annotated[
        int, Field(description="Time paused, halted, or ended before a retry; excludes the current pause")
    ]
