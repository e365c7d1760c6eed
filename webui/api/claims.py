"""Claims: the feed, one claim, and its ledger."""

from typing import Annotated, Final

from flask import Response, jsonify
from pydantic import Field

from core.access.permissions import Action
from core.claims import feed, queries
from core.claims.feed import DEFAULT_SORT, Sort
from core.claims.filters import ClaimFilter
from core.ledger import queries as ledger_queries
from webui.api.blueprint import CLAIMS, api, refusals
from webui.api.models import Claim, ClaimsPage, ClaimWithLines, Line, PostingEntry, Postings
from webui.api.reading import LIMIT_DEFAULT, LIMIT_MAX, ClaimPath, asks, current_actor
from webui.door import door, now


class ClaimsQuery(ClaimFilter):
    """Which claims, in which order; a key that may have several values is given once for each."""

    sort: Annotated[
        str, Field(description="date, claim, patient, insurance_due, patient_due or total_due; -date turns it")
    ] = str(DEFAULT_SORT)
    cursor: Annotated[str, Field(description="next_cursor of the page before; empty for the first page")] = ""
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT

    def narrowed(self) -> ClaimFilter:
        """The filter alone."""
        return ClaimFilter.of({key: value for key, value in self.given().items() if key not in _OF_THE_LIST})


_OF_THE_LIST: Final = frozenset({"sort", "cursor", "limit"})


@api.get("/claims", tags=[CLAIMS], responses={200: ClaimsPage})
@asks(Action.SEE_CLAIMS)
def list_claims(query: ClaimsQuery) -> Response:
    """List the claims that match, each with the rule that would decide it."""
    practice_id = current_actor().practice_id
    with door().sessions() as session:
        page = feed.page(
            session,
            practice_id,
            query.narrowed(),
            sort=Sort.of(query.sort),
            cursor=query.cursor or None,
            limit=query.limit,
            terms=feed.terms_of(session, practice_id, now=now()),
        )
    answer = ClaimsPage(claims=[Claim.model_validate(row) for row in page.rows], next_cursor=page.next_cursor)
    return jsonify(answer.json_ready())


# A claim's number may hold two slashes in a row.
@api.get(
    "/claims/<anything:claim_id>", tags=[CLAIMS], responses={200: ClaimWithLines, **refusals(404)}, merge_slashes=False
)
@asks(Action.SEE_CLAIMS)
def show_claim(path: ClaimPath) -> Response:
    """Show one claim with its line items."""
    practice_id = current_actor().practice_id
    with door().sessions() as session:
        terms = feed.terms_of(session, practice_id, now=now())
        claim = Claim.model_validate(feed.one(session, practice_id, path.claim_id, terms=terms))
        internal_id = queries.find(session, practice_id, path.claim_id).id
        lines = [Line.model_validate(line) for line in queries.lines(session, practice_id, internal_id)]
    return jsonify({**claim.json_ready(), "lines": [line.json_ready() for line in lines]})


@api.get(
    "/claims/<anything:claim_id>/postings",
    tags=[CLAIMS],
    responses={200: Postings, **refusals(404)},
    merge_slashes=False,
)
@asks(Action.SEE_CLAIMS)
def list_postings(path: ClaimPath) -> Response:
    """List the ledger of one claim, from the first charge on."""
    practice_id = current_actor().practice_id
    with door().sessions() as session:
        claim = queries.find(session, practice_id, path.claim_id)
        entries = ledger_queries.ledger(session, practice_id, claim.id)
    answer = Postings(claim_id=claim.external_id, postings=[PostingEntry.model_validate(entry) for entry in entries])
    return jsonify(answer.json_ready())
