"""JSON numbers and booleans are read strictly: a value that only looks like one is refused, as documented."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from pydantic import BaseModel

from core.enums.people import Role
from core.errors import BadInput
from core.jobs.preview.job_request import JobRequest
from core.ledger.entries import CreditTransfer, Refund
from core.schedules.requests import ScheduleRequest
from tests.webui.api.conftest import Api, World
from webui.api.account import PasswordChange
from webui.api.approvals import Approval
from webui.api.claim_postings import NewPosting
from webui.api.claims import ClaimsSearch
from webui.api.import_models import ExpectedTotal, ImportConfirmation, NewImport
from webui.api.jobs import Confirmation
from webui.api.limits import OnePersonChosen
from webui.api.login import SignIn
from webui.api.mappings import NewMapping
from webui.api.rule_limits import SomeRuleLimits
from webui.api.schedules import LetSettle, OfVersion, ScheduleChange
from webui.api.second_factor import SecondFactorChange
from webui.api.single_sign_on import SingleSignOnBody
from webui.api.users import NewLimits, NewUser
from webui.api.views import ViewBody
from webui.api.webhooks import WebhookChange

_NARROWED: Final = {"total_due_max_cents": 5_000, "age_min_days": 90, "has_secondary": False, "on_hold": True}
_ENTRY: Final = {"line": 1, "amount_cents": 500}
_SCHEDULE: Final = {
    "name": "Small balances", "filter": _NARROWED, "local_time": "02:30", "weekdays": ["mon"],
    "reason": "small_balance", "claims_max": 500, "cents_max": 500_000, "late_minutes": 60,
}  # fmt: skip
_LIMITS: Final = {"claim_cents": 5_000, "job_cents": 0}
_STATEMENTS: Final = {"appeal_window_days": 180, "statements_min": 2, "statement_days": 30}
_FILE: Final = {"name": "claims.csv", "bytes": 1}
BODIES: Final[tuple[tuple[type[Any], dict[str, Any]], ...]] = (
    (JobRequest, {"selection": {"all": True}, "reason": "small_balance"}),
    (JobRequest, {"selection": {"filter": _NARROWED}, "reason": "small_balance"}),
    (NewPosting, {"kind": "payment", **_ENTRY, "responsibility": "patient", "paid_by": "patient"}),
    (
        NewPosting,
        {"kind": "adjustment", **_ENTRY, "responsibility": "patient", "group_code": "CO", "reason_code": "45"},
    ),
    (NewPosting, {"kind": "transfer", **_ENTRY, "responsibility": "patient"}),
    (Refund, {**_ENTRY, "responsibility": "patient", "paid_to": "patient", "note": "Check 7"}),
    (
        CreditTransfer,
        {**_ENTRY, "responsibility": "patient", "note": "Moved", "to": {"line": 2, "responsibility": "patient"}},
    ),
    (Confirmation, {"confirmation": "CONFIRM", "changed_since_preview": 1}),
    (Approval, {"confirmation": "CONFIRM", "changed_since_preview": 1}),
    (ScheduleRequest, _SCHEDULE),
    (ScheduleChange, {**_SCHEDULE, "version": 1}),
    (OfVersion, {"version": 1}),
    (NewMapping, {"name": "our export", "mapping": {}, "replace": True}),
    (ClaimsSearch, {"limit": 50}),
    (ViewBody, {"name": "Small balances", "shared": True}),
    (LetSettle, {"version": 1, "confirmation": "CONFIRM"}),
    (NewLimits, _LIMITS),
    (OnePersonChosen, {"chosen": True}),
    (SecondFactorChange, {"required": True, "large_confirm_cents": 1}),
    (
        SingleSignOnBody,
        {
            "active": True,
            "adds_users": True,
            "asks_second_factor": True,
            "password_sign_in": True,
            "issuer": "",
            "client_id": "",
            "domains": [],
        },
    ),
    (PasswordChange, {"password": "old", "new_password": "new", "keep_tokens": True}),
    (SignIn, {"email": "a@example.org", "password": "old", "new_password": "new", "keep_tokens": True}),
    (SomeRuleLimits, {"small_balance_max_cents": 2_500, "recent_payment_days": 7, **_STATEMENTS}),
    (NewImport, {"files": [_FILE], "options": {"skip_empty_claims": True}, "expected_total_cents": 23_250}),
    (ExpectedTotal, {"expected_total_cents": 23_250}),
    (ImportConfirmation, {"accept_difference": True, "take_changes": True, "post_corrections": True}),
    (WebhookChange, {"url": "https://pm.example/", "events": ["job.completed"], "active": True}),
    (NewUser, {"email": "a@example.org", "name": "Ana", "role": "biller", **_LIMITS}),
)


def look_alikes(value: Any) -> list[Any]:
    """Return what another program may send instead of this number or boolean."""
    if isinstance(value, bool):
        return [int(value), float(value), str(value).lower(), "yes", "on", ""]
    return [str(value), float(value), f"{value}.0", True, [value]]


def wrong_bodies(given: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each field with a number or boolean, and the body with that one value written in another way."""
    for key, value in given.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{field}", {**given, key: wrong}) for field, wrong in wrong_bodies(value))
        elif isinstance(value, bool | int):
            yield from ((key, {**given, key: other}) for other in look_alikes(value))


