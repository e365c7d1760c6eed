"""Processes say every few seconds that they live, and what they are. It needs no broker."""

import datetime as dt
import os
import socket
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from sqlalchemy import and_, case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import zone_database
from core.models.operations import Process, Tally
from core.watch.tally import BRIEFLY

WEB: Final = "web"
WORKER: Final = "worker"
BEAT: Final = "beat"
KINDS: Final = (WEB, WORKER, BEAT)

HEARTBEAT_SECONDS: Final = 10
ALIVE_FOR: Final = dt.timedelta(seconds=45)  # four heartbeats
FORGOTTEN_AFTER: Final = dt.timedelta(days=1)
PROCESSES_MAX: Final = 500  # that are shown

_TICKED: Final = "ticked_at"


@dataclass(frozen=True)
class Alive:
    """One process, as it names itself: its `says` are ids, codes and counts."""

    kind: str
    host: str
    pid: int
    version: str
    started_at: dt.datetime
    says: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its row is called."""
        return f"{self.kind} {self.host}:{self.pid}"


@cache
def product_version() -> str:
    """The version of this code."""
    try:
        return version("batch-settle")
    except PackageNotFoundError:
        return "unknown"  # run from a folder that was never installed


def this_process(kind: str, *, started_at: dt.datetime, **says: Any) -> Alive:
    """This process, as it stands in the table."""
    says["time_zones"] = zone_database.in_use().version
    return Alive(kind, socket.gethostname(), os.getpid(), product_version(), started_at, says)


def beat(session: Session, process: Alive, *, now: dt.datetime) -> None:
    """Say that it lives; forget those that nobody has heard of for a day."""
    _cheaply(session)
    row = {
        "name": process.name, "kind": process.kind, "version": process.version, "started_at": process.started_at,
        "seen_at": now, "says": {"host": process.host, "pid": process.pid, **process.says}, "stopped_at": None,
    }  # fmt: skip
    said = insert(Process).values(row)
    news = {name: said.excluded[name] for name in ("version", "started_at", "seen_at", "says")}
    # A heartbeat that was under way at the last word must not undo it. A later one is from another process, to which
    # the system gave the same number.
    stopped_at = case((said.excluded.seen_at <= Process.stopped_at, Process.stopped_at))
    again = said.on_conflict_do_update(index_elements=[Process.name], set_={**news, "stopped_at": stopped_at})
    session.execute(again)
    session.execute(delete(Process).where(Process.seen_at < now - FORGOTTEN_AFTER))


def _cheaply(session: Session) -> None:
    """The next heartbeat says the same: this one is not worth a wait for the disk, or for anybody."""
    session.execute(BRIEFLY)
    session.execute(text("SELECT set_config('synchronous_commit', 'off', true)"))


def stop(session: Session, process: Alive, *, now: dt.datetime) -> None:
    """Say that it was asked to stop, and does."""
    _cheaply(session)
    session.execute(update(Process).where(Process.name == process.name).values(stopped_at=now, seen_at=now))


def seen(session: Session) -> list[Process]:
    """The processes of the last day, by kind and name; where they are very many, those that were heard last."""
    lately = session.scalars(select(Process).order_by(Process.seen_at.desc()).limit(PROCESSES_MAX))
    return sorted(lately, key=lambda one: (one.kind, one.name))


def living(session: Session, *, now: dt.datetime) -> list[Process]:
    """The processes that live, however many died on the same day."""
    heard = and_(Process.stopped_at.is_(None), Process.seen_at >= now - ALIVE_FOR)
    return list(session.scalars(select(Process).where(heard)))


def works(session: Session, queue: str, *, since: dt.datetime) -> bool:
    """Return whether a worker of this host and of that queue lives and has been heard since then."""
    here = (
        one for one in living(session, now=since) if one.seen_at > since and one.says["host"] == socket.gethostname()
    )
    return any(one.kind == WORKER and queue in one.says["queues"] for one in here)


def is_alive(process: Process, *, now: dt.datetime) -> bool:
    """Tell whether it was heard lately and has not said that it stops."""
    return process.stopped_at is None and now - process.seen_at <= ALIVE_FOR


def last_beat(session: Session) -> dt.datetime | None:
    """When a beat was last heard; None where none was within a day."""
    return session.scalar(select(func.max(Process.seen_at)).where(Process.kind == BEAT))


def ticked(session: Session, *, now: dt.datetime) -> None:
    """Say that the schedules were looked at, whoever brought it on: a beat or a worker's own timer."""
    _cheaply(session)
    said = insert(Tally).values(name=_TICKED, label="", value=now.timestamp())
    latest = func.greatest(Tally.value, said.excluded.value)
    session.execute(said.on_conflict_do_update(index_elements=[Tally.name, Tally.label], set_={"value": latest}))


def last_tick(session: Session) -> dt.datetime | None:
    """When the schedules were last looked at; None where nobody ever did."""
    at = session.scalar(select(Tally.value).where(Tally.name == _TICKED))
    return None if at is None else dt.datetime.fromtimestamp(at, dt.UTC)
