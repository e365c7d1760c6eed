"""Two people by the API: what waits, the second CONFIRM, a no with its reason, people and limits."""

import re
from typing import Any

import pytest

from core.models.people import Role
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
    """The id of a job that the biller confirmed and that is over the practice's limit."""
    assert limit(admin, job=100).status_code == 200
    job_id = biller.previewed(biller_selection(biller))
    assert biller.confirm(job_id).status_code == 202
    return job_id


def biller_selection(biller: Api) -> dict[str, Any]:
    return {"claim_ids": biller.claim_ids(5, eligibility="can_settle", total_due_min_cents=1_000)}


def test_over_a_limit_the_answer_to_confirm_says_that_another_person_must_approve(
    world: World, admin: Api, biller: Api
) -> None:
    limit(admin, claim=500, job=100)
    job_id = biller.previewed(biller_selection(biller))
    previewed = biller.get(f"/settle-jobs/{job_id}").json
    assert [one["code"] for one in previewed["over"]] == ["over_claim_limit", "over_job_limit"]
    assert previewed["limits"] == {
        "practice_claim_cents": 500, "practice_job_cents": 100, "user_claim_cents": "unlimited",
        "user_job_cents": "unlimited",
    }  # fmt: skip

    first, again = biller.confirm(job_id), biller.confirm(job_id)

    assert (first.status_code, first.json["status"], first.json["confirmed_at"]) == (202, "awaiting_approval", None)
    assert (again.status_code, again.json) == (202, first.json)
    assert world.hints.sent == [], "there is nothing to do"
    job = biller.get(f"/settle-jobs/{job_id}").json
    assert (job["status"], job["over"], job["confirmed_at"]) == ("awaiting_approval", previewed["over"], None)
    assert job["approval_expires_at"] > job["approval_asked_at"]
    total = previewed["totals"]["insurance_cents"] + previewed["totals"]["patient_cents"]
    assert job["over"][1] == {
        "code": "over_job_limit", "words": "Over the practice's limit for one job", "unit": "cents", "limit": 100,
        "found": total, "claims": previewed["counts"]["will_settle"], "jobs": [],
    }  # fmt: skip
    world.work()
    assert biller.get(f"/settle-jobs/{job_id}/progress").json["settled"] == 0


def test_the_token_of_an_approver_who_is_deactivated_meanwhile_approves_nothing(
    admin: Api, approver: Api, waiting: str
) -> None:
    assert approver.get(f"/settle-jobs/{waiting}").json["status"] == "awaiting_approval"
    admin.post(f"/users/{user_id(admin, Role.APPROVER)}/deactivate")

    refused = approver.post(f"/settle-jobs/{waiting}/approve", json={"confirmation": "CONFIRM"})

    assert refused.status_code == 401
    assert admin.get(f"/settle-jobs/{waiting}").json["status"] == "awaiting_approval"


