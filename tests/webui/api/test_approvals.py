"""Approvals by API: the jobs that wait, the second CONFIRM, a rejection with its reason, users and limits."""

import re
from typing import Any

import pytest

from core.enums.people import Role
from tests.webui.api.conftest import Api, World


@pytest.fixture
def admin(world: World) -> Api:
    return world.api(Role.ADMIN)


@pytest.fixture
def approver(world: World) -> Api:
    return world.api(Role.APPROVER)


def limit(admin: Api, claim: Any = "unlimited", job: Any = "unlimited") -> Any:
    return admin.put("/limits", json={"claim_cents": claim, "job_cents": job})


@pytest.fixture
def waiting(admin: Api, biller: Api) -> str:
    """Confirm a job over the practice's limit as the biller, and return its id."""
    assert limit(admin, job=100).status_code == 200
    job_id = biller.previewed(biller_selection(biller))
    assert biller.confirm(job_id).status_code == 202
    return job_id


def biller_selection(biller: Api) -> dict[str, Any]:
    return {"claim_ids": biller.claim_ids(5, eligibility="can_settle", total_due_min_cents=1_000)}


def test_confirming_a_job_over_a_limit_leaves_it_awaiting_approval(world: World, admin: Api, biller: Api) -> None:
    limit(admin, claim=500, job=100)
    job_id = biller.previewed(biller_selection(biller))
    previewed = biller.get(f"/settle-jobs/{job_id}").json
    assert [one["code"] for one in previewed["over"]] == ["over_claim_limit", "over_job_limit"]
    assert previewed["limits"] == {
        "practice_claim_cents": 500, "practice_job_cents": 100, "user_claim_cents": "unlimited",
        "user_job_cents": "unlimited", "sum_hours": 24,
    }  # fmt: skip

    first, again = biller.confirm(job_id), biller.confirm(job_id)

    assert (first.status_code, first.json["status"], first.json["confirmed_at"]) == (202, "awaiting_approval", None)
    assert (again.status_code, again.json) == (202, first.json)
    assert world.hints.sent == [], "no work before the approval"
    job = biller.get(f"/settle-jobs/{job_id}").json
    assert (job["status"], job["over"], job["confirmed_at"]) == ("awaiting_approval", previewed["over"], None)
    assert job["approval_expires_at"] > job["approval_asked_at"]
    total = previewed["totals"]["insurance_cents"] + previewed["totals"]["patient_cents"]
    assert job["over"][1] == {
        "code": "over_job_limit", "words": "Over the practice's per-job limit", "unit": "cents", "limit": 100,
        "found": total, "claims": previewed["counts"]["will_settle"], "jobs": [],
        "sentence": job["over"][1]["sentence"],
    }  # fmt: skip
    world.work()
    assert biller.get(f"/settle-jobs/{job_id}/progress").json["settled"] == 0


def test_another_user_approves_the_job_and_it_runs_as_previewed(
    world: World, biller: Api, approver: Api, waiting: str
) -> None:
    first = approver.post(f"/settle-jobs/{waiting}/approve", json={"confirmation": "CONFIRM"})
    again = approver.post(f"/settle-jobs/{waiting}/approve", json={"confirmation": "CONFIRM"})

    assert (first.status_code, first.json["status"]) == (202, "confirmed")
    assert (first.json["confirmed_by"], first.json["approved_by"]) == ("The biller", "The approver")
    assert (again.status_code, again.json) == (202, first.json)
    assert biller.confirm(waiting).json == first.json
    assert {sent[1] for sent in world.hints.sent} == {int(waiting)}
    world.work()
    job = biller.get(f"/settle-jobs/{waiting}").json
    assert (job["status"], job["decided_by"]) == ("completed", "The approver")
    certificate = biller.get(f"/settle-jobs/{waiting}/certificate").json
    assert (certificate["confirmed_by"], certificate["approved_by"]) == ("The biller", "The approver")
    assert certificate["over"][0]["code"] == "over_job_limit"


def test_the_approver_sees_how_many_claims_changed_since_the_preview(
    world: World, biller: Api, approver: Api, waiting: str
) -> None:
    world.sql("UPDATE claim SET version = version + 1")
    will_settle = biller.get(f"/settle-jobs/{waiting}").json["counts"]["will_settle"]

    listed = approver.get("/approvals").json["waiting_for_me"]

    assert [(job["id"], job["changed_since_preview"]) for job in listed] == [(waiting, will_settle)]


@pytest.mark.parametrize("body", [{}, {"confirmation": "confirm"}, {"confirmation": " CONFIRM"}])
def test_an_approval_requires_confirm(approver: Api, waiting: str, body: dict[str, str]) -> None:
    answer = approver.post(f"/settle-jobs/{waiting}/approve", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "confirmation_mismatch")
    assert approver.get(f"/settle-jobs/{waiting}").json["status"] == "awaiting_approval"


