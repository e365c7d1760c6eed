"""The whole installation, for operators: counts and ids, no claims and no names."""

from typing import Annotated, Any

from pydantic import Field

from core.access.permissions import Action
from core.watch import overview, overview_json
from webui.api.blueprint import Tag, api
from webui.api.models import Answer
from webui.operations import broker
from webui.shared.app_context import app_context, now

OPERATIONS = Tag(name="Operations", description="Processes, jobs and queues of the whole installation")


class OperationsAnswer(Answer):
    """The whole installation at one moment. A part is null if the database did not answer in time."""

    at: str
    version: str
    time_zones: Annotated[
        dict[str, Any], Field(description="Time zone database of this web process: version and source")
    ]
    database: dict[str, Any]
    broker: Annotated[
        dict[str, Any] | None, Field(description="Queue depth by queue; null if the broker is not answering")
    ]
    processes: list[dict[str, Any]] | None
    last_tick_seconds: int | None
    last_beat_seconds: int | None
    jobs: dict[str, Any] | None
    chunks_open: int | None
    oldest_open_chunk_seconds: int | None
    schedules: dict[str, Any] | None
    failures_24_hours: dict[str, int] | None
    ledger_mismatches: int | None


@api.get("/operations", needs=Action.SEE_OPERATIONS, tag=OPERATIONS)
def show_operations() -> OperationsAnswer:
    """Show the processes, broker, jobs, schedules and failures of the whole installation."""
    seen = broker.fetch_status()
    hints = seen and {"hints_waiting": seen.hints_waiting, "version": seen.version, "memory_bytes": seen.memory_bytes}
    return OperationsAnswer(
        broker=hints, **overview_json.as_json(overview.fetch_overview(app_context().operations_sessions, now=now()))
    )
