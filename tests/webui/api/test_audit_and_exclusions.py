"""Exclusions, holds and the audit by API."""

import csv
import hashlib
import io
from typing import Any

import pytest

from core.enums.people import Role
from tests.webui.api.conftest import Api, World


@pytest.fixture
def admin(world: World) -> Api:
    return world.api(Role.ADMIN)


def payer_with_claims(world: World) -> str:
    """Return the ID of the payer with the most claims that are not on hold."""
    found = world.sql(
        "SELECT p.external_id FROM payer p JOIN claim c ON c.practice_id = p.practice_id AND c.primary_payer_id = p.id "
        "WHERE p.practice_id = :hill AND c.hold IS NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
        hill=world.hill,
    )
    return str(found[0][0])


def test_an_exclusion_is_created_read_and_ended(world: World, admin: Api, biller: Api) -> None:
    payer = payer_with_claims(world)
    can_settle = len(biller.get("/claims", query_string={"eligibility": "can_settle", "limit": 200}).json["claims"])

    created = admin.post("/exclusions", json={"payer": payer, "why": "Contract", "until": "2025-03-31"})

    assert created.status_code == 201
    assert (created.json["payer"], created.json["patient"], created.json["lasts"]) == (payer, None, True)
    assert (created.json["until"], created.json["why"], created.json["made_by"]) == (
        "2025-03-31",
        "Contract",
        "The admin",
    )
    can_settle_now = len(biller.get("/claims", query_string={"eligibility": "can_settle", "limit": 200}).json["claims"])
    assert can_settle_now < can_settle
    held = biller.get("/claims", query_string={"on_hold": "true", "payer_id": payer, "limit": 1}).json["claims"][0]
    assert (held["hold"], held["eligibility"]) == ("excluded", "on_hold")
    assert [row["id"] for row in biller.get("/exclusions").json["exclusions"]] == [created.json["id"]]

    for _ in range(2):
        ended = admin.post(f"/exclusions/{created.json['id']}/end")
        assert (ended.status_code, ended.json["lasts"], ended.json["ended_by"]) == (200, False, "The admin")
    assert biller.get("/exclusions").json["exclusions"] == []
    assert len(biller.get("/exclusions", query_string={"all": "true"}).json["exclusions"]) == 1
    again = biller.get("/claims", query_string={"eligibility": "can_settle", "limit": 200}).json["claims"]
    assert len(again) == can_settle


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"payer": "no such", "why": "x"}, 422, "bad_exclusion"),
        ({"why": "x"}, 422, "bad_exclusion"),
        ({"patient": "1", "why": "x", "until": "yesterday"}, 422, "bad_body"),
        ({"patient": "1", "why": "x", "until": 4102444800}, 422, "bad_body"),
        ({"patient": "1", "why": "x", "until": "20301130"}, 422, "bad_body"),
        ({"patient": 1, "why": "x"}, 422, "bad_body"),
        ({"patient": "1", "why": "x", "whom": "y"}, 422, "bad_body"),
    ],
)
def test_an_invalid_exclusion_is_refused_with_a_code(admin: Api, body: Any, status: int, code: str) -> None:
    answer = admin.post("/exclusions", json=body)
    assert (answer.status_code, answer.json["code"]) == (status, code)


@pytest.mark.parametrize("all_", ["yes", "1", "on", "True", ""])
def test_the_parameter_for_ended_exclusions_takes_only_true_or_false(admin: Api, all_: str) -> None:
    answer = admin.get("/exclusions", query_string={"all": all_})
    assert (answer.status_code, answer.json["detail"]) == (422, "all: write true or false")


@pytest.mark.parametrize("number", ["0", "999999", "x", "9" * 30])
def test_an_unknown_exclusion_is_not_found(admin: Api, number: str) -> None:
    assert admin.post(f"/exclusions/{number}/end").status_code == 404


def test_a_hold_shows_who_set_it_why_and_until_when(biller: Api) -> None:
    number = biller.claim_ids(1, eligibility="can_settle")[0]
    body = {"hold": "legal_hold", "why": "Letter", "until": "2025-03-31"}

    held = biller.put(f"/claims/{number}/hold", json=body).json

    assert {name: held[name] for name in ("hold", "hold_why", "hold_until", "hold_by")} == {
        "hold": "legal_hold", "hold_why": "Letter", "hold_until": "2025-03-31", "hold_by": "The biller",
    }  # fmt: skip
    refused = biller.put(f"/claims/{number}/hold", json={**body, "until": "2025-03-02"})
    assert (refused.status_code, refused.json["code"]) == (422, "bad_hold")
    for until in (4102444800, "4102444800", "20301130", "2030-W48-6"):
        invalid = biller.put(f"/claims/{number}/hold", json={**body, "until": until})
        assert (invalid.status_code, invalid.json["detail"]) == (422, "until: write the date as YYYY-MM-DD")


