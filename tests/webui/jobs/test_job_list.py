"""The list of jobs with its filter."""

import re

import pytest

from core.enums.people import Role
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser


def listed(browser: Browser, query: str) -> list[str]:
    return [link for link in browser.links(f"/jobs?{query}") if re.fullmatch(r"/jobs/\d+", link)]


def test_the_list_is_narrowed_by_requester_kind_reason_day_and_amount(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("1", Line(2_000, 500))
    practice.claim("2", Line(700, 0))
    ruth = practice.person("ruth@lakeside.example", Role.ADMIN)
    settled = f"/jobs/{practice.settle({'claim_ids': ['1']}, key='one').job_id}"
    waiting = f"/jobs/{practice.preview({'claim_ids': ['2']}, by=ruth, reason='charity', key='two').job_id}"

    assert listed(biller, "") == [waiting, settled]
    assert listed(biller, f"requester={ruth.user_id}") == listed(biller, "reason=charity") == [waiting]
    assert listed(biller, "kind=reverse") == []
    assert listed(biller, "from=2026-11-24") == []
    assert listed(biller, "from=2026-11-23&to=2026-11-23") == [waiting, settled]
    assert listed(biller, "amount_min=%2425.00") == [settled]
    assert listed(biller, "amount_max=7&kind=settle") == [waiting]
    page = " ".join(biller.read(f"/jobs?requester={ruth.user_id}&amount_max=7").split())
    assert f'<option value="{ruth.user_id}" selected>ruth</option>' in page
    assert 'name="amount_max" type="text" value="7"' in page
    assert f"/jobs?status=halted&requester={ruth.user_id}&amount_max=7" in page.replace("&amp;", "&")
    assert "preview $7.00" in biller.says("/jobs")
    assert "No jobs match. Show all" in biller.says("/jobs?kind=reverse")


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("from=yesterday", "Enter a date."),
        ("from=2026-02-02&to=2026-02-01", "The last day is before the first day."),
        ("amount_min=x", "Enter an amount in dollars and cents"),
        ("amount_min=2&amount_max=1", "This is below the minimum, $2.00."),
        ("kind=no", "Choose one from the list."),
        ("requester=x", "Choose one from the list."),
    ],
)
def test_a_faulty_filter_shows_its_fault_and_no_jobs(
    practice: GivenPractice, biller: Browser, query: str, fault: str
) -> None:
    practice.claims(1)
    practice.preview()

    answer = biller.get(f"/jobs?{query}")

    assert answer.status_code == 422
    assert fault in answer.text
    assert listed(biller, query) == []


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "9999-12-30"])
@pytest.mark.parametrize(
    "path",
    ["/jobs?from={}", "/jobs?to={}", "/audit?from={}", "/audit?to={}", "/claims?from={}"],
)
def test_the_first_and_last_dates_of_the_calendar_are_no_error(admin: Browser, path: str, day: str) -> None:
    assert admin.get(path.format(day)).status_code < 500
