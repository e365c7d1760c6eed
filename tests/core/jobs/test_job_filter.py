"""The filter of the list of jobs, by status, requester, kind, reason, day and amount."""

import datetime as dt
from typing import Any

import pytest

from core import reading
from core.jobs import job_queries
from core.jobs.job_filter import BadJobFilter, JobFilter
from core.models.jobs import JobKind, JobStatus
from core.models.people import Role
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
    assert listed(practice, reason="charity") == listed(practice, requester=admin.user_id) == [waiting]
    assert listed(practice, first_day=late.date()) == [waiting]
    assert listed(practice, last_day=NOW.date()) == [settled]
    assert listed(practice, amount_min_cents=701) == [settled]  # what it wrote off
    assert listed(practice, amount_min_cents=2_500, amount_max_cents=2_500) == [settled]
    assert listed(practice, amount_max_cents=700) == [waiting]  # what its preview shows
    assert listed(practice, first_day=reading.FIRST_DAY, last_day=reading.LAST_DAY) == [waiting, settled]
    with practice.sessions() as session:
        requesters = job_queries.requesters(session, practice.id)
    assert requesters == [(practice.biller.user_id, practice.biller.name), (admin.user_id, "ruth")]


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