def test_administrators_and_approvers_can_read_the_audit(world: World, admin: Api, biller: Api) -> None:
    number = biller.claim_ids(1, eligibility="can_settle")[0]
    job = biller.settled(world, {"claim_ids": [number]})
    email = world.sql("SELECT email FROM app_user WHERE role = 'biller' AND practice_id = :hill", hill=world.hill)[0][0]

    for reader in (admin, world.api(Role.APPROVER)):
        page = reader.get("/audit", query_string={"job": job})
        assert [act["act"] for act in page.json["acts"]] == ["job.completed", "job.confirmed", "job.requested"]
    by_claim = admin.get("/audit", query_string={"claim": number, "person": email}).json
    assert [act["sentence"] for act in by_claim["acts"]] == [f"Confirmed job {job}", f"Requested job {job}"]
    assert by_claim["head"]["number"] == admin.get("/audit").json["acts"][0]["number"]
    assert len(by_claim["head"]["digest"]) == 64


def test_the_audit_file_has_the_hashed_text_and_its_export_is_recorded(admin: Api, biller: Api) -> None:
    assert admin.get("/audit.csv", query_string={"limit": "3"}).status_code == 422

    answer = admin.get("/audit.csv", query_string={"from": "2025-01-01"})

    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert (rows[0]["Number"], rows[-1]["Action code"]) == ("1", "audit.exported")
    assert all(row["Checksum"] == hashlib.sha256(row["Checksum input"].encode()).hexdigest() for row in rows)


def test_the_audits_cursor_continues_after_the_previous_page(admin: Api) -> None:
    numbers: list[int] = []
    cursor = ""
    while cursor is not None:
        page = admin.get("/audit", query_string={"limit": 2, "cursor": cursor}).json
        numbers += [act["number"] for act in page["acts"]]
        cursor = page["next_cursor"]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] == 1


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ({"job": "x"}, 422, "job: enter a job number"),
        ({"job": "12.0"}, 422, "job: enter a job number"),
        ({"job": "0"}, 422, "job: must be at least 1"),
        ({"from": "monday"}, 422, "from: write the date as YYYY-MM-DD"),
        ({"from": "1764460800"}, 422, "from: write the date as YYYY-MM-DD"),
        ({"to": "2026-W48-1"}, 422, "to: write the date as YYYY-MM-DD"),
        ({"from": "2025-03-03", "to": "2025-03-02"}, 422, "The last day is before the first day."),
        ({"who": "x"}, 422, "who: is unknown"),
        ({"person": "unknown@x.example"}, 404, "This practice has no user unknown@x.example."),
    ],
)
def test_an_invalid_audit_filter_is_refused_by_name(
    admin: Api, query: dict[str, str], status: int, detail: str
) -> None:
    answer = admin.get("/audit", query_string=query)
    assert (answer.status_code, answer.json["detail"]) == (status, detail)


def test_the_audit_can_be_filtered_to_one_day(admin: Api) -> None:
    assert admin.get("/audit", query_string={"from": "2025-03-03", "to": "2025-03-03"}).status_code == 200


def test_confirming_a_write_off_of_medicare_cost_sharing_requires_a_reason(world: World, biller: Api) -> None:
    world.sql("UPDATE payer SET payer_class = 'medicare'")
    job = biller.previewed({"filter": {"patient_due_min_cents": 1, "eligibility": "can_settle"}}, note="")
    share = biller.get(f"/settle-jobs/{job}").json["totals"]["cost_share"]
    assert share["job_cents"] > 0
    assert {"since", "until", "written_off_cents", "became_due_cents", "percent", "claims"} < set(share)

    without_reason = {"confirmation": "CONFIRM", "cost_share_reason": " "}
    refused = biller.post(f"/settle-jobs/{job}/confirm", json=without_reason)
    assert (refused.status_code, refused.json["code"]) == (422, "cost_share_reason_missing")
    repeated = {"confirmation": "CONFIRM", "cost_share_reason": "small balance"}
    refused = biller.post(f"/settle-jobs/{job}/confirm", json=repeated)
    assert (refused.status_code, refused.json["code"]) == (422, "cost_share_reason_repeats")
    body = {"confirmation": "CONFIRM", "cost_share_reason": "Hardship, looked into"}
    assert biller.post(f"/settle-jobs/{job}/confirm", json=body).status_code == 202
    assert biller.get(f"/settle-jobs/{job}").json["cost_share_reason"] == "Hardship, looked into"


def test_the_old_and_new_values_of_an_import_are_listed_page_by_page(world: World, admin: Api) -> None:
    for number in ("P-1", "P-2"):
        world.sql(
            "INSERT INTO import_change (practice_id, entry_id, record, number, field, old, new) SELECT practice_id, "
            f"id, 'patient', '{number}', 'name', 'Old, Ann', 'New, Ann' FROM audit_entry ORDER BY id LIMIT 1"
        )

    first = admin.get("/audit/1/changes", query_string={"limit": 1}).json
    rest = admin.get("/audit/1/changes", query_string={"limit": 1, "cursor": first["next_cursor"]}).json

    assert first["changes"] == [
        {"record": "patient", "number": "P-1", "field": "name", "old": "Old, Ann", "new": "New, Ann"}
    ]
    assert ([one["number"] for one in rest["changes"]], rest["next_cursor"]) == (["P-2"], None)
    assert admin.get("/audit/999/changes").status_code == 404
