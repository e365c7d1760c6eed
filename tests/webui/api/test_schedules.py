"""Schedules by API: a new one only reports, CONFIRM turns settling on, and each key runs it once."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from core.enums.people import Role
from tests.webui.api.conftest import Api, World

SCHEDULE: dict[str, Any] = {
    "name": "Small balances",
    "filter": {"total_due_max_cents": 5_000, "eligibility": "can_settle"},
    "local_time": "02:30",
    "weekdays": ["mon", "tue", "wed", "thu", "fri"],
    "reason": "small_balance",
    "note": "Not worth a stamp",
    "claims_max": 500,
    "cents_max": "unlimited",
}


@pytest.fixture
def admin(world: World) -> Api:
    """An administrator of Hill."""
    return world.api(Role.ADMIN)


def new_schedule(admin: Api, **other: Any) -> str:
    """Create a schedule and return its path."""
    answer = admin.post("/schedules", json={**SCHEDULE, **other})
    assert answer.status_code == 201, answer.json
    return f"/schedules/{answer.json['id']}"


def run(admin: Api, path: str, key: str = "first") -> TestResponse:
    return admin.post(f"{path}/run-now", headers={"Idempotency-Key": key})


def test_a_new_schedule_only_reports_and_is_described_in_words(admin: Api) -> None:
    answer = admin.post("/schedules", json=SCHEDULE)

    assert answer.status_code == 201
    schedule = answer.json
    assert answer.headers["Location"] == f"/api/v1/schedules/{schedule['id']}"
    assert (schedule["mode"], schedule["state"], schedule["version"]) == ("report", "active", 1)
    assert schedule["words"].startswith(
        "Every Monday through Friday at 2:30 AM (America/New York), this schedule only reports"
    )
    assert schedule["next_run"] == {"date": "2025-03-04", "at": "2025-03-04T07:30:00Z"}
    assert schedule["next_run_words"] == "Tuesday 03/04/2025 at 2:30 AM"
    assert schedule["filter"] == {"total_due_max_cents": 5_000, "eligibility": ["can_settle"]}
    assert (schedule["claims_max"], schedule["cents_max"]) == (500, "unlimited")
    assert schedule["owner"] == "The admin"
    assert admin.get(f"/schedules/{schedule['id']}").json == schedule
    assert admin.get("/schedules").json == {"schedules": [schedule]}


def test_a_missing_field_is_named_and_creates_no_schedule(admin: Api) -> None:
    for missing in ("filter", "claims_max", "cents_max", "reason", "weekdays", "local_time", "name"):
        answer = admin.post("/schedules", json={key: value for key, value in SCHEDULE.items() if key != missing})

        assert (answer.status_code, answer.json["code"]) == (422, "bad_schedule")
        assert list(answer.json["facts"]["faults"]) == [missing]
    assert admin.get("/schedules").json == {"schedules": []}


def test_a_change_requires_the_current_version(admin: Api) -> None:
    path = new_schedule(admin)

    first = admin.put(path, json={**SCHEDULE, "claims_max": 7, "version": 1})
    stale = admin.put(path, json={**SCHEDULE, "claims_max": 9, "version": 1})
    without = admin.put(path, json={**SCHEDULE, "claims_max": 9})

    assert (first.status_code, first.json["claims_max"], first.json["version"]) == (200, 7, 2)
    assert (stale.status_code, stale.json["code"]) == (409, "stale_schedule")
    assert (without.status_code, list(without.json["facts"]["faults"])) == (422, ["version"])
    assert admin.get(path).json["claims_max"] == 7


def test_turning_settling_on_and_changing_a_settling_schedule_require_confirm(admin: Api) -> None:
    path = new_schedule(admin)

    for word in ("confirm", "", "CONFIRM "):
        refused = admin.post(f"{path}/settle", json={"confirmation": word, "version": 1})
        assert (refused.status_code, refused.json["code"]) == (422, "confirmation_mismatch")
    settles = admin.post(f"{path}/settle", json={"confirmation": "CONFIRM", "version": 1})
    assert (settles.status_code, settles.json["mode"]) == (200, "settle")

    change = {**SCHEDULE, "claims_max": 7, "version": 2}
    assert admin.put(path, json=change).json["code"] == "confirmation_mismatch"
    assert admin.put(path, json={**change, "confirmation": "CONFIRM"}).json["claims_max"] == 7
    assert admin.post(f"{path}/report-only", json={"version": 3}).json["mode"] == "report"


def test_a_schedule_can_be_paused_twice_resumed_and_deleted(admin: Api) -> None:
    path = new_schedule(admin)

    for _ in range(2):
        paused = admin.post(f"{path}/pause")
        assert (paused.status_code, paused.json["state"], paused.json["next_run"]) == (200, "paused", None)
    assert admin.post(f"{path}/resume").json["state"] == "active"

    gone = admin.send("DELETE", path)
    assert (gone.status_code, gone.data) == (204, b"")
    assert admin.get(path).status_code == 404
    assert admin.send("DELETE", path).status_code == 404


def test_the_estimate_equals_a_preview_and_writes_nothing(world: World, admin: Api) -> None:
    estimate = admin.get(f"{new_schedule(admin, cents_max=1)}/tonight").json
    jobs_before = world.sql("SELECT count(*) FROM settle_job")

    totals = admin.preview({"filter": SCHEDULE["filter"]}).json
    assert estimate["claims"] == totals["counts"]["claims"] > 0
    assert estimate["will_settle"] == totals["counts"]["will_settle"]
    assert estimate["insurance_cents"] == totals["totals"]["insurance_cents"]
    assert estimate["patient_cents"] == totals["totals"]["patient_cents"]
    assert estimate["over"] == ["over_cap_amount"]
    assert estimate["as_of"] == "2025-03-04"
    assert jobs_before == [(0,)]


def test_run_now_repeated_with_its_key_is_the_same_run_and_settles_once(world: World, admin: Api) -> None:
    path = new_schedule(admin)
    admin.post(f"{path}/settle", json={"confirmation": "CONFIRM", "version": 1})

    first, second = run(admin, path), run(admin, path)

    assert first.status_code == 201
    assert first.json["id"] == second.json["id"]
    assert first.headers["Location"] == f"/api/v1/schedule-runs/{first.json['id']}"
    assert first.json["state"] == "running"
    assert {sent[:2] for sent in world.hints.sent} == {(world.hill, int(first.json["settle_job_id"]))}
    world.work()
    report = admin.get(f"/schedule-runs/{first.json['id']}").json
    assert (report["state"], report["is_final"], report["local_date"]) == ("settled", True, None)
    assert report["settled"] == report["claims"] - report["skipped"] > 0
    job = admin.get(f"/settle-jobs/{report['settle_job_id']}").json
    assert job["status"] == "completed"
    assert [(one["id"], one["schedule"]) for one in admin.get("/schedule-runs").json["schedule_runs"]] == [
        (report["id"], "Small balances")
    ]


def test_a_report_only_run_changes_no_claim_and_its_codes_have_words(world: World, admin: Api) -> None:
    path = new_schedule(admin, filter={"total_due_max_cents": 5_000})

    report = run(admin, path).json

    assert (report["state"], report["mode"], report["settled"]) == ("report", "report", 0)
    assert report["remaining"] + report["skipped"] == report["claims"]
    assert sum(code["claims"] for code in report["by_code"]) == report["skipped"] > 0
    assert all(code["words"] != code["code"] for code in report["by_code"])
    assert world.sql("SELECT count(*) FROM posting WHERE kind = 'write_off'") == [(0,)]


def test_run_now_of_an_outdated_version_is_refused(admin: Api) -> None:
    path = new_schedule(admin)
    admin.post(f"{path}/settle", json={"confirmation": "CONFIRM", "version": 1})

    stale, known = (
        admin.post(f"{path}/run-now?version={version}", headers={"Idempotency-Key": "first"}) for version in (1, 2)
    )

    assert (stale.status_code, stale.json["code"], known.status_code) == (409, "stale_schedule", 201)
    invalid = admin.post(f"{path}/run-now?version=2.0", headers={"Idempotency-Key": "second"})
    assert (invalid.status_code, invalid.json["detail"]) == (422, "version: enter a schedule's version")


def test_run_now_requires_an_idempotency_key(admin: Api) -> None:
    answer = admin.post(f"{new_schedule(admin)}/run-now")
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_missing")


def test_runs_are_listed_by_cursor_and_by_schedule_even_of_a_deleted_one(admin: Api) -> None:
    one, two = new_schedule(admin), new_schedule(admin, name="Another")
    ids = [run(admin, path, key).json["id"] for path, key in ((one, "a"), (one, "b"), (two, "a"))]
    admin.send("DELETE", one)

    first = admin.get("/schedule-runs?limit=2").json
    rest = admin.get("/schedule-runs", query_string={"limit": 2, "cursor": first["next_cursor"]}).json
    assert [it["id"] for it in first["schedule_runs"] + rest["schedule_runs"]] == ids[::-1]
    assert rest["next_cursor"] is None

    of_one = admin.get("/schedule-runs", query_string={"schedule_id": one.rsplit("/", 1)[1]}).json
    assert [it["id"] for it in of_one["schedule_runs"]] == ids[1::-1]
    assert admin.get(f"/schedule-runs/{ids[0]}").status_code == 200
    assert admin.get("/schedule-runs?schedule_id=x").json["code"] == "bad_query"


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 19, "01"])
def test_an_unknown_schedule_is_not_found(reader: Api, number: str) -> None:
    assert reader.get(f"/schedules/{number}").status_code == 404
    assert reader.get(f"/schedule-runs/{number}").status_code == 404


def test_runs_of_an_unknown_schedule_are_not_found(reader: Api) -> None:
    assert reader.get("/schedule-runs?schedule_id=9").status_code == 404
