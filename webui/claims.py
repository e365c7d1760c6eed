"""One claim: its lines, and its ledger from the first charge to the write-off."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template

from core.access.permissions import Action
from core.claims import feed, queries
from core.claims.models import SETTLED
from core.db.engine import transaction
from core.jobs import codes
from core.ledger import queries as ledger
from core.ledger.models import Responsibility
from core.ledger.queries import LedgerRow
from webui.auth import current_actor, requires
from webui.door import door, now
from webui.feed_columns import ELIGIBILITY_PILLS

blueprint = Blueprint("claims", __name__, url_prefix="/claims")


@dataclass(frozen=True)
class Entry:
    """A posting, and what was due after it."""

    posting: LedgerRow
    insurance_due: int
    patient_due: int


@blueprint.get("/<claim_id:claim_id>")
@requires(Action.SEE_CLAIMS)
def show(claim_id: str) -> str:
    """The claim of that number; raises `NotFound`, also where it is another practice's."""
    practice_id = current_actor().practice_id
    with transaction(door().sessions) as db:
        internal = queries.find(db, practice_id, claim_id)
        terms = feed.terms_of(db, practice_id, now=now())
        facts: dict[str, Any] = {
            "claim": feed.one(db, practice_id, claim_id, terms=terms),
            "lines": queries.lines(db, practice_id, internal.id),
            "entries": list(with_running_dues(ledger.ledger(db, practice_id, internal.id))),
        }
    verdict = facts["claim"].eligibility
    return render_template(
        "claims/show.html", settled=SETTLED, verdict=ELIGIBILITY_PILLS[verdict], why=codes.words(verdict), **facts
    )


def with_running_dues(postings: Iterable[LedgerRow]) -> Iterator[Entry]:
    """Each posting with the dues of the whole claim after it."""
    due = dict.fromkeys(Responsibility, 0)
    for posting in postings:
        due[posting.responsibility] += posting.amount_cents
        yield Entry(posting, due[Responsibility.INSURANCE], due[Responsibility.PATIENT])
