"""Month-end close, payments after write-off, and credits by API."""

from typing import Any

import pytest

from core.enums.people import Role
from tests.webui.api.conftest import Api, World


@pytest.fixture
def admin(world: World) -> Api:
    return world.api(Role.ADMIN)


def _claim_with_patient_balance(biller: Api, **query: Any) -> dict[str, Any]:
    """Return a claim that can be settled and has a patient balance of at least $5.00."""
    query = {"eligibility": "can_settle", "patient_due_min_cents": 500, "limit": 1, **query}
    claim: dict[str, Any] = biller.get("/claims", query_string=query).json["claims"][0]
    return dict(biller.get(f"/claims/{claim['id']}").json)


def _owed_by_insurance(biller: Api) -> list[str]:
    return biller.claim_ids(3, eligibility="can_settle", patient_due_max_cents=0, insurance_due_min_cents=1)


def test_an_administrator_closes_and_reopens_a_month(world: World, biller: Api, admin: Api) -> None:
    listed = biller.get("/periods", query_string={"limit": 2}).json
    assert [month["month"] for month in listed["periods"]] == ["2025-03", "2025-02"]
    rest = biller.get("/periods", query_string={"limit": 1, "cursor": listed["next_cursor"]}).json
    assert rest["periods"][0]["month"] == "2025-01"

    closed = admin.post("/periods/2025-02/close")
    assert (closed.status_code, closed.json["state"]) == (200, "closed")
    assert len(closed.json["digest"]) == 64
    for_biller = biller.get("/periods/2025-02").json
    assert (for_biller["digest"], [act["digest"] for act in for_biller["history"]]) == (None, [None])
    assert "2025-02" in [month["month"] for month in biller.get("/periods").json["periods"] if not month["digest"]]
    assert set(closed.json["totals"]["payment"]["insurance"]) == {"count", "cents"}
    assert admin.post("/periods/2025-02/close").json == closed.json

    assert admin.post("/periods/2025-02/reopen", json={}).json["code"] == "reason_missing"
    reopened = admin.post("/periods/2025-02/reopen", json={"reason": "A late file"})
    assert (reopened.json["state"], reopened.json["reopened_because"]) == ("open", "A late file")
    assert admin.post("/periods/2025-02/reopen", json={"reason": "Again"}).json["code"] == "month_open"


def test_an_invalid_month_is_not_found(world: World, admin: Api) -> None:
    for month in ("2025-13", "march", "2025-3", "0000-01"):
        assert admin.post(f"/periods/{month}/close").status_code == 404, month
        assert admin.get("/periods", query_string={"cursor": month}).json["code"] == "bad_cursor"


def test_a_preview_in_a_closed_month_is_refused_with_the_next_open_date(world: World, biller: Api, admin: Api) -> None:
    claims = {"claim_ids": _owed_by_insurance(biller)}
    early = biller.previewed(claims)
    admin.post("/periods/2025-03/close")

    refused = biller.preview(claims)
    assert (refused.status_code, refused.json["code"]) == (409, "period_closed")
    assert refused.json["facts"] == {"month": "2025-03", "next_open_date": "2025-04-01"}
    assert biller.confirm(early).json["code"] == "period_closed"
    other = biller.preview(claims, posting_date="2025-04-02").json
    assert (other["code"], other["detail"], other["facts"]) == (
        "bad_posting_date", "The posting date 2025-04-02 is in the future. The latest is 2025-04-01.",
        {"days": ["2025-04-02", "2025-04-01"]},
    )  # fmt: skip
    assert biller.preview(claims, posting_date=20250401).status_code == 422

    dated = biller.preview(claims, posting_date="2025-04-01")
    assert (dated.status_code, dated.json["posting_date"]) == (201, "2025-04-01")
    assert biller.confirm(dated.json["id"]).status_code == 202


def test_a_payment_after_write_off_shows_what_it_reversed_and_is_listed(world: World, biller: Api) -> None:
    claim = _claim_with_patient_balance(biller)
    line = next(line for line in claim["lines"] if line["patient_due_cents"] > 0)
    due = line["patient_due_cents"]
    job = biller.settled(world, {"claim_ids": [claim["id"]]})
    entry = {"kind": "payment", "line": line["number"], "responsibility": "patient", "paid_by": "patient"}

    partial = biller.enter(claim["id"], amount_cents=100, **entry).json
    excess = biller.enter(claim["id"], amount_cents=due, **entry).json

    late = partial["took_back"]
    assert (late["taken_back_cents"], late["posted_again_cents"], late["recovered_cents"]) == (due, due - 100, 100)
    assert (late["settle_job_ids"], partial["credit_cents"]) == ([job], 0)
    assert (excess["took_back"]["recovered_cents"], excess["credit_cents"]) == (due - 100, 100)
    caused = [posting["caused_by_id"] for posting in biller.get(f"/claims/{claim['id']}/postings").json["postings"]]
    assert caused.count(late["posting_id"]) == 2

    listed = biller.get("/recoveries", query_string={"limit": 1}).json
    assert listed["months"][0]["recovered_cents"] == due
    assert listed["recoveries"][0]["posting_id"] == excess["took_back"]["posting_id"]
    rest = biller.get("/recoveries", query_string={"cursor": listed["next_cursor"], "month": "2025-03"}).json
    assert [one["recovered_cents"] for one in rest["recoveries"]] == [100]
    assert biller.get("/recoveries", query_string={"month": "2025-02"}).json["recoveries"] == []
    certificate = biller.get(f"/settle-jobs/{job}/certificate").json
    assert certificate["since"]["payments"] == 2


