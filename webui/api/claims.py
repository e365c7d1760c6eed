"""Claims: the feed, one claim, and holds."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, Strict
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.claims import feed, holds, lookup
from core.claims.claim_filter import BadFilter, ClaimFilter
from core.claims.feed import DEFAULT_SORT, Sort, SortBy
from core.enums.claims import Hold
from core.jobs import codes
from webui.api.blueprint import CLAIMS, api
from webui.api.models import Answer, ClaimsPage, ClaimWithLines
from webui.api.request_parsing import LIMIT_DEFAULT, LIMIT_MAX, Body, ClaimPath, Limit, Page
from webui.shared.app_context import app_context, now
from webui.shared.claim_views import record_view
from webui.shared.token_auth import current_actor, current_day


class ClaimsQuery(ClaimFilter):
    """Filters, sort order and page of claims. Repeat a parameter to give it several values."""

    # The document does not list the name, because it is refused here.
    model_config = ConfigDict(json_schema_extra=lambda schema: schema["properties"].pop("patient"))

    sort: Annotated[
        str,
        Field(
            description=f"One of {', '.join(SortBy)}; a minus sign in front sorts descending. recent: newest first, "
            "with future dates of service last"
        ),
    ] = str(DEFAULT_SORT)
    cursor: Annotated[str, Field(description="next_cursor from the previous page; empty for the first page")] = ""
    limit: Limit = LIMIT_DEFAULT

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the address, where every value is text. Raise `BadFilter` naming each bad key."""
        if "patient" in given:
            raise BadFilter("patient: a name must not be in an address; send it to POST /api/v1/claims/search")
        return cls.from_texts(given)

    def narrowed(self) -> ClaimFilter:
        """Return only the filter."""
        return ClaimFilter.of({key: value for key, value in self.given().items() if key not in _PAGING_KEYS})


class ClaimsSearch(Body):
    """Filters, sort order and page of claims."""

    filter: Annotated[
        dict[str, Any],
        Field(default_factory=dict, description="The keys of GET /claims, with numbers and lists as JSON"),
    ]
    sort: Annotated[str, Field(description="As in GET /claims")] = str(DEFAULT_SORT)
    cursor: Annotated[str, Field(description="next_cursor from the previous page; empty for the first page")] = ""
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT


class NewHold(Body):
    """A hold that keeps the claim from being settled."""

    hold: Annotated[
        Annotated[Hold, Strict(strict=False)] | None,
        Field(description="The kind of hold, or null to release it"),  # JSON has only text
    ]
    why: Annotated[str, Field(description="Reason, up to 500 characters")] = ""
    until: Annotated[reading.Day | None, Field(description="Last day of the hold; null means no end date")] = None


class HoldsQuery(Page):
    """A page of claims on hold."""

    hold: Annotated[Hold | None, Field(description="Only holds of this kind")] = None


class HeldClaim(Answer):
    """A claim with a current hold."""

    claim_id: str
    patient: str
    hold: Hold
    why: Annotated[str | None, Field(validation_alias="reason")]
    until: Annotated[dt.date | None, Field(description="Last day of the hold; null means no end date")]
    by: Annotated[str | None, Field(description="Null for a hold that an import set")]
    at: dt.datetime | None


class HeldClaims(Answer):
    """A page of claims on hold, in order of creation."""

    holds: list[HeldClaim]
    next_cursor: str | None


_PAGING_KEYS: Final = frozenset({"sort", "cursor", "limit"})


@api.get("/claims", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_claims(query: ClaimsQuery) -> ClaimsPage:
    """List matching claims, each with the rule that applies to it.

    A patient's name is refused here, because addresses appear in logs: use POST /claims/search.
    """
    return _page_answer(query.narrowed(), Sort.of(query.sort), cursor=query.cursor or None, limit=query.limit)


@api.post("/claims/search", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def search_claims(body: ClaimsSearch) -> ClaimsPage:
    """List matching claims like GET /claims. Use it for a patient's name, so that no address or log contains it."""
    return _page_answer(ClaimFilter.of(body.filter), Sort.of(body.sort), cursor=body.cursor or None, limit=body.limit)


def _page_answer(f: ClaimFilter, sort: Sort, *, cursor: str | None, limit: int) -> ClaimsPage:
    practice_id = current_actor().practice_id
    with app_context().sessions() as session:
        terms = feed.terms_for(session, practice_id, now=now())
        page = feed.page(session, practice_id, f, sort=sort, cursor=cursor, limit=limit, terms=terms)
    return ClaimsPage(claims=page.rows, next_cursor=page.next_cursor)


# A claim's number may contain two slashes in a row.
@api.get("/claims/<anything:claim_id>", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def show_claim(path: ClaimPath) -> ClaimWithLines:
    """Show one claim with its service lines."""
    record_view(path.claim_id, by=current_actor())
    with app_context().sessions() as session:
        return _claim_answer(session, path)


@api.get("/holds", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_holds(query: HoldsQuery, session: Session) -> HeldClaims:
    """List the claims on hold. Claims for an excluded patient or payer are not included."""
    practice_id, after = current_actor().practice_id, query.after()
    found = holds.list_held_claims(
        session, practice_id, today=current_day(session), hold=query.hold, after_id=after, limit=query.limit + 1
    )
    shown, cursor = query.cut(found)
    return HeldClaims(holds=shown, next_cursor=cursor)


@api.put("/claims/<anything:claim_id>/hold", needs=Action.HOLD, tag=CLAIMS, problems=[409])
def set_hold(path: ClaimPath, body: NewHold, session: Session) -> ClaimWithLines:
    """Put the claim on hold so that it can't be settled, or release it. Repeating the request changes nothing."""
    holds.set_hold(session, path.claim_id, body.hold, reason=body.why, until=body.until, by=current_actor(), now=now())
    return _claim_answer(session, path)


def _claim_answer(session: Session, path: ClaimPath) -> ClaimWithLines:
    return ClaimWithLines.model_validate(claim_fields(session, path.claim_id))


def claim_fields(session: Session, claim_id: str) -> dict[str, Any]:
    """Return the fields of the claim with that number, with its lines. Raise `NotFound`."""
    practice_id = current_actor().practice_id
    terms = feed.terms_for(session, practice_id, now=now())
    row = feed.find_row(session, practice_id, claim_id, terms=terms)
    internal_id = lookup.find(session, practice_id, claim_id).id
    return {
        **asdict(row),
        "written_off": row.written_off,
        "eligibility_words": codes.describe(row.eligibility),
        "why": feed.blocking_rule_values(session, practice_id, claim_id, terms=terms),
        "lines": lookup.list_line_items(session, practice_id, internal_id),
    }
