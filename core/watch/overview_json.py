"""The overview as JSON for the API and the command: ids as text, seconds, UTC."""

from typing import Any

from core.jobs.keys import JobKey
from core.jobs.results import progress
from core.jobs.results.progress import Progress
from core.watch.overview import Jobs, Overview, ProcessStatus, RunsToWatch, RunToWatch


def as_json(seen: Overview) -> dict[str, Any]:
    """Return every part by name, with null for parts that are missing."""
    return {
        "at": seen.at.isoformat(),
        "version": seen.product_version,
        "time_zones": seen.time_zones.as_json(),
        "database": {"version": seen.database_version, "seconds": round(seen.asked_seconds, 3), "slow": seen.is_slow},
        "processes": None if seen.processes is None else [_process(one) for one in seen.processes],
        "last_tick_seconds": seen.ticks and _whole_seconds(seen.ticks.last_seconds),
        "last_beat_seconds": seen.ticks and _whole_seconds(seen.ticks.beat_seconds),
        "jobs": None if seen.jobs is None else _jobs(seen.jobs),
        "chunks_open": seen.chunks and seen.chunks.chunks,
        "oldest_open_chunk_seconds": seen.chunks and _whole_seconds(seen.chunks.oldest_seconds),
        "schedules": None if seen.runs is None else _runs(seen.runs),
        "failures_24_hours": seen.failures,
        "ledger_mismatches": seen.mismatches,
    }


def _process(one: ProcessStatus) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "host": one.host,
        "pid": one.pid,
        "version": one.version,
        "alive": one.is_alive,
        "stopped": one.has_stopped,
        "seen_seconds": _whole_seconds(one.seen_seconds),
        "started_at": one.started_at.isoformat(),
        "queues": list(one.queues),
        "time_zones": one.time_zones,
        "doing": [
            {**_job_key(chunk.job), "first": chunk.first, "last": chunk.last, "seconds": _whole_seconds(chunk.seconds)}
            for chunk in one.doing
        ],
    }


def _jobs(jobs: Jobs) -> dict[str, Any]:
    return {
        "by_status": {status.value: count for status, count in jobs.by_status.items()},
        "moving": [_job(key, one) for key, one in jobs.moving.items()],
        "resting": [_job(key, one) for key, one in jobs.resting.items()],
        "stalled": jobs.stalled,
    }


def _job(key: JobKey, one: Progress) -> dict[str, Any]:
    # Counts only, because operations must not see a practice's amounts.
    facts = progress.as_json(one)
    facts.pop("written_off_cents")
    return {**_job_key(key), **facts, "chunks_open": one.chunks_open, "stalled_because": one.stalled_because}


def _runs(runs: RunsToWatch) -> dict[str, Any]:
    return {
        "active": runs.active,
        "due": [_run(run) for run in runs.due],
        "missed_7_days": [_run(run) for run in runs.missed],
    }


def _run(run: RunToWatch) -> dict[str, Any]:
    ids = {"practice_id": str(run.practice_id), "schedule_id": str(run.schedule_id)}
    return {**ids, "due_at": run.at.isoformat(), "because": run.reason_code}


def _job_key(key: JobKey) -> dict[str, str]:
    return {"practice_id": str(key.practice_id), "job_id": str(key.job_id)}


def _whole_seconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
