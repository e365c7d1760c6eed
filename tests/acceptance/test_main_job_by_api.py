"""The main job over HTTP: select, preview, confirm, watch, and see every cent."""

import json

from core.enums.claims import Hold
from core.enums.practices import WriteOffSetting
from core.jobs.keys import JobKey
from tests.acceptance.product import PATIENCE_SECONDS, Product
from tests.acceptance.web import Api, Web
from tests.factories import GivenPractice, Line
from tests.http_client import Answer
from tests.waiting import eventually


def test_a_biller_settles_small_balances_by_api_and_the_ledger_accounts_for_every_cent(
    product: Product, web: Web
) -> None:
    practice = product.practice(claims=10)
    practice.claim("on hold", Line(700, 0), hold=Hold.HOLD)
    practice.claim("a/b c", Line(1, 2), Line(0, 4))
    api = Api.of_biller(web, practice)

    feed = api.get("/claims", total_due_max_cents=1_500).json["claims"]
    assert {claim["id"]: claim["eligibility"] for claim in feed} == {
        **{f"C{number:05d}": "can_settle" for number in range(1, 11)}, "on hold": "on_hold", "a/b c": "can_settle",
    }  # fmt: skip

    preview = api.preview({"filter": {"total_due_max_cents": 1_500}})
    assert preview.status == 201
    job_id = preview.json["id"]
    assert preview.json["status"] == "previewed"
    assert preview.json["totals"]["insurance_cents"] == 10 * 1_000 + 1
    assert preview.json["totals"]["patient_cents"] == 10 * 500 + 6
    assert preview.json["counts"]["skipped"] == 1

    confirmed = api.confirm(job_id)
    assert confirmed.status == 202

    done = _watch_to_the_end(api, job_id, total=12)
    assert done["status"] == "completed"
    assert (done["settled"], done["skipped"], done["failed"], done["remaining"]) == (11, 1, 0, 0)
    assert done["written_off_cents"] == {"insurance": 10_001, "patient": 5_006}

    items = api.get(f"/settle-jobs/{job_id}/items", outcome="settled", limit=200).json["items"]
    assert len(items) == 11
    skipped = api.get(f"/settle-jobs/{job_id}/items", outcome="skipped").json["items"]
    assert [(item["claim_id"], item["code"]) for item in skipped] == [("on hold", "on_hold")]

    ledger = api.get("/claims/a/b%20c/postings").json["postings"]
    written_off = [entry for entry in ledger if entry["kind"] == "write_off"]
    assert [(entry["line"], entry["responsibility"], entry["amount_cents"]) for entry in written_off] == [
        (1, "insurance", -1), (1, "patient", -2), (2, "patient", -4),
    ]  # fmt: skip
    assert {entry["settle_job_id"] for entry in written_off} == {job_id}
    claim = api.get("/claims/a/b%20c").json
    assert (claim["billing_status"], claim["total_due_cents"]) == ("Settled", 0)
    assert practice.violations() == []


def test_progress_always_adds_up_and_answers_304_while_nothing_changes(product: Product, web: Web) -> None:
    practice = product.practice(claims=12)
    api = Api.of_biller(web, practice)
    job_id = api.preview().json["id"]
    key = JobKey(practice.id, int(job_id))
    with product.hold_chunk(key, first=5), product.hold_chunk(key, first=9):
        assert api.confirm(job_id).status == 202
        eventually(lambda: _progress(api, job_id, total=12)["settled"] == 4, seconds=PATIENCE_SECONDS)

        def unchanged() -> Answer | None:
            """Return a 304 answer once there is one: rate and workers change for some seconds after a chunk."""
            etag = api.get(f"/settle-jobs/{job_id}/progress").headers["ETag"]
            again = api.get(f"/settle-jobs/{job_id}/progress", headers={"If-None-Match": etag})
            return again if again.status == 304 else None

        idle = eventually(unchanged, seconds=PATIENCE_SECONDS)
        assert idle is not None
        assert idle.text == ""
        idle_etag = idle.headers["ETag"]

    _watch_to_the_end(api, job_id, total=12)
    changed = api.get(f"/settle-jobs/{job_id}/progress", headers={"If-None-Match": idle_etag})
    assert changed.status == 200
    assert changed.json["settled"] == 12
    assert practice.violations() == []


