"""The write-offs report by API."""

from typing import Any

from tests.webui.api.conftest import Api, World


def _settled(world: World, biller: Api) -> int:
    """Settle three claims. Return the cents written off."""
    ids = biller.claim_ids(3, eligibility="can_settle", patient_due_min_cents=500, insurance_due_max_cents=0)
    job = biller.settled(world, {"claim_ids": ids})
    return sum(biller.get(f"/settle-jobs/{job}/certificate").json["written_off"][f"{side}_cents"]
               for side in ("insurance", "patient"))  # fmt: skip


def test_the_report_and_the_claims_behind_its_amounts(world: World, biller: Api) -> None:
    cents = _settled(world, biller)

    report = biller.get("/reports/write-offs", query_string={"by": ["month", "person"], "first": "2025-03"}).json
    (row,) = report["rows"]
    assert (row["written_off_cents"], row["net_cents"], row["group"]["month"]["code"]) == (cents, cents, "2025-03")
    assert report["total"]["written_off_cents"] == cents

    person = row["group"]["person"]
    query: dict[str, Any] = {"person": person["code"], "first": "2025-03", "last": "2025-03", "limit": 2}
    page = biller.get("/reports/write-offs/claims", query_string=query).json
    rest = biller.get("/reports/write-offs/claims", query_string={**query, "cursor": page["next_cursor"]}).json
    assert (page["count"], page["cents"], rest["next_cursor"]) == (3, cents, None)
    assert sum(one["cents"] for one in [*page["claims"], *rest["claims"]]) == cents
    assert set(page["claims"][0]) == {"claim_id", "service_date", "payer", "provider", "cents"}


def test_another_practice_sees_only_its_own_write_offs(world: World, biller: Api, stranger: Api) -> None:
    _settled(world, biller)

    assert stranger.get("/reports/write-offs").json["rows"] == []
    assert stranger.get("/reports/write-offs/claims").json["claims"] == []


def test_a_wrong_request_is_refused(world: World, biller: Api) -> None:
    for query in ({"by": "weekday"}, {"first": "March"}, {"first": "2025-04", "last": "2025-03"}, {"from": "2025-03"}):
        assert biller.get("/reports/write-offs", query_string=query).status_code == 422, query