def test_another_person_approves_and_it_runs_as_previewed(
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


def test_the_second_person_is_told_how_many_claims_changed_since(
    world: World, biller: Api, approver: Api, waiting: str
) -> None:
    world.sql("UPDATE claim SET version = version + 1")
    will_settle = biller.get(f"/settle-jobs/{waiting}").json["counts"]["will_settle"]

    listed = approver.get("/approvals").json["waiting_for_me"]

    assert [(job["id"], job["changed_since_preview"]) for job in listed] == [(waiting, will_settle)]


@pytest.mark.parametrize("body", [{}, {"confirmation": "confirm"}, {"confirmation": " CONFIRM"}])
def test_an_approval_takes_the_word(approver: Api, waiting: str, body: dict[str, str]) -> None:
    answer = approver.post(f"/settle-jobs/{waiting}/approve", json=body)
    assert (answer.status_code, answer.json["code"]) == (422, "confirmation_mismatch")
    assert approver.get(f"/settle-jobs/{waiting}").json["status"] == "awaiting_approval"


def test_a_rejection_carries_its_reason_to_the_requester(biller: Api, approver: Api, waiting: str) -> None:
    missing = approver.post(f"/settle-jobs/{waiting}/reject", json={"reason": "  "})
    assert (missing.status_code, missing.json["code"]) == (422, "reason_missing")

    rejected = approver.post(f"/settle-jobs/{waiting}/reject", json={"reason": "Call them first"})

    assert (rejected.status_code, rejected.json["status"]) == (200, "rejected")
    (news,) = biller.get("/approvals").json["decided"]
    assert (news["id"], news["decided_by"], news["decision_note"]) == (waiting, "The approver", "Call them first")
    late = approver.post(f"/settle-jobs/{waiting}/approve", json={"confirmation": "CONFIRM"})
    assert (late.status_code, late.json["code"]) == (409, "already_decided")
    assert biller.confirm(waiting).status_code == 409


def test_the_requester_and_a_colleague_without_the_role_decide_nothing(
    world: World, admin: Api, biller: Api, waiting: str
) -> None:
    for who in (biller, world.api(Role.BILLER)):
        for act, body in (("approve", {"confirmation": "CONFIRM"}), ("reject", {"reason": "No"})):
            answer = who.post(f"/settle-jobs/{waiting}/{act}", json=body)
            assert (answer.status_code, answer.json["code"]) == (403, "not_allowed")
    own = admin.previewed(biller_selection(biller))
    assert admin.confirm(own).json["status"] == "awaiting_approval"
    answer = admin.post(f"/settle-jobs/{own}/approve", json={"confirmation": "CONFIRM"})
    assert (answer.status_code, answer.json["code"]) == (403, "own_job")


def test_after_seven_days_nobody_approves(world: World, approver: Api, waiting: str) -> None:
    world.clock.turn_on(days=7)
    answer = approver.post(f"/settle-jobs/{waiting}/approve", json={"confirmation": "CONFIRM"})
    assert (answer.status_code, answer.json["code"]) == (409, "approval_expired")


def test_everyone_lists_what_waits_for_them(
    admin: Api, biller: Api, approver: Api, stranger: Api, waiting: str
) -> None:
    def ids(who: Api) -> tuple[list[str], list[str]]:
        answer = who.get("/approvals").json
        mine, others = answer["waiting_for_me"], answer["waiting_for_others"]
        return [job["id"] for job in mine], [job["id"] for job in others]

    assert ids(biller) == ([], [waiting])
    assert ids(approver) == ids(admin) == ([waiting], [])
    assert ids(stranger) == ([], [])
    listed = biller.get("/settle-jobs", query_string={"status": "awaiting_approval"}).json["settle_jobs"]
    assert [job["id"] for job in listed] == [waiting]


# Limits


def test_limits_are_cents_or_the_word_and_everyone_may_read_them(admin: Api, biller: Api) -> None:
    assert biller.get("/limits").json == {
        "claim_cents": "unlimited", "job_cents": "unlimited", "my_claim_cents": "unlimited",
        "my_job_cents": "unlimited",
    }  # fmt: skip
    assert limit(admin, claim=0, job=50_000).json["claim_cents"] == 0
    assert limit(admin, claim="unlimited", job=50_000).json["job_cents"] == 50_000
    assert biller.get("/limits").json["job_cents"] == 50_000


@pytest.mark.parametrize("claim", [None, "", "none", "Unlimited", "500", 1.5, True, -1, 10**18, [], {}])
def test_what_is_neither_an_amount_nor_the_word_is_refused(admin: Api, claim: Any) -> None:
    answer = limit(admin, claim=claim, job=1)
    assert (answer.status_code, answer.json["code"]) == (422, "bad_limit_amount")
    assert re.search(r"an amount.*, or .*unlimited", answer.json["detail"])
    assert admin.get("/limits").json["job_cents"] == "unlimited"


def test_a_missing_limit_is_not_unlimited(admin: Api) -> None:
    answer = admin.put("/limits", json={"claim_cents": 1})
    assert (answer.status_code, answer.json["code"]) == (422, "bad_limit_amount")


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER])
def test_only_an_administrator_sets_them(world: World, role: Role) -> None:
    answer = limit(world.api(role), claim=1, job=1)
    assert (answer.status_code, answer.json["code"]) == (403, "not_allowed")


