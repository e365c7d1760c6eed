"""Write-offs to post, their files and layouts, and the practice's own reasons, by API."""

import csv
import io

from core.enums.people import Role
from tests.webui.api.conftest import Api, World
from tests.webui.api.test_evidence import XLSX, sheet_of
from tests.webui.api.test_jobs import CAN_SETTLE, refused

HARDSHIP = {"name": "Hardship discount", "kind": "charity", "adjustment_code": "HD"}


def test_postings_are_listed_page_by_page_with_the_practices_own_codes(world: World, biller: Api) -> None:
    admin = world.api(Role.ADMIN)
    assert admin.put("/write-off-reasons/small_balance", json={"adjustment_code": "SBWO"}).status_code == 200
    job_id = biller.settled(world, CAN_SETTLE)
    seen, cursor = [], ""

    while True:
        page = biller.get("/postings", query_string={"job": job_id, "limit": 7, "cursor": cursor}).json
        seen += page["postings"]
        if not (cursor := page["next_cursor"]):
            break

    written_off = biller.get(f"/settle-jobs/{job_id}/progress").json["written_off_cents"]
    assert -sum(row["amount_cents"] for row in seen) == written_off["insurance"] + written_off["patient"]
    assert len({row["posting_id"] for row in seen}) == len(seen)
    assert {(row["reason"], row["reason_code"], row["adjustment_code"], row["settle_job_id"]) for row in seen} == {
        ("Small balance", "small_balance", "SBWO", job_id)
    }
    assert refused(biller.get("/postings?cursor=x")) == (422, "bad_cursor")
    assert refused(biller.get("/postings?posted_from=yesterday"))[0] == 422
    assert refused(biller.get("/postings?file=1")) == (404, "not_found")


def test_a_file_is_sent_once_and_is_the_same_when_downloaded_again(world: World, biller: Api) -> None:
    biller.settled(world, CAN_SETTLE)
    layout = {"columns": [{"column": "claim_id", "heading": "Claim #"}, {"column": "amount"}], "sign": "positive"}
    saved = biller.post("/posting-layouts", json={"name": "for Tebra", "layout": layout})
    assert (saved.status_code, saved.json["columns"][0]["heading"]) == (201, "Claim #")

    once, twice = (
        biller.post("/posting-files", json={"layout": "for Tebra"}, headers={"Idempotency-Key": "nightly"})
        for _ in range(2)
    )

    assert (once.status_code, once.json) == (201, twice.json)
    file = once.json
    assert (
        biller.get(f"/posting-files/{file['id']}").json == biller.get("/posting-files").json["posting_files"][0] == file
    )
    again = biller.post("/posting-files", json={}, headers={"Idempotency-Key": "another"})
    assert refused(again) == (409, "nothing_to_send")
    assert refused(biller.post("/posting-files", json={})) == (400, "idempotency_key_missing")

    path = f"/posting-files/{file['id']}/write-offs"
    before = biller.get(f"{path}.csv")
    assert biller.send("DELETE", f"/posting-layouts/{saved.json['id']}").status_code == 204
    after = biller.get(f"{path}.csv")
    assert before.data == after.data
    rows = list(csv.reader(io.StringIO(after.data.decode("utf-8-sig"))))
    assert rows[0] == ["Claim #", "Amount"]
    assert len(rows) == file["write_offs"] + file["reversals"] + 2
    assert rows[-1] == ["Total", f"{file['written_off_cents'] / 100:.2f}"]
    listed, cursor = [], ""
    while True:
        page = biller.get("/postings", query_string={"file": file["id"], "limit": 7, "cursor": cursor}).json
        listed += [row["claim_id"] for row in page["postings"]]
        if not (cursor := page["next_cursor"]):
            break
    assert listed == [row[0] for row in rows[1:-1]]
    assert refused(biller.get(f"/postings?file={file['id']}&job=1"))[0] == 422
    assert biller.get(f"/postings?file={file['id']}&limit=1").json["postings"][0]["claim_id"] == rows[1][0]


def test_a_workbook_has_ids_as_text_and_real_dates_and_amounts(world: World, biller: Api) -> None:
    world.sql("UPDATE claim SET external_id = '00' || external_id")
    biller.settled(world, CAN_SETTLE)

    answer = biller.get("/postings.xlsx?unsent=true")

    assert (answer.status_code, answer.content_type) == (200, XLSX)
    head, first, *_, last = sheet_of(answer.data)
    row = dict(zip(head, first, strict=True))
    assert row["Claim ID"].startswith("00")
    assert float(row["Amount"]) < 0
    assert row["Posting date"] == "45719"  # 03/03/2025 as a spreadsheet counts days
    assert (last[0], float(last[head.index("Amount")]) < 0) == ("Total", True)
    assert refused(biller.get("/postings.pdf")) == (404, "not_found")
    assert refused(biller.get("/postings.csv?layout=None")) == (404, "not_found")


def test_an_own_reason_is_used_by_jobs_and_schedules(world: World, biller: Api) -> None:
    admin = world.api(Role.ADMIN)
    made = admin.post("/write-off-reasons", json=HARDSHIP)
    assert (made.status_code, made.json["code"]) == (201, "hardship_discount")

    job = biller.preview(CAN_SETTLE, reason="hardship_discount").json
    assert (job["reason"], job["reason_kind"], job["reason_name"], job["adjustment_code"]) == (
        "hardship_discount", "charity", "Hardship discount", "HD",
    )  # fmt: skip
    schedule = {
        "name": "Hardship", "filter": {"total_due_max_cents": 500}, "local_time": "02:00", "weekdays": ["mon"],
        "reason": "hardship_discount", "claims_max": 10, "cents_max": 1_000,
    }  # fmt: skip
    made_schedule = admin.post("/schedules", json=schedule).json
    assert (made_schedule["reason"], made_schedule["reason_kind"]) == ("hardship_discount", "charity")
    assert "(reason: Hardship discount)" in made_schedule["words"]
    assert refused(admin.post("/write-off-reasons/hardship_discount/retire")) == (409, "reason_in_use")
    assert refused(admin.post("/schedules", json={**schedule, "name": "x", "reason": "no"})) == (422, "bad_schedule")
    assert refused(biller.preview(CAN_SETTLE, reason="spite")) == (422, "bad_job_request")


def test_a_reason_is_changed_retired_and_restored(world: World, biller: Api) -> None:
    admin = world.api(Role.ADMIN)
    assert admin.put("/write-off-reasons/courtesy", json={"name": "Goodwill"}).json["name"] == "Goodwill"
    assert admin.post("/write-off-reasons/courtesy/retire").json["retired_at"] is not None

    assert "courtesy" not in {one["code"] for one in biller.get("/write-off-reasons").json["reasons"]}
    assert "courtesy" in {one["code"] for one in biller.get("/write-off-reasons?all=true").json["reasons"]}
    assert refused(biller.preview(CAN_SETTLE, reason="courtesy")) == (422, "bad_job_request")
    assert admin.post("/write-off-reasons/courtesy/restore").json["retired_at"] is None
    assert refused(admin.put("/write-off-reasons/none", json={"name": "x"})) == (404, "not_found")
    assert refused(admin.post("/write-off-reasons", json={**HARDSHIP, "name": ""})) == (422, "bad_reason")
