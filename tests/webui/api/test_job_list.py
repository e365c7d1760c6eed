"""The list of jobs by API with its filters, and the name of a job."""

from typing import Any

import pytest

from core.enums.people import Role
from tests.webui.api.conftest import Api, World


def listed(api: Api, **query: Any) -> list[str]:
    answer = api.get("/settle-jobs", query_string=query)
    assert answer.status_code == 200, answer.json
    return [job["id"] for job in answer.json["settle_jobs"]]


def test_each_filter_narrows_the_list_of_jobs(biller: Api, world: World) -> None:
    one, two = biller.claim_ids(2, eligibility="can_settle")
    admin = world.api(Role.ADMIN)
    first = biller.previewed({"claim_ids": [one]}, name="Year-end")
    second = admin.previewed({"claim_ids": [two]}, reason="charity", key="two")
    job = biller.get(f"/settle-jobs/{first}").json
    (email,) = world.sql("SELECT u.email FROM app_user u JOIN settle_job j ON j.requested_by = u.id WHERE j.id = :id",
                         id=second)[0]  # fmt: skip
    cents = job["totals"]["insurance_cents"] + job["totals"]["patient_cents"]
    other = biller.get(f"/settle-jobs/{second}").json["totals"]
    assert other["insurance_cents"] + other["patient_cents"] != cents
    today = job["as_of"]

    assert listed(biller) == [second, first]
    assert listed(biller, name="year") == [first]
    assert listed(biller, reason="charity") == listed(biller, person=email) == [second]
    assert listed(biller, kind="settle", status="previewed") == [second, first]
    assert listed(biller, kind="reverse") == listed(biller, status="running") == []
    assert listed(biller, **{"from": today, "to": today}) == [second, first]
    assert listed(biller, to="2000-01-01") == []
    assert listed(biller, amount_min_cents=cents, amount_max_cents=cents) == [first]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"person": "unknown@example.com"}, "not_found"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "bad_job_filter"),
        ({"kind": "no"}, "bad_query"),
        ({"amount_min_cents": "x"}, "bad_query"),
    ],
)
def test_a_faulty_filter_is_refused(biller: Api, query: dict[str, str], code: str) -> None:
    assert biller.get("/settle-jobs", query_string=query).json["code"] == code


def test_a_name_is_given_at_the_preview_at_confirm_and_later(biller: Api, world: World) -> None:
    job = biller.previewed({"claim_ids": biller.claim_ids(1, eligibility="can_settle")}, name="One")
    assert biller.get(f"/settle-jobs/{job}").json["name"] == "One"

    kept = biller.post(f"/settle-jobs/{job}/confirm", json={"confirmation": "CONFIRM", "cost_share_reason": "Hardship"})
    assert kept.status_code == 202
    assert biller.get(f"/settle-jobs/{job}/progress").json["name"] == "One"
    world.work()

    assert biller.put(f"/settle-jobs/{job}/name", json={"name": "Two"}).json["name"] == "Two"
    assert biller.get(f"/settle-jobs/{job}/certificate").json["name"] == "Two"
    refused = biller.put(f"/settle-jobs/{job}/name", json={"name": "x" * 81})
    assert (refused.status_code, refused.json["code"]) == (422, "bad_job_name")
    theirs = world.api(Role.APPROVER).put(f"/settle-jobs/{job}/name", json={"name": "Three"})
    assert (theirs.status_code, theirs.json["code"]) == (403, "not_your_job")


def test_confirm_may_name_the_job(biller: Api) -> None:
    job = biller.previewed({"claim_ids": biller.claim_ids(1, eligibility="can_settle")})
    body = {"confirmation": "CONFIRM", "cost_share_reason": "Hardship", "name": "Named"}

    assert biller.post(f"/settle-jobs/{job}/confirm", json=body).status_code == 202

    assert biller.get(f"/settle-jobs/{job}").json["name"] == "Named"