def test_credits_are_listed_by_service_line_in_pages(world: World, biller: Api) -> None:
    listed = biller.get("/credits", query_string={"limit": 200}).json
    found = listed["credits"]
    assert listed["totals"]["lines"] == len(found) > 3
    assert sum(one["credit_cents"] for one in found) == (
        listed["totals"]["insurance_cents"] + listed["totals"]["patient_cents"]
    )
    assert all(one["credit_cents"] > 0 and one["days"] >= 0 for one in found)

    from_pages: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = biller.get("/credits", query_string={"limit": 2, "cursor": cursor}).json
        from_pages += page["credits"]
        cursor = page["next_cursor"]
    assert from_pages == found

    for one in found:
        is_federal = one["responsibility"] == "insurance" and one["payer_class"] in ("medicare", "medicaid", "dual")
        assert one["return_by"] == ("2025-05-02" if is_federal else None)
    least = max(one["credit_cents"] for one in found)
    assert all(
        one["credit_cents"] >= least
        for one in biller.get("/credits", query_string={"at_least_cents": least}).json["credits"]
    )
    assert biller.get("/credits", query_string={"at_least_cents": "12.50"}).status_code == 422
    assert biller.get("/credits", query_string={"cursor": "nonsense"}).status_code == 422
    assert biller.get("/credits", query_string={"color": "red"}).status_code == 422


def test_another_practices_payments_are_not_seen_and_its_months_not_closed(
    world: World, biller: Api, stranger: Api
) -> None:
    claim = _claim_with_patient_balance(biller)
    biller.settled(world, {"claim_ids": [claim["id"]]})
    line = next(line for line in claim["lines"] if line["patient_due_cents"] > 0)
    biller.enter(
        claim["id"], kind="payment", line=line["number"], responsibility="patient", paid_by="patient", amount_cents=1
    )
    stranger.post("/periods/2025-03/close")

    assert stranger.get("/recoveries").json == {"months": [], "recoveries": [], "next_cursor": None}
    assert biller.get("/periods", query_string={"limit": 1}).json["periods"][0]["state"] == "open"


def test_the_jobs_that_a_month_end_close_stops_are_listed_before_and_after_it(
    world: World, biller: Api, admin: Api
) -> None:
    job_id = biller.previewed({"claim_ids": biller.claim_ids(1, eligibility="can_settle")})
    words = [f"Job {job_id} is waiting for CONFIRM and needs a new posting date."]
    earlier = [month["month"] for month in reversed(biller.get("/periods").json["periods"][1:])]
    assert earlier[-1] == "2025-02"
    stops = {"schedules": [], "settle_job_ids": [job_id], "words": words, "earlier_open_months": earlier}

    assert biller.get("/periods/2025-03/stops").json == stops
    nothing = {"schedules": [], "settle_job_ids": [], "words": []}
    assert biller.get("/periods/2025-02/stops").json == {**nothing, "earlier_open_months": earlier[:-1]}
    assert biller.get("/periods/March/stops").status_code == biller.get("/periods/March").status_code == 404
    assert biller.get("/periods/2025-03").json["stops"] == stops
    assert admin.post("/periods/2025-03/close").json["stops"] == stops
    assert biller.get("/periods/2025-03").json["stops"] == {**nothing, "earlier_open_months": []}, (
        "a closed month stops nothing more"
    )


def test_a_month_has_its_net_write_offs_by_reason_and_user_and_its_voided_postings(
    world: World, biller: Api, admin: Api
) -> None:
    claim = _claim_with_patient_balance(biller)
    line = next(line for line in claim["lines"] if line["patient_due_cents"] > 0)
    before = biller.get("/periods/2025-03").json
    entry = {"kind": "payment", "line": line["number"], "responsibility": "patient", "paid_by": "patient"}
    biller.settled(world, {"claim_ids": [claim["id"]]})
    biller.enter(claim["id"], amount_cents=100, **entry)

    month = biller.get("/periods/2025-03").json

    def summed(key: str, name: str) -> int:
        return sum(row[name] for row in month[key]) - sum(row[name] for row in before[key])

    for key in ("write_offs_by_reason", "write_offs_by_user"):
        assert summed(key, "net_cents") == claim["patient_due_cents"] + claim["insurance_due_cents"] - 100
        assert (summed(key, "reversed_cents"), summed(key, "later_cents")) == (0, 100)
    assert month["reversed_write_offs"]["patient"]["cents"] == line["patient_due_cents"]
    assert (month["voided_postings"], month["payer_reversals"]) == ({}, {})
    assert month["totals"] is None
    assert month["current_totals"]["reversal"] == month["reversed_write_offs"]
    closed = admin.post("/periods/2025-03/close").json
    assert (closed["totals"], closed["current_totals"]) == (month["current_totals"], None)
    assert biller.get("/periods", query_string={"limit": 2}).json["periods"][1]["current_totals"] is not None
