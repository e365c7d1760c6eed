"""The filter of the list of jobs, by status, requester, kind, reason, day and amount."""

import datetime as dt
from typing import Any

import pytest

from core import reading, search
from core.enums.jobs import JobKind, JobStatus
from core.enums.people import Role
from core.jobs import job_queries
from core.jobs.job_filter import BadJobFilter, JobFilter
from core.search import Search
from tests.factories import NOW, GivenPractice, Line, a_practice


def listed(practice: GivenPractice, **given: Any) -> list[int]:
    with practice.sessions() as session:
        return [job.id for job in job_queries.list_jobs(session, practice.id, matching=JobFilter(**given), limit=100)]


def test_each_key_narrows_the_list_of_jobs(practice: GivenPractice) -> None:
    practice.claim("1", Line(2_000, 500))
    practice.claim("2", Line(700, 0))
    admin = practice.person("ruth@lakeside.example", Role.ADMIN)
    settled = practice.settle({"claim_ids": ["1"]}, key="settled").job_id
    late = NOW + dt.timedelta(days=2)
    waiting = practice.preview({"claim_ids": ["2"]}, by=admin, reason="charity", key="waiting", now=late).job_id
    a_practice(practice.sessions, name="Hillside").claims(1)

    assert listed(practice) == [waiting, settled]
    assert listed(practice, status=JobStatus.COMPLETED) == [settled]
    assert listed(practice, kind=JobKind.SETTLE) == [waiting, settled]
    assert listed(practice, kind=JobKind.REVERSE) == []
    assert listed(practice, reason="charity") == listed(practice, person=admin.user_id) == [waiting]
    assert listed(practice, first_day=late.date()) == [waiting]
    assert listed(practice, last_day=NOW.date()) == [settled]
    assert listed(practice, amount_min_cents=701) == [settled]  # what it wrote off
    assert listed(practice, amount_min_cents=2_500, amount_max_cents=2_500) == [settled]
    assert listed(practice, amount_max_cents=700) == [waiting]  # what its preview shows
    assert listed(practice, first_day=reading.FIRST_DAY, last_day=reading.LAST_DAY) == [waiting, settled]
    with practice.sessions() as session:
        people = job_queries.people(session, practice.id)
    assert people == [(practice.biller.user_id, practice.biller.name), (admin.user_id, "ruth")]


def test_a_user_is_found_who_confirmed_approved_or_reversed_a_job(practice: GivenPractice) -> None:
    practice.claims(2)
    practice.limit(job=1)
    approver = practice.person("ruth@lakeside.example", Role.APPROVER)
    colleague = practice.person("carl@lakeside.example", Role.BILLER)
    first = practice.preview({"claim_ids": ["C00001"]}, key="first")
    practice.confirm(first, by=colleague)
    practice.approve(first, by=approver)
    practice.run()
    practice.limit()
    second = practice.settle({"claim_ids": ["C00002"]}, key="second").job_id
    other = practice.person("dana@lakeside.example", Role.APPROVER)
    reversal = practice.request_reversal(first, by=other)
    practice.confirm(reversal, by=other)
    practice.approve(reversal, by=approver)  # as the job did, its reversal needs two users
    practice.run()
    back = reversal.job_id

    assert listed(practice, person=colleague.user_id) == [first.job_id]
    assert listed(practice, person=approver.user_id) == [back, first.job_id]
    assert listed(practice, person=other.user_id) == [back, first.job_id]
    assert listed(practice, person=practice.biller.user_id) == [second, first.job_id]
    for name, found in (("ruth", [back, first.job_id]), ("dana", [back, first.job_id]), ("carl", [first.job_id])):
        wanted = Search.of(name)
        assert wanted is not None
        assert [job.id for job in practice.do(search.find, practice.id, wanted).jobs.rows] == found


def test_days_are_those_of_the_practice(practice: GivenPractice) -> None:
    practice.claims(1)
    practice.sql("UPDATE practice SET time_zone = 'America/Los_Angeles' WHERE id = :id", id=practice.id)
    just_after_midnight_utc = dt.datetime(2026, 11, 24, 0, 30, tzinfo=dt.UTC)  # the 23rd in Los Angeles
    job = practice.preview(now=just_after_midnight_utc).job_id

    assert listed(practice, first_day=dt.date(2026, 11, 23), last_day=dt.date(2026, 11, 23)) == [job]
    assert listed(practice, first_day=dt.date(2026, 11, 24)) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"first_day": dt.date(2026, 2, 1), "last_day": dt.date(2026, 1, 31)}, "to"),
        ({"amount_min_cents": 2, "amount_max_cents": 1}, "amount_max"),
    ],
)
def test_an_empty_range_is_refused_at_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(BadJobFilter) as refused:
        JobFilter(**given)
    assert set(refused.value.facts["faults"]) == {field}
