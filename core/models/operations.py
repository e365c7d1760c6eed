"""Tables for operations: running processes, and counters."""

import datetime as dt
from typing import Any

from sqlalchemy import Double
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, GeneratedId, Str, Timestamp


class Process(Base):
    """The heartbeat of a process, written every few seconds. It needs no broker."""

    __tablename__ = "watch_process"

    name: Mapped[str] = mapped_column(primary_key=True)  # kind, host and process id
    kind: Mapped[Str]  # web, worker, beat
    version: Mapped[Str]
    started_at: Mapped[Timestamp]
    seen_at: Mapped[Timestamp]
    details: Mapped[dict[str, Any]]  # ids, codes and counts: its queues, its current work
    stopped_at: Mapped[dt.datetime | None]


class Tally(Base):
    """The counters of all processes together, by name and label. Each process adds its counts from time to time."""

    __tablename__ = "watch_tally"

    name: Mapped[str] = mapped_column(primary_key=True)  # for example hints_sent
    label: Mapped[str] = mapped_column(primary_key=True)  # for example work; "" without a label
    value: Mapped[float] = mapped_column(Double)


class Canary(Base):
    """A test hint, and when a worker answered it."""

    id: Mapped[GeneratedId]
    asked_at: Mapped[Timestamp]
    stamped_at: Mapped[dt.datetime | None]
    stamped_by: Mapped[str | None] = mapped_column()
