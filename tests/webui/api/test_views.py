"""Views by API, and claims found by a name that stands in no address."""

from core.models.people import Role
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
    by_address = reader.get("/claims", query_string={"patient": word, "sort": "claim", "limit": 5})
    assert answer.json == by_address.json
    assert all(word in claim["patient"] for claim in answer.json["claims"])
    assert reader.post("/claims/search", json={"filter": {"patiend": word}}).json["code"] == "bad_filter"