# People


def user_id(admin: Api, role: Role) -> str:
    (found,) = [user["id"] for user in admin.get("/users").json["users"] if user["role"] == role]
    return str(found)


def test_an_administrator_manages_another_person(admin: Api, biller: Api) -> None:
    who = user_id(admin, Role.BILLER)
    assert admin.put(f"/users/{who}/limits", json={"claim_cents": 100, "job_cents": "unlimited"}).json == {
        **admin.get(f"/users/{who}").json, "claim_limit_cents": 100, "job_limit_cents": "unlimited",
    }  # fmt: skip
    assert admin.put(f"/users/{who}/role", json={"role": "approver"}).json["role"] == "approver"
    assert biller.preview().status_code == 403, "from the next request on"

    assert admin.post(f"/users/{who}/deactivate").json["active"] is False
    assert biller.get("/claims").status_code == 401, "the token is revoked"
    assert admin.post(f"/users/{who}/reactivate").json["active"] is True
    assert biller.get("/claims").status_code == 401, "and stays so"


def test_a_user_is_added_once(admin: Api) -> None:
    new = {"email": "new@hill.example", "name": "New", "role": "approver", "password": "a long password"}
    for limits in ({}, {"claim_cents": 5, "job_cents": None}, {"claim_cents": "", "job_cents": 1}):
        unlimited_by_nobody = admin.post("/users", json={**new, "claim_cents": None, "job_cents": None, **limits})
        assert (unlimited_by_nobody.status_code, unlimited_by_nobody.json["code"]) == (422, "bad_limit_amount")
    new |= {"claim_cents": 25_00, "job_cents": "unlimited"}
    made = admin.post("/users", json=new)
    assert (made.status_code, made.json["role"]) == (201, "approver")
    assert (made.json["claim_limit_cents"], made.json["job_limit_cents"]) == (25_00, "unlimited")
    assert made.headers["Location"].endswith(f"/api/v1/users/{made.json['id']}")
    again = admin.post("/users", json=new)
    assert (again.status_code, again.json["code"]) == (409, "email_taken")
    short = admin.post("/users", json={**new, "email": "x@hill.example", "password": "short"})
    assert (short.status_code, short.json["code"]) == (422, "bad_password")


def test_nobody_manages_themselves(admin: Api) -> None:
    me = user_id(admin, Role.ADMIN)
    for method, path, body in (
        ("PUT", "role", {"role": "biller"}),
        ("PUT", "limits", {"claim_cents": "unlimited", "job_cents": "unlimited"}),
        ("POST", "deactivate", {}),
    ):
        answer = admin.ask(method, f"/users/{me}/{path}", json=body)
        assert (answer.status_code, answer.json["code"]) == (403, "own_account")


def test_another_practices_people_are_not_there(admin: Api, biller: Api, stranger: Api) -> None:
    who = user_id(admin, Role.BILLER)
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "/role", {"role": "biller"}),
        ("PUT", "/limits", {"claim_cents": 1, "job_cents": 1}),
        ("POST", "/deactivate", {}),
        ("POST", "/reactivate", {}),
    ):
        answer = stranger.ask(method, f"/users/{who}{path}", json=body)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert who not in [user["id"] for user in stranger.get("/users").json["users"]]
    for wrong in ("0", "x", "9" * 30):
        assert admin.get(f"/users/{wrong}").status_code == 404


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.OPS])
def test_only_an_administrator_sees_the_people(world: World, role: Role) -> None:
    who = world.api(role)
    for method, path in (("GET", "/users"), ("POST", "/users"), ("GET", "/users/1"), ("POST", "/users/1/deactivate")):
        assert who.ask(method, path, json={}).status_code == 403


def test_another_practices_job_is_not_there(stranger: Api, biller: Api, waiting: str) -> None:
    for act, body in (("approve", {"confirmation": "CONFIRM"}), ("reject", {"reason": "No"})):
        answer = stranger.post(f"/settle-jobs/{waiting}/{act}", json=body)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert biller.get(f"/settle-jobs/{waiting}").json["status"] == "awaiting_approval"
