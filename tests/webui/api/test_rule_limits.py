"""The rule limits by API: read by every role that sees claims, changed by administrators only."""

from typing import Any

import pytest

from core.enums.people import Role
from tests.webui.api.conftest import Api, World


@pytest.fixture
def admin(world: World) -> Api:
    return world.api(Role.ADMIN)


def test_an_administrator_changes_the_small_balance_limit_and_the_next_preview_has_it(admin: Api, biller: Api) -> None:
    changed = admin.send("PATCH", "/rule-limits", json={"small_balance_max_cents": 999})

    assert (changed.status_code, changed.json["small_balance_max_cents"]) == (200, 999)
    assert biller.get("/rule-limits").json == changed.json
    job = biller.preview({"filter": {"patient_due_min_cents": 1_000}}).json
    skipped = {group["code"]: group for group in job["totals"]["by_code"]}["over_small_balance"]
    assert skipped["words"] == "Over your practice's small-balance limit. Choose a different reason"
    assert job["counts"]["will_settle"] == 0


def test_a_number_out_of_bounds_is_refused_with_its_place_and_cure(admin: Api) -> None:
    before = admin.get("/rule-limits").json
    bodies: list[tuple[dict[str, Any], str]] = [
        ({"small_balance_max_cents": 0}, "small-balance limit: from $0.01 to $1,000.00"),
        ({"small_balance_max_cents": 100_001}, "small-balance limit: from $0.01 to $1,000.00"),
        ({"small_balance_max_cents": "unlimited"}, "small_balance_max_cents: write a whole number"),
        ({"small_balance_max_cents": 25.5}, "small_balance_max_cents: write a whole number"),
        ({"small_balance_max_cents": None}, "small_balance_max_cents: write a whole number"),
        ({"recent_payment_days": 366}, "recent-payment window in days: from 0 to 365"),
        ({"small_balance": 1}, "small_balance: is unknown"),
    ]

    for body, named in bodies:
        refused = admin.send("PATCH", "/rule-limits", json={"recent_payment_days": 7, **body})

        assert refused.status_code == 422, body
        assert named in refused.json["detail"]
        assert admin.get("/rule-limits").json == before


def test_no_user_can_override_the_small_balance_limit(admin: Api) -> None:
    refused = admin.preview(include=["over_small_balance"])

    assert (refused.status_code, refused.json["code"]) == (422, "bad_job_request")
    assert "include" in refused.json["detail"]
