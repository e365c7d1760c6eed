"""What operations watch that is no business of a practice: which processes live, and what they counted."""

import datetime as dt
from typing import Any

from sqlalchemy import Double
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import At, Base, MadeId, Str


class Process(Base):
    """A process that says every few seconds that it lives. It needs no broker for that."""

    __tablename__ = "watch_process"

    name: Mapped[str] = mapped_column(primary_key=True)  # kind, host and process id
    kind: Mapped[Str]  # web, worker, beat
    version: Mapped[Str]
    started_at: Mapped[At]
    seen_at: Mapped[At]
    says: Mapped[dict[str, Any]]  # ids, codes and counts: its queues, what it is doing
    stopped_at: Mapped[dt.datetime | None]


class Tally(Base):
    """What all processes counted together, by name and label; each adds what it counted since it last did."""

    __tablename__ = "watch_tally"

    name: Mapped[str] = mapped_column(primary_key=True)  # such as hints_sent
    label: Mapped[str] = mapped_column(primary_key=True)  # such as work; "" where there is none
    value: Mapped[float] = mapped_column(Double)


class Canary(Base):
    """One question "does a hint arrive?", and the answer."""

    __tablename__ = "canary"

    id: Mapped[MadeId]
    asked_at: Mapped[At]
    stamped_at: Mapped[dt.datetime | None]
    stamped_by: Mapped[str | None] = mapped_column()
