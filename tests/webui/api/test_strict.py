"""JSON's numbers and truth values are taken as they are: what only looks like one is refused, as the document says."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from pydantic import BaseModel

from core.errors import BadInput
from core.jobs.preview.job_request import JobRequest
from core.models.people import Role
from core.schedules.requests import ScheduleRequest
from tests.webui.api.conftest import Api, World
from webui.api.claims import NewPosting
from webui.api.schedules import LetSettle, OfVersion, ScheduleChange
from webui.api.users import NewLimits, NewUser

_NARROWED: Final = {"total_due_max_cents": 5_000, "age_min_days": 90, "has_secondary": False, "on_hold": True}
_ENTRY: Final = {"line": 1, "amount_cents": 500}
_SCHEDULE: Final = {
    "name": "Small balances", "filter": _NARROWED, "local_time": "02:30", "weekdays": ["mon"],
    "reason": "small_balance", "claims_max": 500, "cents_max": 500_000, "late_minutes": 60,
}  # fmt: skip
_LIMITS: Final = {"claim_cents": 5_000, "job_cents": 0}
BODIES: Final[tuple[tuple[type[Any], dict[str, Any]], ...]] = (
    (JobRequest, {"selection": {"all": True}, "reason": "small_balance"}),
    (JobRequest, {"selection": {"filter": _NARROWED}, "reason": "small_balance"}),
    (NewPosting, {"kind": "payment", **_ENTRY, "responsibility": "patient", "paid_by": "patient"}),
    (
        NewPosting,
        {"kind": "adjustment", **_ENTRY, "responsibility": "patient", "group_code": "CO", "reason_code": "45"},
    ),
    (NewPosting, {"kind": "transfer", **_ENTRY, "responsibility": "patient"}),
    (ScheduleRequest, _SCHEDULE),
    (ScheduleChange, {**_SCHEDULE, "version": 1}),
    (OfVersion, {"version": 1}),
    (LetSettle, {"version": 1, "confirmation": "CONFIRM"}),
    (NewLimits, _LIMITS),
    (NewUser, {"email": "a@example.org", "name": "Ana", "role": "biller", "password": "long enough to be", **_LIMITS}),
)


def look_alikes(value: Any) -> list[Any]:
    """What another program may send for this number or truth value."""
    if isinstance(value, bool):
        return [int(value), float(value), str(value).lower(), "yes", "on", ""]
    return [str(value), float(value), f"{value}.0", True, [value]]


def slips(given: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The body with one number or truth value written in another way, for each of them; and its place."""
    for key, value in given.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{place}", {**given, key: slip}) for place, slip in slips(value))
        elif isinstance(value, bool | int):
            yield from ((key, {**given, key: other}) for other in look_alikes(value))


@pytest.fixture(scope="module")
def auditor(still_world: World) -> Api:
    return still_world.api(Role.ADMIN)


CASES: Final = [
    pytest.param(model, body, id=f"{model.__name__}-{place}") for model, given in BODIES for place, body in slips(given)
]


@pytest.mark.parametrize(("model", "given"), BODIES)
def test_a_body_with_real_numbers_and_truth_values_is_read(model: Any, given: dict[str, Any]) -> None:
    assert isinstance(model.of(given), BaseModel)


@pytest.mark.parametrize(("model", "body"), CASES)
def test_what_looks_like_a_number_or_a_truth_value_is_refused(model: Any, body: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        model.of(body)


def _described(schema: Any, schemas: Mapping[str, Any], path: str = "") -> set[str]:
    """The places of a body's schema that take a number or a truth value."""
    if isinstance(schema, list):
        return {place for one in schema for place in _described(one, schemas, path)}
    if "$ref" in schema:
        return _described(schemas[schema["$ref"].rpartition("/")[2]], schemas, path)
    found = {path} if schema.get("type") in ("integer", "number", "boolean") else set()
    for name in ("anyOf", "oneOf", "allOf"):
        found |= _described(schema.get(name, []), schemas, path)
    for name, part in schema.get("properties", {}).items():
        found |= _described(part, schemas, f"{path}.{name}".lstrip("."))
    return found


def test_every_number_and_truth_value_of_a_body_is_tried_above(still_world: World) -> None:
    document = still_world.app.test_client().get("/api/v1/openapi.json").json
    schemas = document["components"]["schemas"]
    described = {
        place.rpartition(".")[2]
        for item in document["paths"].values()
        for operation in item.values()
        for media in operation.get("requestBody", {}).get("content", {}).values()
        for place in _described(media["schema"], schemas)
    }
    tried = {place.rpartition(".")[2] for _, given in BODIES for place, _ in slips(given) if "filter." not in place}

    assert described == tried
    assert not any("number" in str(schema.get("type")) for schema in schemas.values())


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/claims", {"limit": "2.0"}),
        ("/claims", {"limit": "true"}),
        ("/claims", {"has_secondary": "1"}),
        ("/claims", {"has_secondary": "yes"}),
        ("/claims", {"on_hold": "True"}),
        ("/claims", {"total_due_max_cents": "50.0"}),
        ("/claims", {"age_min_days": "9e1"}),
        ("/exclusions", {"all": "1"}),
        ("/exclusions", {"all": "on"}),
        ("/audit", {"job": "1.0"}),
        ("/audit", {"limit": "+5"}),
        ("/credits", {"at_least_cents": "5.0"}),
        ("/credits", {"at_least_cents": "true"}),
        ("/settle-jobs", {"limit": " 5"}),
        ("/schedule-runs", {"limit": "5_0"}),
        ("/recoveries", {"limit": "0x5"}),
        ("/periods", {"limit": "٥"}),
    ],
)
def test_a_parameter_that_only_looks_like_a_number_or_a_truth_value_is_refused(
    auditor: Api, path: str, query: dict[str, str]
) -> None:
    assert auditor.get(path, query_string=query).status_code == 422


def test_a_job_on_every_claim_takes_true_and_nothing_else(biller: Api) -> None:
    for slip in (1, 1.0, "true", "yes", [True]):
        answer = biller.preview({"all": slip})
        assert (answer.status_code, answer.json["code"]) == (422, "bad_job_request")
    assert biller.preview({"all": True}).status_code == 201


def test_a_credit_of_at_least_so_many_cents_is_described_as_a_number(still_world: World) -> None:
    document = still_world.app.test_client().get("/api/v1/openapi.json").json
    parameters = document["paths"]["/api/v1/credits"]["get"]["parameters"]
    (least,) = (one["schema"] for one in parameters if one["name"] == "at_least_cents")
    assert {"integer", "null"} == {part["type"] for part in least["anyOf"]}


def test_a_schedules_time_is_text() -> None:
    assert ScheduleRequest.of(_SCHEDULE).local_time == dt.time(2, 30)