@pytest.fixture(scope="module")
def auditor(shared_world: World) -> Api:
    return shared_world.api(Role.ADMIN)


CASES: Final = [
    pytest.param(model, body, id=f"{model.__name__}-{field}")
    for model, given in BODIES
    for field, body in wrong_bodies(given)
]


@pytest.mark.parametrize(("model", "given"), BODIES)
def test_a_body_with_json_numbers_and_booleans_is_accepted(model: Any, given: dict[str, Any]) -> None:
    assert isinstance(model.of(given), BaseModel)


@pytest.mark.parametrize(("model", "body"), CASES)
def test_a_value_that_only_looks_like_a_number_or_boolean_is_refused(model: Any, body: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        model.of(body)


def _described(schema: Any, schemas: Mapping[str, Any], path: str = "") -> set[str]:
    """Return the paths in a body's schema that take a number or boolean."""
    if isinstance(schema, list):
        return {field for one in schema for field in _described(one, schemas, path)}
    if "$ref" in schema:
        return _described(schemas[schema["$ref"].rpartition("/")[2]], schemas, path)
    found = {path} if schema.get("type") in ("integer", "number", "boolean") else set()
    for name in ("anyOf", "oneOf", "allOf"):
        found |= _described(schema.get(name, []), schemas, path)
    for name, part in schema.get("properties", {}).items():
        found |= _described(part, schemas, f"{path}.{name}".lstrip("."))
    return found


def test_every_number_and_boolean_of_every_request_body_is_tried_above(shared_world: World) -> None:
    document = shared_world.app.test_client().get("/api/v1/openapi.json").json
    schemas = document["components"]["schemas"]
    described = {
        field.rpartition(".")[2]
        for item in document["paths"].values()
        for operation in item.values()
        for media in operation.get("requestBody", {}).get("content", {}).values()
        for field in _described(media["schema"], schemas)
    }
    tried = {
        field.rpartition(".")[2] for _, given in BODIES for field, _ in wrong_bodies(given) if "filter." not in field
    }

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
def test_a_parameter_that_only_looks_like_a_number_or_boolean_is_refused(
    auditor: Api, path: str, query: dict[str, str]
) -> None:
    assert auditor.get(path, query_string=query).status_code == 422


def test_a_job_on_every_claim_takes_only_true(biller: Api) -> None:
    for wrong in (1, 1.0, "true", "yes", [True]):
        answer = biller.preview({"all": wrong})
        assert (answer.status_code, answer.json["code"]) == (422, "bad_job_request")
    assert biller.preview({"all": True}).status_code == 201


def test_the_minimum_credit_is_documented_as_an_integer(shared_world: World) -> None:
    document = shared_world.app.test_client().get("/api/v1/openapi.json").json
    parameters = document["paths"]["/api/v1/credits"]["get"]["parameters"]
    (least,) = (one["schema"] for one in parameters if one["name"] == "at_least_cents")
    assert {"integer", "null"} == {part["type"] for part in least["anyOf"]}


def test_a_schedules_time_is_sent_as_text() -> None:
    assert ScheduleRequest.of(_SCHEDULE).local_time == dt.time(2, 30)
