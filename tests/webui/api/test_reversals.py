"""Reversals by API: a job of its own, with a preview and a CONFIRM, by approvers and administrators."""

from typing import Any

import pytest

from core.books.invariants import violations
from core.db.engine import make_sessions
from core.enums.people import Role
from tests.webui.api.conftest import Api, World
from tests.webui.api.test_claims import all_claims
from tests.webui.api.test_jobs import CAN_SETTLE, refused


@pytest.fixture
def approver(world: World) -> Api:
    return world.api(Role.APPROVER)


def claim_states(api: Api) -> dict[str, Any]:
    """Return the billing status and the balances of each claim."""
    claims = all_claims(api)
    return {c["id"]: (c["billing_status"], c["insurance_due_cents"], c["patient_due_cents"]) for c in claims}


def test_an_approver_reverses_a_job_and_all_claims_return_to_their_earlier_state(
    world: World, biller: Api, approver: Api
) -> None:
    before = claim_states(biller)
    job_id = biller.settled(world, CAN_SETTLE)
    original = biller.get(f"/settle-jobs/{job_id}").json
    assert claim_states(biller) != before

    answer = approver.reverse(job_id, note="Wrong month")
    job = answer.json

    assert answer.status_code == 201, job
    assert answer.headers["Location"] == f"/api/v1/settle-jobs/{job['id']}"
    assert (job["kind"], job["status"], job["reverses_job_id"], job["note"]) == (
        "reverse", "previewed", job_id, "Wrong month",
    )  # fmt: skip
    assert job["counts"]["will_settle"] == original["counts"]["will_settle"]
    assert job["counts"]["write_offs"] == original["counts"]["write_offs"]
    assert job["totals"]["patient_cents"] == original["totals"]["patient_cents"]
    assert claim_states(biller) != before  # because a preview changes nothing

    assert approver.confirm(job["id"]).status_code == 202
    world.work()
    assert biller.get(f"/settle-jobs/{job['id']}/progress").json["status"] == "completed"
    assert claim_states(biller) == before
    with make_sessions(world.engine)() as session:
        assert violations(session) == []


def test_an_approver_can_pause_cancel_and_discard_a_reversal(world: World, biller: Api, approver: Api) -> None:
    job_id = biller.settled(world, CAN_SETTLE)
    discarded, run = approver.reverse(job_id).json["id"], approver.reverse(job_id).json["id"]

    assert approver.post(f"/settle-jobs/{discarded}/discard").json["status"] == "discarded"
    assert approver.confirm(run).status_code == 202
    assert approver.post(f"/settle-jobs/{run}/pause").json["status"] == "pausing"
    assert approver.post(f"/settle-jobs/{run}/cancel").json["status"] == "cancelling"
    assert refused(approver.post(f"/settle-jobs/{run}/resume")) == (409, "wrong_status")


def test_some_claims_of_a_job_can_be_reversed(world: World, biller: Api, approver: Api) -> None:
    job_id = biller.settled(world, CAN_SETTLE)
    settled = biller.get(f"/settle-jobs/{job_id}/items?outcome=settled").json["items"]
    two = [item["claim_id"] for item in settled[:2]]
    job = approver.reverse(job_id, [*two, two[0]]).json
    assert job["counts"]["claims"] == 2
    approver.confirm(job["id"])
    world.work()
    assert {biller.get(f"/claims/{number}").json["billing_status"] for number in two}.isdisjoint({"Settled"})
    assert biller.get(f"/claims/{settled[2]['claim_id']}").json["billing_status"] == "Settled"

    assert refused(approver.reverse(job_id, ["nope"])) == (422, "unknown_claim")
    assert refused(approver.reverse(job_id, [])) == (422, "nothing_selected")


def test_reversing_a_job_twice_reverses_each_claim_once(world: World, biller: Api, approver: Api) -> None:
    job_id = biller.settled(world, CAN_SETTLE)
    first, again = approver.reverse(job_id, key="friday"), approver.reverse(job_id, key="friday")
    other = world.api(Role.ADMIN).reverse(job_id).json["id"]
    assert (first.json, again.status_code) == (again.json, 201)
    assert refused(approver.reverse(job_id, key="friday", note="x")) == (422, "idempotency_mismatch")

    approver.confirm(first.json["id"])
    world.api(Role.ADMIN).confirm(other)
    world.work()
    sums = [biller.get(f"/settle-jobs/{which}/progress").json["settled"] for which in (first.json["id"], other)]
    assert sum(sums) == biller.get(f"/settle-jobs/{job_id}/progress").json["settled"]
    with make_sessions(world.engine)() as session:
        assert violations(session) == []


def test_only_a_finished_job_that_is_no_reversal_can_be_reversed(world: World, biller: Api, approver: Api) -> None:
    previewed = biller.previewed()
    assert refused(approver.reverse(previewed)) == (409, "not_reversible")
    assert refused(approver.reverse("999999")) == (404, "not_found")
    job_id = biller.settled(world, CAN_SETTLE)
    reversal = approver.reverse(job_id).json["id"]
    approver.confirm(reversal)
    world.work()
    assert refused(approver.reverse(reversal)) == (409, "not_reversible")


@pytest.mark.parametrize(
    "body",
    [{}, {"claim_ids": "1"}, {"claim_ids": [1]}, {"claim_ids": [""]}, {"claim_id": None}, {"claim_ids": None, "x": 1},
     {"claim_ids": None, "note": "x" * 501}, {"claim_ids": {}}],
)  # fmt: skip
def test_a_typo_in_a_reversal_never_reverses_the_whole_job(shared_world: World, body: Any) -> None:
    approver = shared_world.api(Role.APPROVER)
    answer = approver.post("/settle-jobs/1/reverse", json=body, headers={"Idempotency-Key": "x"})
    assert refused(answer) == (422, "bad_body")


def test_a_reversal_requires_an_idempotency_key(shared_world: World) -> None:
    approver = shared_world.api(Role.APPROVER)
    answer = approver.post("/settle-jobs/1/reverse", json={"claim_ids": None})
    assert refused(answer) == (400, "idempotency_key_missing")