def test_a_rejection_shows_its_reason_to_the_requester(biller: Api, approver: Api, waiting: str) -> None:
    missing = approver.post(f"/settle-jobs/{waiting}/reject", json={"reason": "  "})
    assert (missing.status_code, missing.json["code"]) == (422, "reason_missing")

    rejected = approver.post(f"/settle-jobs/{waiting}/reject", json={"reason": "Call them first"})

    assert (rejected.status_code, rejected.json["status"]) == (200, "rejected")
    (decided,) = biller.get("/approvals").json["decided"]
    assert (decided["id"], decided["decided_by"], decided["decision_note"]) == (
        waiting,
        "The approver",
        "Call them first",
    )
    late = approver.post(f"/settle-jobs/{waiting}/approve", json={"confirmation": "CONFIRM"})
    assert (late.status_code, late.json["code"]) == (409, "already_decided")
    assert biller.confirm(waiting).status_code == 409


def test_each_user_lists_the_jobs_that_wait_for_them_and_for_others(
    admin: Api, biller: Api, approver: Api, stranger: Api, waiting: str
) -> None:
    def ids(api: Api) -> tuple[list[str], list[str]]:
        answer = api.get("/approvals").json
        for_me, for_others = answer["waiting_for_me"], answer["waiting_for_others"]
        return [job["id"] for job in for_me], [job["id"] for job in for_others]

    assert ids(biller) == ([], [waiting])
    assert ids(approver) == ids(admin) == ([waiting], [])
    assert ids(stranger) == ([], [])
    listed = biller.get("/settle-jobs", query_string={"status": "awaiting_approval"}).json["settle_jobs"]
    assert [job["id"] for job in listed] == [waiting]


# Limits


def test_limits_are_cents_or_unlimited_and_a_biller_can_read_them(admin: Api, biller: Api) -> None:
    seen = biller.get("/limits").json
    assert {**seen, "users": len(seen["users"])} == {
        "practice": "Hill", "claim_cents": "unlimited", "job_cents": "unlimited", "my_claim_cents": "unlimited",
        "my_job_cents": "unlimited", "one_person": None, "users": 1,
    }  # fmt: skip
    assert limit(admin, claim=0, job=50_000).json["claim_cents"] == 0
    assert limit(admin, claim="unlimited", job=50_000).json["job_cents"] == 50_000
    assert biller.get("/limits").json["job_cents"] == 50_000
    one = admin.send("PATCH", "/limits", json={"claim_cents": 7}).json
    assert (one["claim_cents"], one["job_cents"], len(one["users"])) == (7, 50_000, 2)
    (email,) = (user["email"] for user in one["users"] if user["role"] == "biller")
    own = admin.send("PATCH", f"/users/{email}/limits", json={"job_cents": 9}).json
    assert (own["claim_limit_cents"], own["job_limit_cents"]) == ("unlimited", 9)


def test_a_limit_that_is_neither_cents_nor_unlimited_is_refused(admin: Api) -> None:
    amounts: list[Any] = [None, "", "none", "Unlimited", "500", 1.5, True, -1, 10**18, [], {}]
    for claim in amounts:
        answer = limit(admin, claim=claim, job=1)
        assert (answer.status_code, answer.json["code"]) == (422, "bad_limit_amount"), claim
        assert re.search(r"an amount.*, or .*unlimited", answer.json["detail"])
        assert admin.get("/limits").json["job_cents"] == "unlimited"


def test_a_missing_limit_is_not_unlimited(admin: Api) -> None:
    answer = admin.put("/limits", json={"claim_cents": 1})
    assert (answer.status_code, answer.json["code"]) == (422, "bad_limit_amount")


# Users


def user_id(admin: Api, role: Role) -> str:
    (found,) = [user["id"] for user in admin.get("/users").json["users"] if user["role"] == role]
    return str(found)


def test_an_administrator_changes_another_users_limits_role_and_access(admin: Api, biller: Api) -> None:
    biller_id = user_id(admin, Role.BILLER)
    assert admin.put(f"/users/{biller_id}/limits", json={"claim_cents": 100, "job_cents": "unlimited"}).json == {
        **admin.get(f"/users/{biller_id}").json, "claim_limit_cents": 100, "job_limit_cents": "unlimited",
    }  # fmt: skip
    assert admin.put(f"/users/{biller_id}/role", json={"role": "approver"}).json["role"] == "approver"
    assert biller.preview().status_code == 403, "the role applies from the next request on"

    assert admin.post(f"/users/{biller_id}/deactivate").json["active"] is False
    assert biller.get("/claims").status_code == 401, "the token is revoked"
    assert admin.post(f"/users/{biller_id}/reactivate").json["active"] is True
    assert biller.get("/claims").status_code == 401, "the token stays revoked"


