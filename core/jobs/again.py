"""Ask once more for the claims of a preview: it expired, or its reason is to be another."""

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from core.claims.models import Claim
from core.errors import Refusal
from core.jobs.keys import JobKey
from core.jobs.models import JobItem


class PreviewGone(Refusal):
    """The claims of this preview are no longer kept; select them again in the Live Claims Feed."""

    code = "preview_gone"


def claim_ids(session: Session, key: JobKey) -> list[str]:
    """The numbers of the claims that the preview froze; raises `PreviewGone` where they were removed."""
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    found = session.scalars(
        select(Claim.external_id).join(JobItem, of_item).where(*key.of(JobItem)).order_by(JobItem.position)
    ).all()
    if not found:
        raise PreviewGone
    return list(found)
