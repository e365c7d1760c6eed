"""Folders on the server whose X12 files workers import."""

import datetime as dt
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, OfPractice, Str, Timestamp, UserId


class WatchedFolder(Base):
    """The folder of a practice, below the installation's. The row is locked while a worker looks into the folder."""

    __table_args__ = (UniqueConstraint("name", name="one_practice_for_each_folder"),)

    practice_id: Mapped[OfPractice]
    name: Mapped[Str]
    user_id: Mapped[UserId]  # the imports are this user's
    imports_clean: Mapped[bool]  # without a user, if the check finds nothing that needs one
    changed_at: Mapped[Timestamp]
    looked_at: Mapped[dt.datetime | None]
    # The size and the modification time of each file at the last look. A file that has the same twice is complete.
    seen: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    problem: Mapped[str | None]  # why the last look failed, as a sentence