def test_a_user_with_the_same_email_is_added_only_once(admin: Api) -> None:
    new = {"email": "new@hill.example", "name": "New", "role": "approver"}
    for limits in ({}, {"claim_cents": 5, "job_cents": None}, {"claim_cents": "", "job_cents": 1}):
        missing_limit = admin.post("/users", json={**new, "claim_cents": None, "job_cents": None, **limits})
        assert (missing_limit.status_code, missing_limit.json["code"]) == (422, "bad_limit_amount")
    new |= {"claim_cents": 25_00, "job_cents": "unlimited"}
    created = admin.post("/users", json=new)
    assert (created.status_code, created.json["role"]) == (201, "approver")
    assert (created.json["claim_limit_cents"], created.json["job_limit_cents"]) == (25_00, "unlimited")
    assert created.headers["Location"].endswith(f"/api/v1/users/{created.json['id']}")
    again = admin.post("/users", json=new)
    assert (again.status_code, again.json["code"]) == (409, "email_taken")
    given = admin.post("/users", json={**new, "email": "x@hill.example", "password": "a long password"})
    assert (given.status_code, given.json["code"]) == (422, "bad_body"), "an administrator knows no other password"


def test_a_link_lets_a_user_set_a_password(admin: Api, world: World) -> None:
    new = {"email": "new@hill.example", "name": "New", "role": "ops", "claim_cents": 0, "job_cents": 0}
    first = admin.post("/users", json=new).json
    second = admin.post(f"/users/{first['id']}/password-link")

    assert (second.status_code, second.json["password_link_mailed"]) == (201, False)
    page = admin.client.get(first["password_link"])
    assert (page.status_code, "replaced by a newer one" in page.text) == (410, True)
    password = {"new_password": "orchid tunnel 44 velvet", "repeated": "orchid tunnel 44 velvet"}
    assert admin.client.post(second.json["password_link"], data=password).location == "/sign-in"
    signed_in = admin.client.post("/api/v1/login", json={"email": new["email"], "password": password["new_password"]})
    assert signed_in.status_code == 201
    own = admin.send("POST", f"/users/{_own_id(admin)}/password-link")
    assert (own.status_code, own.json["code"]) == (403, "own_account")


def _own_id(admin: Api) -> str:
    return next(str(user["id"]) for user in admin.get("/users").json["users"] if user["role"] == "admin")


@pytest.mark.parametrize("unknown_id", ["0", "x", "9" * 30])
def test_an_unknown_user_is_not_found(admin: Api, unknown_id: str) -> None:
    assert admin.get(f"/users/{unknown_id}").status_code == 404


def test_one_person_who_chose_it_runs_a_job_without_approval(world: World, admin: Api, biller: Api) -> None:
    limit(admin, job=100)
    chosen = admin.put("/limits/one-person", json={"chosen": True})
    assert chosen.json["one_person"] == {
        "chosen_by": "The admin", "chosen_at": "2025-03-03T17:00:00Z", "applies_from": "2025-03-04T17:00:00Z",
    }  # fmt: skip
    job_id = admin.previewed(biller_selection(admin))
    assert admin.get(f"/settle-jobs/{job_id}").json["without_approval"] is None
    world.clock.turn_on(hours=24)
    job_id = admin.previewed(biller_selection(admin))
    by_choice = {"chosen_by": "The admin", "chosen_at": "2025-03-03T17:00:00Z"}
    assert admin.get(f"/settle-jobs/{job_id}").json["without_approval"] == by_choice

    confirmed = admin.confirm(job_id).json

    assert (confirmed["status"], confirmed["without_approval"]) == ("confirmed", by_choice)
    world.work()
    certificate = admin.get(f"/settle-jobs/{job_id}/certificate").json
    assert (certificate["without_approval"], certificate["over"][0]["code"]) == (by_choice, "over_job_limit")
    week = admin.get("/review", query_string={"week": "2025-03-04"}).json
    assert (week["first_day"], week["last_day"]) == ("2025-03-03", "2025-03-09")
    alone = [one for one in week["findings"] if one["kind"] == "ran_without_second_person"]
    assert (alone[0]["jobs"], len(alone)) == ([job_id], 3)
    [one] = alone[0]["people"]
    assert re.fullmatch(r"The admin \(admin\.\d+@example\.org\)", one)
    world.api(Role.APPROVER)
    refused = admin.put("/limits/one-person", json={"chosen": False})
    assert refused.json["one_person"] is None
    refused = admin.put("/limits/one-person", json={"chosen": True})
    assert (refused.status_code, refused.json["code"]) == (409, "another_approver")
