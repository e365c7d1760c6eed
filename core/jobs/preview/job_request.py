"""A request for a job: which claims, to which billing status, and why."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from core import reading
from core.claims.claim_filter import ClaimFilter
from core.enums.claims import SETTLED
from core.errors import BadInput
from core.jobs.naming import JobName
from core.policy.overridable import OVERRIDABLE_CODES

SELECTION_CLAIM_IDS_MAX = 1_000_000
CLAIM_NUMBERS_MAX: Final = 100_000  # of a list; each may need a search for a similar number
CLAIM_ID_CHARACTERS_MAX: Final = 200
SHOWN_MAX = 3  # faults of a selection that an error message lists

ClaimIdText = Annotated[str, Field(min_length=1, max_length=CLAIM_ID_CHARACTERS_MAX)]


class BadRequest(BadInput):
    """The request for a job is not valid."""

    code = "bad_job_request"


class EmptySelection(BadInput):
    """Nothing is selected. Select at least one claim."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Chosen(_Frozen):
    """Individual claims, by the practice's own claim IDs."""

    claim_ids: Annotated[tuple[ClaimIdText, ...], Field(max_length=SELECTION_CLAIM_IDS_MAX)]


class Listed(_Frozen):
    """Claim numbers from a list, such as a spreadsheet's column. Numbers that are not found select nothing."""

    claim_numbers: Annotated[tuple[ClaimIdText, ...], Field(max_length=CLAIM_NUMBERS_MAX)]

    @field_validator("claim_numbers")
    @classmethod
    def _each_once(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(given))


class Matching(_Frozen):
    """All claims that match a filter, with exceptions.

    The filter must not be empty, so that a typo never means every claim.
    """

    filter: dict[str, Any]
    excluded_claim_ids: Annotated[tuple[ClaimIdText, ...], Field(max_length=SELECTION_CLAIM_IDS_MAX)] = ()

    @field_validator("filter")
    @classmethod
    def _narrows(cls, given: dict[str, Any]) -> dict[str, Any]:
        found = ClaimFilter.of(given)
        if found.selects_every_claim:
            raise BadRequest('The filter is empty; give at least one key, or {"all": true} for every claim.')
        return found.given()


def _is_true(value: Any) -> Any:
    if value is not True:  # 1 and 1.0 equal True, and Literal accepts equal values
        raise ValueError("must be true")
    return value


class All(_Frozen):
    """All of the practice's claims, with exceptions."""

    all: Annotated[Literal[True], BeforeValidator(_is_true)]
    excluded_claim_ids: Annotated[tuple[ClaimIdText, ...], Field(max_length=SELECTION_CLAIM_IDS_MAX)] = ()


Selection = Chosen | Listed | Matching | All


class JobRequest(_Frozen):
    """One request for a settle job (target Settled) or a status job (any other target)."""

    target_status: Annotated[str, Field(min_length=1, max_length=100)] = SETTLED
    selection: Selection
    reason: Annotated[
        Annotated[str, Field(min_length=1, max_length=100)] | None,
        Field(description="Code of a write-off reason, as in GET /write-off-reasons. Required for Settled"),
    ] = None
    note: Annotated[str, Field(max_length=reading.NOTE_CHARACTERS_MAX)] = ""
    name: JobName = ""
    include: tuple[Literal[OVERRIDABLE_CODES], ...] = ()  # type: ignore[valid-type]  # the rules that say they may be
    posting_date: Annotated[
        reading.Day | None,
        Field(description="A day in an open month, up to today; null means today. Frozen with the preview"),
    ] = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read a request from JSON. Raise a `BadInput` that names the field and says how to fix it."""
        try:
            request = cls.model_validate(given)
        except ValidationError as error:
            raise BadRequest(reading.join_faults(_faults(error))) from None
        if request.selection in (Chosen(claim_ids=()), Listed(claim_numbers=())):
            raise EmptySelection
        if request.settles and request.reason is None:
            raise BadRequest("reason: give the code of one of the practice's write-off reasons, such as small_balance")
        return request

    @property
    def settles(self) -> bool:
        """Return whether the job posts write-offs. Only a job with target Settled does."""
        return self.target_status == SETTLED

    def hash(self) -> str:
        """Return a digest of the request, so that one idempotency key cannot stand for two requests."""
        values = self.model_dump(
            mode="json", exclude={"name"} | ({"posting_date"} if self.posting_date is None else set())
        )
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


_SELECTION_SHAPES = (
    '{"claim_ids": […]}, {"claim_numbers": […]}, {"filter": {…}, "excluded_claim_ids": […]} or {"all": true}'
)


def _faults(error: ValidationError) -> dict[str, str]:
    # A union reports the faults of every shape. Show only those of the shape that was meant.
    of_shapes = [fault for fault in error.errors(include_url=False) if fault["loc"][:1] == ("selection",)]
    meant = [fault for fault in of_shapes if fault["type"] not in ("missing", "extra_forbidden")]
    found = {
        reading.field_path((fault["loc"][0], *fault["loc"][2:])): reading.words(fault) for fault in meant[:SHOWN_MAX]
    }
    if of_shapes and not found:
        found["selection"] = f"must be one of {_SELECTION_SHAPES}"
    others = reading.faults_by_path(error)
    return found | {where: message for where, message in others.items() if where.split(".")[0] != "selection"}
