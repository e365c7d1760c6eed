"""Every table, imported once so that the metadata is whole."""

from core.access import models as access
from core.claims import models as claims
from core.db.base import Base
from core.jobs import models as jobs, rounds
from core.ledger import models as ledger
from core.local import canary
from core.practices import models as practices
from core.schedules import models as schedules
from core.watch import models as watch

__all__ = ["access", "canary", "claims", "jobs", "ledger", "metadata", "practices", "rounds", "schedules", "watch"]

metadata = Base.metadata
