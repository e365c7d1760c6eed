"""Schedules on screen: made from the feed's filter, reporting first, run once, readable by all who see claims."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from core.access.models import Role
from core.access.permissions import Actor
from tests.given import GivenPractice
from tests.webui.pages.conftest import Browser, Clock

OPEN = Callable[[Actor], Browser]
FORM: dict[str, Any] = {
    "name": "Small balances",
    "local_time": "2:30 AM",
    "weekdays": ["mon", "tue", "wed", "thu", "fri"],
    "late_minutes": "240",
    "total_due_max": "50.00",
    "reason": "small_balance",
    "note": "Not worth a stamp",
    "claims_max": "500",
    "cents_max": "5,000.00",
}


@pytest.fixture
def admin(practice: GivenPractice, browser_of: OPEN) -> Browser:
    return browser_of(practice.person("m.chen@lakeside.example", Role.ADMIN))


def made(admin: Browser, **fields: Any) -> str:
    """The path of a new schedule's page."""
    answer = admin.post("/schedules", on="/schedules/new", **{**FORM, **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def test_a_schedule_is_made_and_says_what_it_does(admin: Browser) -> None:
    page = made(admin)
    said = admin.says(page)
    assert "Every Monday to Friday at 2:30 AM (America/New_York), reports" in said
