"""The selection that a form sends: single claims, the numbers of a list, or all that match with exceptions."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from core.claims import feed
from core.claims.claim_filter import BadFilter, ClaimFilter
from core.claims.feed import FeedTotals
from core.errors import BadInput
from core.policy.terms import Terms
from webui.claims.feed_query import FeedQuery

ALL_MATCHING: Final = "matching"
SELECTED_CLAIMS: Final = "chosen"
_NOT_IN_DATABASE: Final = re.compile("[\0\ud800-\udfff]")
LISTED_NUMBERS: Final = "list"  # numbers that are not found select nothing


class BadSelection(BadInput):
    """The selection could not be read. Select the claims again."""


@dataclass(frozen=True)
class FeedSelection:
    """A selection as the page sent it. Without JavaScript each box is a field; with it, one JSON list contains all."""

    scope: str
    claim_ids: tuple[str, ...]  # the selected claims, or the exceptions if all matching claims are selected
    filter_text: str
    filter: ClaimFilter | None

    @classmethod
    def of(cls, form: MultiDict[str, str]) -> Self:
        """Read it. Raise `BadSelection` or `BadFilter`."""
        scope = form.get("scope", SELECTED_CLAIMS)
        if scope not in (ALL_MATCHING, SELECTED_CLAIMS, LISTED_NUMBERS):
            raise BadSelection
        query = FeedQuery.of_text(form.get("filter", ""))
        if scope == ALL_MATCHING and query.filter is None:
            raise BadFilter(" ".join(query.faults.values()))
        listed = parse_claim_ids(form.get("claim_ids") or "[]")
        # Without JavaScript, a checked box selects, and there are no exceptions.
        boxes = form.getlist("claim_id") if scope == SELECTED_CLAIMS else []
        return cls(scope, tuple(dict.fromkeys([*listed, *boxes])), query.body_filter, query.filter)

    def as_request(self) -> dict[str, Any]:
        """Return the selection for a job request."""
        if self.scope != ALL_MATCHING:
            return {"claim_ids" if self.scope == SELECTED_CLAIMS else "claim_numbers": list(self.claim_ids)}
        assert self.filter is not None
        is_all = self.filter.selects_every_claim
        which: dict[str, Any] = {"all": True} if is_all else {"filter": self.filter.given()}
        return {**which, "excluded_claim_ids": list(self.claim_ids)}

    def totals(self, session: Session, practice_id: int, terms: Terms) -> FeedTotals:
        """Count and sum the selection."""
        if self.scope != ALL_MATCHING:
            return feed.totals_of_claim_ids(session, practice_id, self.claim_ids)
        assert self.filter is not None
        return feed.totals(session, practice_id, self.filter, terms, excluded=self.claim_ids)

    @property
    def is_list(self) -> bool:
        """Return whether the claims are those of a pasted or uploaded list."""
        return self.scope == LISTED_NUMBERS

    @property
    def fields(self) -> Mapping[str, str]:
        """Return the selection as hidden fields of the next form."""
        return {"scope": self.scope, "filter": self.filter_text, "claim_ids": json.dumps(self.claim_ids)}


def parse_claim_ids(text: str) -> list[str]:
    """Read a field that contains claim IDs as a JSON list. Raise `BadSelection`."""
    try:
        listed = json.loads(text)
    except ValueError:
        raise BadSelection from None
    if not isinstance(listed, list) or not all(isinstance(claim_id, str) and claim_id for claim_id in listed):
        raise BadSelection
    if any(map(_NOT_IN_DATABASE.search, listed)):
        raise BadSelection
    return listed
