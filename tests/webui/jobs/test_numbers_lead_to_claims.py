"""Each number of claims on a job's page, its certificate, its approval and its run leads to exactly these claims."""

import re
from collections.abc import Callable
from html import unescape

import pytest

from core.access.permissions import Actor
from core.enums.claims import Hold
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.jobs.keys import JobKey
from core.schedules import schedule_commands
from tests.core.schedules.conftest import a_request
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser

OPEN = Callable[[Actor], Browser]
NUMBER = re.compile(r'<a\s+href="(/jobs/\d+[^"]*)"[^>]*aria-label="([\d,]+) claims?: ([^"]*)">\s*([\d,]+)', re.DOTALL)
ROW = re.compile(r'<th scope="row" class="nowrap"><a href="/claims/([^"]+)"')


def numbers(browser: Browser, page: str) -> dict[str, tuple[str, int]]:
    """Return each linked number of claims on the page: its words, and its address with the number."""
    found = NUMBER.findall(browser.get(page).text)
    assert all(label == shown for _, label, _, shown in found)
    return {words: (unescape(address), int(shown)) for address, _, words, shown in found}


def claims_at(browser: Browser, address: str) -> set[str]:
    """Return the claims that the list at this address shows, with JavaScript or without it."""
    answer = browser.client.get(address.partition("#")[0], headers=browser.headers, follow_redirects=True)
    assert answer.status_code == 200
    return set(ROW.findall(answer.text))


@pytest.fixture
def claims(practice: GivenPractice) -> GivenPractice:
    medicare = practice.payer("M", PayerClass.COMMERCIAL)
    practice.claim("A", Line(1_000, 500))
    practice.claim("B", Line(1_000, 500), primary_payer_id=medicare)
    practice.claim("SELF", Line(0, 500), primary_payer_id=None)
    practice.claim("HELD", Line(1_000, 500), hold=Hold.HOLD)
    practice.claim("PAID", Line(1_000, 500))
    return practice


@pytest.fixture
def job(claims: GivenPractice) -> JobKey:
    job = claims.confirmed()
    claims.pay("PAID", 100)
    claims.run()
    return job


def test_the_numbers_of_a_job_and_its_certificate(job: JobKey, biller: Browser) -> None:
    expected = {
        "Settled": {"A", "B", "SELF"}, "Skipped": {"HELD", "PAID"}, "M": {"B"}, "Self-pay": {"SELF"},
        "On hold, or excluded from write-offs": {"HELD"},
    }  # fmt: skip
    seen = numbers(biller, f"/jobs/{job.job_id}") | numbers(biller, f"/jobs/{job.job_id}/certificate")

    for words, wanted in expected.items():
        address, count = seen[words]
        assert (claims_at(biller, address), count) == (wanted, len(wanted)), words
    for address, count in seen.values():
        assert len(claims_at(biller, address)) == count, address
    listed = numbers(biller, "/jobs")
    assert {words: claims_at(biller, address) for words, (address, _) in listed.items()} == {
        "changed": {"A", "B", "SELF"}, "skipped": {"HELD", "PAID"},
    }  # fmt: skip


def test_the_numbers_of_a_preview_and_an_approval(claims: GivenPractice, biller: Browser, browser_of: OPEN) -> None:
    previewed = claims.preview(key="previewed")
    claims.limit(job=100)
    waiting = claims.confirmed(key="waiting")
    approver = browser_of(claims.person("approver@lakeside.example", Role.APPROVER))

    for browser, job in ((biller, previewed), (approver, waiting)):
        seen = numbers(browser, f"/jobs/{job.job_id}")
        found = {words: claims_at(browser, address) for words, (address, _) in seen.items()}
        assert found["Will settle"] == {"A", "B", "SELF", "PAID"}
        assert found["skipped"] == found["On hold, or excluded from write-offs"] == {"HELD"}
        assert (found["M"], found["Self-pay"]) == ({"B"}, {"SELF"})
        assert {words: len(at) for words, at in found.items()} == {words: count for words, (_, count) in seen.items()}


def test_the_numbers_of_a_job_that_never_ran(claims: GivenPractice, biller: Browser) -> None:
    job = claims.preview()
    biller.post(f"/jobs/{job.job_id}/discard", on=f"/jobs/{job.job_id}")

    seen = numbers(biller, f"/jobs/{job.job_id}")

    assert {words: claims_at(biller, address) for words, (address, _) in seen.items()} == {
        "Will settle": {"A", "B", "SELF", "PAID"}, "skipped": {"HELD"},
        "On hold, or excluded from write-offs": {"HELD"},
    }  # fmt: skip


def test_the_numbers_of_a_scheduled_run(claims: GivenPractice, browser_of: OPEN) -> None:
    admin = claims.person("admin@lakeside.example", Role.ADMIN)
    schedule = claims.act(schedule_commands.create, a_request(filter={"total_due_max_cents": 5_000}), by=admin)
    claims.act(schedule_commands.run_now, schedule.id, key="run", by=admin)
    browser = browser_of(admin)

    for page in ("/schedule-runs/1", "/schedule-runs"):
        seen = numbers(browser, page)
        assert claims_at(browser, seen["skipped"][0]) == {"HELD"}
        for address, count in seen.values():
            assert len(claims_at(browser, address)) == count
