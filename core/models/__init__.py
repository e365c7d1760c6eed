"""Every table. All are imported here, so that a foreign key finds its table in any process."""

from core.db.base import Base
from core.models import (
    claims,
    exports,
    feed_views,
    import_changes,
    import_mappings,
    imports,
    job_items,
    jobs,
    ledger,
    ledger_sums,
    notices,
    operations,
    people,
    posting_requests,
    practices,
    recognized_postings,
    remittances,
    schedules,
    sent_claims,
    single_sign_on,
    watched_folders,
)

__all__ = [
    "claims", "exports", "feed_views", "import_changes", "import_mappings", "imports", "job_items", "jobs", "ledger",
    "ledger_sums", "metadata", "notices", "operations", "people", "posting_requests", "practices",
    "recognized_postings", "remittances", "schedules", "sent_claims", "single_sign_on", "watched_folders",
]  # fmt: skip

metadata = Base.metadata
