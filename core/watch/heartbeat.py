"""Heartbeats: every few seconds, each process records what it is and that it is running. No broker is needed."""

import datetime as dt
import os
import socket
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import and_, case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import zone_database
from core.models.operations import Process, Tally
from core.version import product_version
from core.watch.tally import SHORT_TIMEOUTS

WEB: Final = "web"
WORKER: Final = "worker"
BEAT: Final = "beat"
KINDS: Final = (WEB, WORKER, BEAT)

HEARTBEAT_SECONDS: Final = 10
ALIVE_FOR: Final = dt.timedelta(seconds=45)  # four heartbeats
DELETED_AFTER: Final = dt.timedelta(days=1)
PROCESSES_MAX: Final = 500  # processes shown

_TICKED: Final = "ticked_at"


@dataclass(frozen=True)
class ProcessInfo:
    """One process. `details` holds ids, codes and counts."""

    kind: str
    host: str
    pid: int
    version: str
    started_at: dt.datetime
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the key of its row."""
        return f"{self.kind} {self.host}:{self.pid}"


def this_process(kind: str, *, started_at: dt.datetime, **details: Any) -> ProcessInfo:
    """Return this process as it is stored."""
    details["time_zones"] = zone_database.current_database().version
    return ProcessInfo(kind, socket.gethostname(), os.getpid(), product_version(), started_at, details)


def record_heartbeat(session: Session, process: ProcessInfo, *, now: dt.datetime) -> None:
    """Write a heartbeat, and delete processes that were silent for a day."""
    _skip_fsync_and_waits(session)
    row = {
        "name": process.name, "kind": process.kind, "version": process.version, "started_at": process.started_at,
        "seen_at": now, "details": {"host": process.host, "pid": process.pid, **process.details}, "stopped_at": None,
    }  # fmt: skip
    statement = insert(Process).values(row)
    new_values = {name: statement.excluded[name] for name in ("version", "started_at", "seen_at", "details")}
    # A heartbeat that was under way when the process stopped must not undo the stop. A later one is from a different
    # process with the same process id.
    stopped_at = case((statement.excluded.seen_at <= Process.stopped_at, Process.stopped_at))
    upsert = statement.on_conflict_do_update(
        index_elements=[Process.name], set_={**new_values, "stopped_at": stopped_at}
    )
    session.execute(upsert)
    session.execute(delete(Process).where(Process.seen_at < now - DELETED_AFTER))


def _skip_fsync_and_waits(session: Session) -> None:
    """Skip fsync and long lock waits, because another heartbeat follows in seconds."""
    session.execute(SHORT_TIMEOUTS)
    session.execute(text("SELECT set_config('synchronous_commit', 'off', true)"))


def record_stop(session: Session, process: ProcessInfo, *, now: dt.datetime) -> None:
    """Record that the process was asked to stop."""
    _skip_fsync_and_waits(session)
    session.execute(update(Process).where(Process.name == process.name).values(stopped_at=now, seen_at=now))


def recent(session: Session) -> list[Process]:
    """Return the processes of the last day by kind and name. If there are too many, return those seen last."""
    recent = session.scalars(select(Process).order_by(Process.seen_at.desc()).limit(PROCESSES_MAX))
    return sorted(recent, key=lambda one: (one.kind, one.name))


def alive(session: Session, *, now: dt.datetime) -> list[Process]:
    """Return the running processes, however many died the same day."""
    heard = and_(Process.stopped_at.is_(None), Process.seen_at >= now - ALIVE_FOR)
    return list(session.scalars(select(Process).where(heard)))


def worker_is_alive(session: Session, queue: str, *, since: dt.datetime) -> bool:
    """Return whether a worker on this host and queue is running and was seen since then."""
    here = (
        one for one in alive(session, now=since) if one.seen_at > since and one.details["host"] == socket.gethostname()
    )
    return any(one.kind == WORKER and queue in one.details["queues"] for one in here)


def is_alive(process: Process, *, now: dt.datetime) -> bool:
    """Return whether the process was seen recently and has not stopped."""
    return process.stopped_at is None and now - process.seen_at <= ALIVE_FOR


def last_beat(session: Session) -> dt.datetime | None:
    """Return when a beat process was last seen, or None if none was seen in the last day."""
    return session.scalar(select(func.max(Process.seen_at)).where(Process.kind == BEAT))


def record_tick(session: Session, *, now: dt.datetime) -> None:
    """Record that the schedules were checked, by beat or by a worker's own timer."""
    _skip_fsync_and_waits(session)
    statement = insert(Tally).values(name=_TICKED, label="", value=now.timestamp())
    latest = func.greatest(Tally.value, statement.excluded.value)
    session.execute(statement.on_conflict_do_update(index_elements=[Tally.name, Tally.label], set_={"value": latest}))


def last_tick(session: Session) -> dt.datetime | None:
    """Return when the schedules were last checked, or None."""
    at = session.scalar(select(Tally.value).where(Tally.name == _TICKED))
    return None if at is None else dt.datetime.fromtimestamp(at, dt.UTC)
