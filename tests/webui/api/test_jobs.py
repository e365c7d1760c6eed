"""Settle jobs by API: preview, confirm, progress, control."""

import json
from typing import Any

import pytest

from core.enums.people import Role
from tests.webui.api.conftest import CLAIMS, COST_SHARE_REASON, Api, World

CAN_SETTLE = {"filter": {"eligibility": "can_settle"}}


def refused(answer: Any) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json"
    return answer.status_code, answer.json["code"]


# Preview


def test_confirm_starts_nothing_if_more_claims_changed_than_the_program_read(biller: Api, world: World) -> None:
    number = biller.claim_ids(1, eligibility="can_settle", patient_due_min_cents=200)[0]
    job_id = biller.previewed({"claim_ids": [number]})
    world.sql("UPDATE claim SET version = version + 1 WHERE external_id = :number", number=number)
    body = {"confirmation": "CONFIRM", "cost_share_reason": COST_SHARE_REASON}

    answer = biller.post(f"/settle-jobs/{job_id}/confirm", json={**body, "changed_since_preview": 0})

    assert refused(answer) == (409, "preview_stale")
    assert answer.json["facts"]["changed_since_preview"] == 1
    assert biller.get(f"/settle-jobs/{job_id}").json["status"] == "previewed"
    again = biller.post(f"/settle-jobs/{job_id}/confirm", json={**body, "changed_since_preview": 1})
    assert again.status_code == 202


def test_a_preview_splits_every_claim_and_adds_up(biller: Api) -> None:
    answer = biller.preview(note="Year end")
    job = answer.json

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/settle-jobs/{job['id']}"
    assert (job["status"], job["kind"], job["reason"], job["note"]) == (
        "previewed",
        "settle",
        "small_balance",
        "Year end",
    )
    assert job["requested_by"] == "The biller"
    counts, totals = job["counts"], job["totals"]
    assert counts["claims"] == CLAIMS == counts["will_settle"] + counts["skipped"]
    assert counts["will_settle"] == counts["with_money"] + counts["status_only"]
    for groups in (totals["by_payer"], totals["by_provider"]):
        assert sum(group["claims"] for group in groups) == counts["will_settle"]
        for side in ("insurance_cents", "patient_cents"):
            assert sum(group[side] for group in groups) == totals[side]
    assert sum(code["claims"] for code in totals["by_code"] if code["action"] == "skip") == counts["skipped"]
    assert set(totals["stays_open"].values()) == {0}, "the setting is Both"
    assert job["open_words"] == ""
    assert {**biller.get(f"/settle-jobs/{job['id']}").json, "not_found": []} == job


def test_a_preview_settles_the_balances_that_the_feed_shows(biller: Api) -> None:
    narrow = {"eligibility": "can_settle", "total_due_max_cents": 2500}
    claims = biller.get("/claims", query_string={**narrow, "limit": 200}).json["claims"]
    job = biller.preview({"filter": narrow}).json
    assert job["counts"]["claims"] == len(claims)
    money = {side: sum(claim[f"{side}_due_cents"] for claim in claims) for side in ("insurance", "patient")}
    skipped = [code for code in job["totals"]["by_code"] if code["action"] == "skip"]
    # because this rule applies only once the reason for the write-off is known
    assert all(code["code"] == "medicare_cost_share" for code in skipped)
    assert {side: job["totals"][f"{side}_cents"] for side in money} == money


def test_a_selection_can_name_two_hundred_thousand_claims_and_a_worker_prepares_a_large_one(
    world: World, biller: Api
) -> None:
    ids = [*biller.claim_ids(200), *(f"unknown-{n}-of-a-rather-long-form" for n in range(200_000))]
    answer = biller.preview({"claim_ids": ids})
    assert refused(answer) == (422, "unknown_claim")
    assert "unknown-0-of-a-rather-long-form" in answer.json["detail"]

    world.sql(_THOUSANDS, practice=world.hill)
    many = [
        external_id for (external_id,) in world.sql("SELECT external_id FROM claim WHERE external_id LIKE 'many-%'")
    ]
    assert len(many) == 20_001, "more than a request previews itself"
    answer = biller.preview({"claim_ids": many}, target_status="Internal Review", reason=None)
    assert (answer.status_code, answer.json["status"]) == (201, "preparing")
    assert (answer.json["claims_expected"], answer.json["counts"], answer.json["totals"]) == (20_001, None, None)
    assert world.hints.prepared == [(world.hill, int(answer.json["id"]))]
    assert refused(biller.confirm(answer.json["id"])) == (409, "preview_preparing")


