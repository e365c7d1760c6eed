"""The OpenAPI document describes what the API does, and its page loads nothing from another host."""

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask_openapi3.models import APISpec
from jsonschema import Draft202012Validator

from core.claims.claim_filter import ClaimFilter
from tests.webui.api.conftest import Api, World
from webui.api import job_models, models
from webui.api.job_models import Confirmed
from webui.api.progress_models import ProgressAnswer


@pytest.fixture
def document(shared_world: World) -> dict[str, Any]:
    answer = shared_world.app.test_client().get("/api/v1/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json
    return found


def routes(app: Flask) -> set[tuple[str, str]]:
    """Return the method and path of each route of version 1."""
    return {
        (method, re.sub(r"<(?:[^<:>]+:)?([^<>]+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and not rule.endpoint.startswith("api_docs.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_the_document_lists_exactly_the_routes(shared_world: World, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == routes(shared_world.app)
    assert {("GET", "/api/v1/claims"), ("POST", "/api/v1/settle-jobs/{job_id}/confirm")} <= described


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    APISpec.model_validate(document)
    assert document["openapi"] == "3.1.0"
    references = set(re.findall(r"#/components/schemas/([^'\"]+)", str(document)))
    assert references <= set(document["components"]["schemas"])
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


def test_each_operation_has_a_summary_a_token_and_its_refusals(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"].endswith("."), path
            is_sign_in = path == "/api/v1/login"
            assert operation["security"] == [*([{}] if is_sign_in else []), {"token": []}]
            assert {"401", "403", "422"} <= set(operation["responses"])
            in_path = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))


def test_the_list_of_claims_takes_every_filter_field(document: dict[str, Any]) -> None:
    named = {parameter["name"] for parameter in document["paths"]["/api/v1/claims"]["get"]["parameters"]}
    keys = {field.alias or name for name, field in ClaimFilter.model_fields.items()}
    assert named == (keys | {"sort", "cursor", "limit"}) - {"patient"}


def test_no_address_takes_a_patients_name(document: dict[str, Any]) -> None:
    gets = [item["get"] for item in document["paths"].values() if "get" in item]
    named = {one["name"] for get in gets for one in get.get("parameters", []) if one["in"] == "query"}
    assert not {name for name in named if re.search("patient|name|text|query", name)} - {
        "name",  # of a job
        "patient_id", "patient_due_min_cents", "patient_due_max_cents",
    }  # fmt: skip


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2200-01-01", "1899-12-31"])
def test_a_day_in_a_year_that_cannot_be_meant_is_refused(document: dict[str, Any], biller: Api, day: str) -> None:
    """Ask every list that takes a day, and every body that does, for each end of the calendar."""
    asked = [
        (path.removeprefix("/api/v1"), one["name"])
        for path, item in document["paths"].items()
        for one in item.get("get", {}).get("parameters", [])
        if one["in"] == "query" and '"date"' in json.dumps(one["schema"]) and "{" not in path
    ]
    assert {path for path, _ in asked} >= {"/claims", "/audit", "/settle-jobs", "/postings"}
    claim, selection = biller.claim_ids(1)[0], {"claim_ids": ["1"]}
    own = [(path, name) for path, name in asked if not path.startswith(("/audit", "/review"))]
    answers = [biller.get(path, query_string={name: day}) for path, name in own]
    answers += [
        biller.preview(selection, posting_date=day),
        biller.preview({"filter": {"to": day}}),
        biller.enter(claim, kind="payment", line=1, responsibility="patient", amount_cents=1, posted_on=day),
        biller.put(f"/claims/{claim}/hold", json={"hold": "hold", "until": day}),
        biller.get("/reports/write-offs", query_string={"last": day[:7]}),
        biller.get(f"/periods/{day[:7]}"),
    ]

    assert {answer.status_code for answer in answers} <= {404, 422}
    dated = [answer.json["detail"] for answer in answers[:-2]]
    assert all("the year must be between 1900 and 2199" in detail for detail in dated), dated


def test_an_idempotency_key_is_required(document: dict[str, Any]) -> None:
    for path in ("/settle-jobs", "/settle-jobs/{job_id}/reverse", "/claims/{claim_id}/postings"):
        parameters = document["paths"][f"/api/v1{path}"]["post"]["parameters"]
        (header,) = (parameter for parameter in parameters if parameter["in"] == "header")
        assert (header["name"], header["required"]) == ("Idempotency-Key", True)


def test_request_bodies_are_described_by_kind_of_entry_and_hold(document: dict[str, Any]) -> None:
    entry = document["components"]["schemas"]["NewPosting"]
    assert set(entry["discriminator"]["mapping"]) == {"payment", "adjustment", "transfer"}
    assert document["components"]["schemas"]["NewHold"]["required"] == ["hold"]
    files = document["paths"]["/api/v1/settle-jobs/{job_id}/{file}.{form}"]["get"]
    assert len(files["responses"]["200"]["content"]) == 2


def test_answers_have_exactly_the_documented_fields(biller: Api) -> None:
    job = biller.preview().json
    confirmed = biller.confirm(job["id"]).json
    claim_id = biller.claim_ids(1)[0]
    for answer, model in [
        (job, job_models.CreatedJob),
        (confirmed, Confirmed),
        (biller.get(f"/settle-jobs/{job['id']}/progress").json, ProgressAnswer),
        (biller.get(f"/settle-jobs/{job['id']}/items").json["items"][0], job_models.Item),
        (biller.get("/settle-jobs").json["settle_jobs"][0], job_models.SettleJobSummary),
        (biller.get(f"/claims/{claim_id}").json, models.ClaimWithLines),
        (biller.get(f"/claims/{claim_id}/postings").json["postings"][0], models.PostingEntry),
    ]:
        assert answer.keys() == model.model_fields.keys()


def schema_errors(document: Mapping[str, Any], path: str, answer: Any) -> list[str]:
    """Return what the documented schema of this path does not allow in the answer."""
    content = document["paths"][f"/api/v1{path}"]["get"]["responses"]["200"]["content"]
    schema = {**content["application/json"]["schema"], "components": document["components"]}
    reader = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in reader.iter_errors(answer)]


SERVED_AT = [("08:15", "08:15:00"), ("00:00:07", "00:00:07"), ("23:59:59", "23:59:59"), (None, None)]


@pytest.mark.parametrize(("stored", "answered"), SERVED_AT)
def test_the_documented_time_of_service_matches_the_answer(
    world: World, biller: Api, stored: str | None, answered: str | None
) -> None:
    document = world.app.test_client().get("/api/v1/openapi.json").json
    assert document is not None
    world.sql("UPDATE claim SET service_time = CAST(:stored AS time)", stored=stored)
    (claim_id,) = biller.claim_ids(1)
    page, claim = biller.get("/claims").json, biller.get(f"/claims/{claim_id}").json
    assert page is not None
    assert claim is not None

    assert {one["service_time"] for one in (*page["claims"], claim)} == {answered}
    assert schema_errors(document, "/claims", page) == []
    assert schema_errors(document, "/claims/{claim_id}", claim) == []
    for wrong in ("08:15", "08:15:00Z", "08:15:00-05:00", "24:00:00", "8:15 AM", 29_700):
        assert len(schema_errors(document, "/claims/{claim_id}", {**claim, "service_time": wrong})) == 1
    schema = document["components"]["schemas"]["Claim"]["properties"]["service_time"]
    assert "format" not in str(schema)
    assert "without a time zone" in schema["description"]


class Addresses(HTMLParser):
    """Collect the addresses that a page loads. Fail if the page has an inline script or style."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag != "style"
        assert tag != "script" or given.get("src")
        self.loaded += [value for name, value in given.items() if name in {"src", "href"} and value]


def test_the_documentation_page_loads_nothing_from_another_host(shared_world: World) -> None:
    client = shared_world.app.test_client()
    page = client.get("/api/v1/docs")
    policy = page.headers["Content-Security-Policy"]
    addresses = Addresses()
    addresses.feed(page.get_data(as_text=True))

    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|\*", policy)
    assert len(addresses.loaded) >= 4
    for address in addresses.loaded:
        assert address.startswith("/")
        with client.get(address) as answer:
            assert answer.status_code == 200


def test_only_the_documentation_pages_own_files_are_served(shared_world: World) -> None:
    client = shared_world.app.test_client()
    for name in ("../__init__.py", "..%2f__init__.py", "js/none.js"):
        assert client.get(f"/api/v1/docs/{name}").status_code == 404
