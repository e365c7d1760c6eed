"""Views by API, and claims found by a name that stands in no address."""

from core.enums.people import Role
from tests.webui.api.conftest import Api, World

SMALL = {
    "name": "Small balances",
    "shared": True,
    "columns": [{"key": "claim_id"}, {"key": "total_due", "width": 120}],
    "sort": "-total_due",
    "filter": {"total_due_max_cents": 25_00, "age_bucket": ["over-120"]},
}


def test_a_view_is_saved_read_changed_and_deleted(world: World, biller: Api) -> None:
    saved = biller.post("/views", json=SMALL)
    assert saved.status_code == 201
    view = saved.json
    assert {key: view[key] for key in SMALL} == SMALL
    assert biller.get(f"/views/{view['id']}").json == view
    assert world.api(Role.ADMIN).get("/views").json["views"] == [view]

    changed = biller.put(f"/views/{view['id']}", json={**SMALL, "name": "Ours", "columns": []}).json
    assert (changed["name"], changed["columns"], changed["filter"]) == ("Ours", [], SMALL["filter"])
    assert biller.put(f"/views/{view['id']}/default").json["is_default"] is True
    assert world.api(Role.ADMIN).get(f"/views/{view['id']}").json["is_default"] is False
    assert biller.send("DELETE", f"/views/{view['id']}/default").status_code == 204
    assert biller.send("DELETE", f"/views/{view['id']}").status_code == 204
    assert biller.get(f"/views/{view['id']}").status_code == 404


def test_a_view_is_refused_with_its_reason(world: World, biller: Api) -> None:
    assert biller.post("/views", json=SMALL).status_code == 201
    for body, code in (
        (SMALL, "view_name_taken"),
        ({**SMALL, "name": ""}, "bad_view_name"),
        ({**SMALL, "columns": [{"key": "ssn"}]}, "bad_view"),
        ({**SMALL, "sort": "ssn"}, "bad_filter"),
        ({**SMALL, "filter": {"paitent": "Ana"}}, "bad_filter"),
    ):
        assert biller.post("/views", json=body).json["code"] == code
    assert world.api(Role.APPROVER).send("DELETE", "/views/1").status_code == 403


def test_claims_are_found_by_a_name_in_the_body(reader: Api) -> None:
    some = reader.get("/claims", query_string={"limit": 1}).json["claims"][0]
    word = some["patient"].split(",")[0]

    answer = reader.post("/claims/search", json={"filter": {"patient": word}, "sort": "claim", "limit": 5})

    assert answer.status_code == 200
    assert {claim["patient"].split(",")[0] for claim in answer.json["claims"]} == {word}
    assert all(word in claim["patient"] for claim in answer.json["claims"])
    assert reader.post("/claims/search", json={"filter": {"patiend": word}}).json["code"] == "bad_filter"


def test_totals_of_a_filter_are_summed_by_age(reader: Api) -> None:
    claims = reader.get("/claims", query_string={"age_basis": "first_bill", "limit": 200}).json["claims"]

    found = reader.post("/claims/totals", json={"filter": {"age_basis": "first_bill"}}).json

    assert (found["age_basis"], found["claims"]) == ("first_bill", sum(age["claims"] for age in found["ages"]))
    assert {age["age_bucket"] for age in found["ages"] if age["claims"]} >= {c["age_bucket"] for c in claims}
    word = claims[0]["patient"]
    named = reader.post("/claims/totals", json={"filter": {"patient": word}}).json
    same = reader.post("/claims/search", json={"filter": {"patient": word}, "limit": 200}).json["claims"]
    assert (named["claims"], named["total_due_cents"]) == (len(same), sum(c["total_due_cents"] for c in same))
    assert reader.post("/claims/totals", json={"filter": {"billing_status": "No such"}}).status_code == 422


def test_a_name_in_an_address_is_refused_with_the_right_address(reader: Api) -> None:
    answer = reader.get("/claims", query_string={"patient": "Ana"})

    assert (answer.status_code, answer.json["code"]) == (422, "bad_filter")
    assert "POST /api/v1/claims/search" in answer.json["detail"]


def test_a_search_finds_what_the_search_box_finds_and_keeps_the_name_out_of_the_address(
    biller: Api,
) -> None:
    claim = biller.get("/claims", query_string={"limit": 1}).json["claims"][0]
    biller.previewed({"claim_ids": [claim["id"]]}, note=f"About {claim['patient']}")

    found = biller.post("/search", json={"text": claim["patient"]}).json
    by_number = biller.post("/search", json={"text": claim["id"], "list": "patients"}).json

    assert found["patients"]["count"] == len(found["patients"]["patients"]) >= 1
    assert {one["name"] for one in found["patients"]["patients"]} == {claim["patient"]}
    assert (found["jobs"]["count"], found["claims"], found["amounts"]) == (1, *[{"count": 0, "claims": []}] * 2)
    assert by_number["claims"]["claims"][0] == {
        "id": claim["id"], "patient": claim["patient"], "service_date": claim["service_date"],
        "billing_status": claim["billing_status"], "billed_cents": claim["billed_cents"],
        "total_due_cents": claim["total_due_cents"],
    }  # fmt: skip
    for text in ("x", "x" * 101, "a\x00b"):
        assert biller.post("/search", json={"text": text}).status_code in (400, 422)
    assert biller.get("/search").status_code == 405
