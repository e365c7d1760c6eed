"""The sweep's rounds of hints."""

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped

from core.db.base import At, Base, PracticeId


class HintRound(Base):
    """When the sweep last hinted for a practice: at most one round in ten seconds."""

    __tablename__ = "hint_round"
    __table_args__ = (ForeignKeyConstraint(["practice_id"], ["practice.id"]),)

    practice_id: Mapped[PracticeId]
    hinted_at: Mapped[At]