_THOUSANDS = """
    INSERT INTO claim (practice_id, external_id, version, patient_id, office_id, billing_provider_id, claim_type,
      service_date, billing_status, primary_status, secondary_status, balance_mismatch, billed, adjustment,
      primary_paid, secondary_paid, patient_paid, insurance_due, patient_due, has_credit_line)
    SELECT practice_id, 'many-' || n, 1, patient_id, office_id, billing_provider_id, claim_type, service_date,
      billing_status, primary_status, secondary_status, false, 0, 0, 0, 0, 0, 0, 0, false
    FROM (SELECT * FROM claim WHERE practice_id = :practice ORDER BY id LIMIT 1) one, generate_series(1, 20001) n
"""


@pytest.mark.parametrize(
    ("selection", "code", "named"),
    [
        ({"claim_ids": []}, "empty_selection", "select"),
        ({"claim_ids": ["nope"]}, "unknown_claim", "nope"),
        ({"claim_ids": [184000013]}, "bad_job_request", "claim_ids"),
        ({"claim_ids": None}, "bad_job_request", "claim_ids"),
        ({"claim_ids": [""]}, "bad_job_request", "claim_ids"),
        ({"filter": {}}, "bad_job_request", "filter"),
        ({"filter": None}, "bad_job_request", "filter"),
        ({"filter": {"biling_status": "Settled"}}, "bad_filter", "biling_status"),
        ({"filter": {"patient": "no such patient"}}, "nothing_selected", "match"),
        ({"filter": {"patient": "x"}, "claim_ids": ["1"]}, "bad_job_request", "selection"),
        ({"all": False}, "bad_job_request", "selection"),
        ({"all": True, "excluded_claim_ids": ["nope"]}, "unknown_claim", "nope"),
        ({"every": True}, "bad_job_request", "selection"),
        ([], "bad_job_request", "selection"),
        ("all", "bad_job_request", "selection"),
    ],
)
def test_a_typo_in_a_selection_never_selects_every_claim(reader: Api, selection: Any, code: str, named: str) -> None:
    body = {"selection": selection, "reason": "small_balance"}
    answer = reader.post("/settle-jobs", json=body, headers={"Idempotency-Key": f"{selection}"[:100]})
    assert refused(answer) == (422, code)
    assert named in answer.json["detail"]


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"reason": None}, "bad_job_request"),
        ({"reason": "because"}, "bad_job_request"),
        ({"target_status": "Gone"}, "unknown_billing_status"),
        ({"include": ["on_hold"]}, "bad_job_request"),
        ({"note": "x" * 501}, "bad_job_request"),
        ({"reasons": "small_balance"}, "bad_job_request"),
    ],
)
def test_an_invalid_job_request_is_refused(reader: Api, other: dict[str, Any], code: str) -> None:
    assert refused(reader.preview(**other)) == (422, code)


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "bad_json"),
        (b"", "application/json", 400, "bad_json"),
        (b"[]", "application/json", 400, "bad_json"),
        (b'"{}"', "application/json", 400, "bad_json"),
        (b'{"note": NaN}', "application/json", 400, "bad_json"),
        (b'{"note": "\xff"}', "application/json", 400, "bad_json"),
        (b'{"note": "a\\u0000"}', "application/json", 400, "bad_json"),
        (b'{"note": "\\ud800"}', "application/json", 400, "bad_json"),
        (b"[" * 100_000, "application/json", 400, "bad_json"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"selection=all", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(
    reader: Api, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = reader.post("/settle-jobs", data=body, content_type=kind, headers={"Idempotency-Key": "x"})
    assert refused(answer) == (status, code)


def test_an_error_in_the_json_is_named_with_line_and_column(reader: Api) -> None:
    answer = reader.post(
        "/settle-jobs", data=b'{\n "all": }', content_type="application/json", headers={"Idempotency-Key": "x"}
    )
    assert "line 2 column 9" in answer.json["detail"]


def test_a_body_that_is_too_large_is_not_read(world: World, biller: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(world.app.config, "MAX_CONTENT_LENGTH", 1_000)
    assert refused(biller.preview({"claim_ids": ["x" * 2_000]})) == (413, "too_large")


# Idempotency


def test_the_same_key_and_body_return_the_same_job(world: World, biller: Api) -> None:
    first, second = biller.preview(CAN_SETTLE, key="monday"), biller.preview(CAN_SETTLE, key="monday")
    assert (second.status_code, second.json) == (201, first.json)
    biller.confirm(first.json["id"])
    world.work()
    assert biller.preview(CAN_SETTLE, key="monday").json["id"] == first.json["id"]
    assert len(biller.get("/settle-jobs").json["settle_jobs"]) == 1


@pytest.mark.parametrize(
    ("key", "code"),
    [(None, "idempotency_key_missing"), (" ", "idempotency_key_missing"), ("x" * 201, "bad_idempotency_key")],
)
def test_a_job_request_requires_an_idempotency_key(reader: Api, key: str | None, code: str) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = reader.post("/settle-jobs", json={"selection": {"all": True}, "reason": "charity"}, headers=headers)
    assert refused(answer) == (400, code)


def test_confirming_a_job_twice_confirms_it_once(world: World, biller: Api) -> None:
    job_id = biller.previewed(CAN_SETTLE)
    first = biller.confirm(job_id)
    world.clock.turn_on(minutes=1)
    again = biller.confirm(job_id)
    world.work()
    after = world.api(Role.ADMIN).confirm(job_id)

    assert (first.status_code, again.status_code, after.status_code) == (202, 202, 202)
    assert first.json == again.json == after.json
    assert first.json["confirmed_by"] == "The biller"
    write_offs = world.sql("SELECT count(*) FROM posting WHERE job_id = :job AND kind = 'write_off'", job=int(job_id))
    assert write_offs[0][0] == biller.get(f"/settle-jobs/{job_id}").json["counts"]["write_offs"]
    assert world.sql("SELECT count(*) FROM audit_entry WHERE act = 'job.confirmed'")[0][0] == 1


def test_confirming_sends_one_hint_for_each_chunk(world: World, biller: Api) -> None:
    job_id = biller.previewed()
    biller.confirm(job_id)
    assert world.hints.sent == [(world.hill, int(job_id), 3)]  # 300 claims, 100 in a chunk


# Confirm


def test_a_missing_or_invalid_confirmation_does_not_confirm(biller: Api) -> None:
    job_id = biller.previewed()
    path = f"/settle-jobs/{job_id}/confirm"
    assert refused(biller.post(path, json={})) == (422, "confirmation_mismatch")
    assert refused(biller.post(path, json={"confirmation": True})) == (422, "bad_body")
    assert refused(biller.post(path, json={"confirmation": None})) == (422, "bad_body")
    assert refused(biller.post(path, json={"confirmation": "CONFIRM", "force": 1})) == (422, "bad_body")
    assert refused(biller.post(path)) == (415, "unsupported_media_type")
    assert refused(biller.post(path, data=b"CONFIRM", content_type="application/json")) == (400, "bad_json")
    assert biller.get(f"/settle-jobs/{job_id}").json["status"] == "previewed"


# Progress


def test_a_job_runs_and_its_progress_always_adds_up(world: World, biller: Api) -> None:
    job_id = biller.previewed()
    previewed = biller.get(f"/settle-jobs/{job_id}").json
    before = biller.get(f"/settle-jobs/{job_id}/progress").json
    assert (before["status"], before["remaining"], before["total"]) == ("previewed", CLAIMS, CLAIMS)
    biller.confirm(job_id)
    world.work()
    after = biller.get(f"/settle-jobs/{job_id}/progress").json

    assert after["status"] == "completed"
    assert after["settled"] + after["skipped"] + after["failed"] + after["remaining"] == after["total"] == CLAIMS
    assert after["settled"] == previewed["counts"]["will_settle"]
    totals = {"insurance": previewed["totals"]["insurance_cents"], "patient": previewed["totals"]["patient_cents"]}
    assert after["written_off_cents"] == totals
    assert after["started_at"] <= after["finished_at"]
    job = biller.get(f"/settle-jobs/{job_id}").json
    assert [after[at] for at in ("started_at", "finished_at")] == [job[at] for at in ("started_at", "finished_at")]


def test_unchanged_progress_is_not_sent_again(world: World, biller: Api) -> None:
    job_id = biller.previewed()
    path = f"/settle-jobs/{job_id}/progress"
    etag = biller.get(path).headers["ETag"]

    unchanged = biller.get(path, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.data) == (304, b"")

    biller.confirm(job_id)
    world.work()
    changed = biller.get(path, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json["status"]) == (200, "completed")
    assert changed.headers["ETag"] != etag


def test_the_etag_of_progress_changes_exactly_when_the_answer_does(world: World, biller: Api) -> None:
    job_id = biller.previewed()
    path = f"/settle-jobs/{job_id}/progress"
    seen: list[tuple[str, str]] = []

    def look() -> None:
        answer = biller.get(path)
        seen.append((answer.headers["ETag"], answer.get_data(as_text=True)))
        again = biller.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.headers["ETag"]) == (304, answer.headers["ETag"])

    look()
    biller.confirm(job_id)
    look()
    # a worker is alive and has a chunk
    world.sql("UPDATE job_chunk SET taken_by = 'host:1', taken_at = :at", at=world.clock())
    look()
    # the worker is no longer alive, its chunk is no longer being worked on, the job is stalled
    for seconds in (6, 31, 61):
        world.clock.turn_on(seconds=seconds)
        look()
    assert len(set(seen)) == 2, "the answer does not change until a chunk is done"
    biller.post(f"/settle-jobs/{job_id}/pause")
    look()
    biller.post(f"/settle-jobs/{job_id}/resume")
    look()
    world.work()
    look()
    world.clock.turn_on(days=1)
    look()

    assert len({etag for etag, _ in seen}) == len({answer for _, answer in seen}) == len(set(seen))


def test_every_item_is_listed_once_with_its_outcome_in_words(world: World, biller: Api) -> None:
    job_id = biller.previewed()
    biller.confirm(job_id)
    world.work()
    progress = biller.get(f"/settle-jobs/{job_id}/progress").json

    def items(**query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while cursor is not None:
            page = biller.get(
                f"/settle-jobs/{job_id}/items", query_string={"cursor": cursor, "limit": 70, **query}
            ).json
            found += page["items"]
            cursor = page["next_cursor"]
        return found

    everything = items()
    assert [item["position"] for item in everything] == list(range(1, CLAIMS + 1))
    for outcome in ("settled", "skipped", "failed", "remaining"):
        of_outcome = items(outcome=outcome)
        assert len(of_outcome) == progress[outcome]
        assert all((item["outcome"] or "remaining") == outcome for item in of_outcome)
    assert all(item["words"] for item in everything if item["outcome"] == "skipped")
    settled = items(outcome="settled")
    assert sum(item["insurance_cents"] for item in settled) == progress["written_off_cents"]["insurance"]
    assert all(item["insurance_due_cents"] == item["patient_due_cents"] == 0 for item in settled)


def test_a_write_off_in_the_ledger_names_its_job_and_user(world: World, biller: Api) -> None:
    job_id = biller.previewed(CAN_SETTLE, note="Year end")
    biller.confirm(job_id)
    world.work()
    item = next(
        i
        for i in biller.get(f"/settle-jobs/{job_id}/items").json["items"]
        if i["patient_cents"] or i["insurance_cents"]
    )
    postings = biller.get(f"/claims/{item['claim_id']}/postings").json["postings"]
    written_off = [posting for posting in postings if posting["kind"] == "write_off"]
    assert written_off
    assert {(p["settle_job_id"], p["user"], p["write_off_reason"]) for p in written_off} == {
        (job_id, "The biller", "small_balance")
    }
    assert sum(p["amount_cents"] for p in written_off) == -item["patient_cents"] - item["insurance_cents"]


def test_jobs_are_listed_newest_first_by_cursor_and_status(biller: Api) -> None:
    ids = [biller.previewed() for _ in range(5)]
    biller.post(f"/settle-jobs/{ids[0]}/discard")

    first = biller.get("/settle-jobs?limit=3&cursor=").json
    second = biller.get(f"/settle-jobs?limit=3&cursor={first['next_cursor']}").json
    assert [job["id"] for job in [*first["settle_jobs"], *second["settle_jobs"]]] == ids[::-1]
    assert second["next_cursor"] is None
    assert [job["id"] for job in biller.get("/settle-jobs?status=discarded").json["settle_jobs"]] == ids[:1]


@pytest.mark.parametrize(
    ("query", "code"),
    [("limit=0", "bad_query"), ("limit=201", "bad_query"), ("status=done", "bad_query"), ("page=2", "bad_query"),
     ("cursor=x", "bad_cursor"), ("cursor=99999999999999999999", "bad_cursor"),
     ("status=running&status=paused", "bad_query")],
)  # fmt: skip
def test_an_invalid_query_of_the_job_list_is_refused(reader: Api, query: str, code: str) -> None:
    assert refused(reader.get(f"/settle-jobs?{query}")) == (422, code)


def test_an_invalid_query_of_a_jobs_items_is_refused(biller: Api) -> None:
    job_id = biller.previewed()
    for query, code in (("outcome=lost", "bad_query"), ("cursor=-1", "bad_cursor"), ("limit=1000", "bad_query")):
        assert refused(biller.get(f"/settle-jobs/{job_id}/items?{query}")) == (422, code)


# Control


def test_a_running_job_can_be_paused_and_canceled(world: World, biller: Api) -> None:
    job_id = biller.previewed()
    path = f"/settle-jobs/{job_id}"
    assert refused(biller.post(f"{path}/pause")) == (409, "wrong_status")
    biller.confirm(job_id)

    assert biller.post(f"{path}/pause").json["status"] == "pausing"
    assert biller.post(f"{path}/pause").json["status"] == "pausing"
    resumed = biller.post(f"{path}/resume")
    assert refused(resumed) == (409, "wrong_status")
    assert resumed.json["facts"] == {"status": "pausing"}
    assert biller.post(f"{path}/cancel").json["status"] == "cancelling"
    assert refused(biller.post(f"{path}/discard")) == (409, "wrong_status")
    assert refused(biller.post(f"{path}/retry-failed")) == (409, "wrong_status")
    assert [job for _, job, _ in world.hints.sent] == [int(job_id)] * 4


def test_retrying_a_job_without_failures_changes_nothing(world: World, biller: Api) -> None:
    job_id = biller.previewed()
    biller.confirm(job_id)
    world.work()
    assert biller.post(f"/settle-jobs/{job_id}/retry-failed").json["status"] == "completed"
    assert biller.post(f"/settle-jobs/{job_id}/retry-failed?code=worker_died").json["status"] == "completed"
    assert refused(biller.post(f"/settle-jobs/{job_id}/retry-failed?codes=x")) == (422, "bad_query")


def test_unusual_text_is_returned_unchanged(world: World, biller: Api) -> None:
    number, name = "<script>'\"🙂\u202e", "=cmd() <b>O'Brien"
    world.sql("UPDATE claim SET external_id = :new WHERE external_id = :old AND practice_id = :hill",
              new=number, old=biller.claim_ids(1, eligibility="can_settle")[0], hill=world.hill)  # fmt: skip
    world.sql("UPDATE patient SET name = :name", name=name)
    job_id = biller.previewed({"claim_ids": [number]}, note=name)
    answer = biller.get(f"/settle-jobs/{job_id}/items")
    assert (answer.json["items"][0]["claim_id"], answer.json["items"][0]["patient"]) == (number, name)
    assert json.loads(biller.get(f"/settle-jobs/{job_id}").data)["note"] == name
    assert answer.content_type == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_preview_counts_changed_claims_and_a_job_that_settled_none_reports_it(world: World, biller: Api) -> None:
    job = biller.previewed(CAN_SETTLE)
    will_settle = biller.get(f"/settle-jobs/{job}").json["counts"]["will_settle"]
    assert biller.get(f"/settle-jobs/{job}").json["changed_since_preview"] == 0

    world.sql("UPDATE claim SET version = version + 1 WHERE practice_id = :practice", practice=world.hill)

    assert biller.get(f"/settle-jobs/{job}").json["changed_since_preview"] == will_settle > 0
    biller.confirm(job)
    world.work()
    assert biller.get(f"/settle-jobs/{job}").json["changed_since_preview"] is None
    progress = biller.get(f"/settle-jobs/{job}/progress").json
    assert (progress["status"], progress["settled"]) == ("completed", 0)
    assert progress["words"].startswith("Completed, but no claim was settled: ")
    settled = biller.settled(world)
    assert biller.get(f"/settle-jobs/{settled}/progress").json["words"].startswith("Completed: ")


def test_a_practice_that_has_not_chosen_its_setting_gets_the_code_and_the_cure(biller: Api, world: World) -> None:
    world.sql("UPDATE practice SET write_off = 'neither', write_off_chosen = false")

    answer = biller.preview()

    assert refused(answer) == (409, "write_off_setting_not_chosen")
    assert answer.json["detail"].endswith("An administrator chooses it on the Write-off settings page.")
    assert biller.get("/settle-jobs").json["settle_jobs"] == []