def test_a_repeated_preview_or_confirmation_with_the_same_key_makes_one_job(product: Product, web: Web) -> None:
    practice = product.practice(claims=3)
    api = Api.of_biller(web, practice)

    first, second = api.preview(key="double click"), api.preview(key="double click")
    assert (first.status, second.status) == (201, 201)
    job_id = first.json["id"]
    assert second.json["id"] == job_id
    assert api.preview({"claim_ids": ["C00001"]}, key="double click").json["code"] == "idempotency_mismatch"
    assert api.post(f"/settle-jobs/{job_id}/confirm", {"confirmation": "confirm"}).json["code"] == (
        "confirmation_mismatch"
    )
    answers = [api.confirm(job_id) for _ in range(3)]

    assert [answer.status for answer in answers] == [202, 202, 202]
    assert len({answer.text for answer in answers}) == 1
    _watch_to_the_end(api, job_id, total=3)
    assert api.confirm(job_id).status == 202
    assert len(api.get("/settle-jobs").json["settle_jobs"]) == 1
    assert practice.write_offs("C00003") == [(1, "insurance", -1_000), (1, "patient", -500)]
    assert practice.violations() == []


def test_two_practices_with_the_same_claim_numbers_never_touch_each_other(product: Product, web: Web) -> None:
    ours, theirs = product.practice(claims=3), product.practice(claims=3)
    api, other = Api.of_biller(web, ours), Api.of_biller(web, theirs)
    job_id = api.preview().json["id"]

    assert other.confirm(job_id).status == 404
    assert other.get(f"/settle-jobs/{job_id}/progress").status == 404
    api.confirm(job_id)
    _watch_to_the_end(api, job_id, total=3)

    assert theirs.write_offs("C00001") == []
    assert other.get("/claims/C00001").json["billing_status"] == "Balance Due"
    assert ours.write_offs("C00001") == [(1, "insurance", -1_000), (1, "patient", -500)]
    assert ours.violations() == []


def test_a_job_uses_each_providers_own_balance_writeoff_setting(product: Product, web: Web) -> None:
    practice = product.practice()
    patient_only = practice.provider("9", write_off=WriteOffSetting.PATIENT)
    practice.claim("both", Line(1_000, 500))
    practice.claim("patient", Line(1_000, 500), billing_provider_id=patient_only)
    api = Api.of_biller(web, practice)
    job_id = api.preview().json["id"]

    api.confirm(job_id)
    done = _watch_to_the_end(api, job_id, total=2)

    _assert_settled_for(practice, "both", [(1, "insurance", -1_000), (1, "patient", -500)])
    _assert_settled_for(practice, "patient", [(1, "patient", -500)])
    assert done["written_off_cents"] == {"insurance": 1_000, "patient": 1_000}
    assert practice.violations() == []


def _assert_settled_for(practice: GivenPractice, claim: str, written_off: list[tuple[int, str, int]]) -> None:
    assert practice.read(claim).billing_status == "Settled"
    assert practice.write_offs(claim) == written_off


def _progress(api: Api, job_id: str, *, total: int) -> dict[str, object]:
    seen = api.get(f"/settle-jobs/{job_id}/progress").json
    assert seen["settled"] + seen["skipped"] + seen["failed"] + seen["remaining"] == seen["total"] == total
    return dict(seen)


def _watch_to_the_end(api: Api, job_id: str, *, total: int) -> dict[str, object]:
    """Poll as a page does, and check the sum each time."""

    def completed() -> dict[str, object] | None:
        seen = _progress(api, job_id, total=total)
        return seen if seen["finished_at"] is not None else None

    seen = eventually(completed, seconds=PATIENCE_SECONDS)
    assert seen is not None
    return seen


def test_a_request_id_links_a_confirmation_to_the_chunks_in_the_workers_log(product: Product, web: Web) -> None:
    practice = product.practice(claims=12)
    api = Api.of_biller(web, practice)
    job_id = api.preview().json["id"]
    request_id = api.confirm(job_id).headers["X-Request-Id"]
    _watch_to_the_end(api, job_id, total=12)

    def lines(log: str, event: str) -> list[dict[str, object]]:
        logged = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        return [line for line in logged if line["event"] == event and line.get("request_id") == request_id]

    (asked,) = lines(web.log_text(), "request")
    assert (asked["method"], asked["route"]) == ("POST", "/api/v1/settle-jobs/<job_id>/confirm")
    assert (asked["job_id"], asked["practice_id"], asked["status"]) == (int(job_id), practice.id, 202)
    assert practice.biller.user_id == asked["user_id"]
    eventually(lambda: lines(product.workers.settle.log_text(), "chunk_settled"), seconds=PATIENCE_SECONDS)
    for chunk in lines(product.workers.settle.log_text(), "chunk_settled"):
        assert (chunk["job_id"], chunk["practice_id"]) == (int(job_id), practice.id)
