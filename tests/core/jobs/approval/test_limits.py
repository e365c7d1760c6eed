"""Limits: what a job may write off without approval, frozen at preview."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import select, text

from core.access.permissions import Actor
from core.books.invariants import violations
from core.db.engine import Sessions, make_sessions, transaction
from core.enums.jobs import JobStatus
from core.enums.ledger import PostingKind
from core.enums.practices import WriteOffSetting
from core.jobs import commands, prepare
from core.jobs.approval import limits
from core.jobs.execution import sweep
from core.jobs.keys import JobKey
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.money import UNLIMITED
from core.schedules import time_zone
from tests import repeats
from tests.at_once import raised_at_once
from tests.factories import NOW, GivenPractice, Line, a_practice
from tests.servers import Databases
from tests.shared_app import engine_on

WAITS, RUNS = JobStatus.AWAITING_APPROVAL, JobStatus.CONFIRMED
_keys = itertools.count(1)


def confirmed(practice: GivenPractice, *numbers: str, by: Actor | None = None, **options: Any) -> SettleJob:
    """Return a job on those claims, previewed and confirmed by one user."""
    job = practice.preview({"claim_ids": list(numbers)}, by=by, key=f"limits {next(_keys)}", **options)
    return practice.confirm(job, by=by)


def codes(job: SettleJob) -> list[str]:
    return [one["code"] for one in job.limits_exceeded]


def test_without_a_limit_no_job_waits_for_approval(practice: GivenPractice) -> None:
    practice.claim("dear", Line(99_999_999, 99_999_999))

    job = confirmed(practice, "dear")

    assert (job.status, job.limits_exceeded) == (RUNS, [])


@pytest.mark.parametrize(("limit", "status"), [(1_499, WAITS), (1_500, RUNS), (0, WAITS)])
def test_a_claim_above_the_practices_limit_makes_the_whole_job_wait(
    practice: GivenPractice, limit: int, status: JobStatus
) -> None:
    practice.claim("dear", Line(1_000, 500))
    practice.claim("cheap", Line(0, 0))
    practice.limit(claim=limit)

    job = confirmed(practice, "dear", "cheap")

    assert job.status is status
    if status is WAITS:
        assert job.limits_exceeded == [
            {"code": "over_claim_limit", "limit": limit, "found": 1_500, "claims": 1, "jobs": []}
        ]


@pytest.mark.parametrize(("limit", "status"), [(2_999, WAITS), (3_000, RUNS)])
def test_a_job_above_the_practices_limit_waits(practice: GivenPractice, limit: int, status: JobStatus) -> None:
    practice.claims(2)
    practice.limit(job=limit)

    job = confirmed(practice, "C00001", "C00002")

    assert job.status is status
    if status is WAITS:
        assert job.limits_exceeded == [
            {"code": "over_job_limit", "limit": limit, "found": 3_000, "claims": 2, "jobs": []}
        ]


def test_a_users_own_limits_apply_beside_the_practices(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(4)
    practice.limit_of(practice.biller, claim=1_000, job=2_000)

    assert codes(confirmed(practice, "C00001", "C00002")) == ["over_user_claim_limit", "over_user_job_limit"]
    assert codes(confirmed(practice, "C00003", "C00004", by=admin)) == []


def test_skipped_claims_and_status_changes_count_against_no_limit(practice: GivenPractice) -> None:
    practice.claim("credit", Line(50_000, -100))
    practice.claim("small", Line(10, 0))
    practice.limit(claim=100, job=100)

    assert confirmed(practice, "credit", "small").status is RUNS
    assert confirmed(practice, "credit", target_status="Internal Review", reason=None).status is RUNS


def test_with_the_setting_neither_no_job_writes_off_or_waits(sessions: Sessions) -> None:
    practice = a_practice(sessions, name="Neither", write_off=WriteOffSetting.NEITHER)
    practice.claims(2)
    practice.limit(claim=0, job=0)

    assert confirmed(practice, "C00001", "C00002").status is RUNS


def test_a_limit_lowered_after_the_preview_is_not_retroactive(practice: GivenPractice) -> None:
    practice.claims(1)
    job = practice.preview()
    practice.limit(claim=1, job=1)
    practice.limit_of(practice.biller, claim=1, job=1)

    assert practice.confirm(job).status is RUNS


def test_a_limit_raised_after_the_preview_does_not_release_the_job(practice: GivenPractice) -> None:
    practice.claims(1)
    practice.limit(job=1)
    job = practice.preview()
    practice.limit()

    assert practice.confirm(job).status is WAITS


def test_a_large_preview_uses_the_limits_in_effect_when_a_worker_prepares_it(practice: GivenPractice) -> None:
    practice.claims(2)
    job = practice.preview()
    with transaction(practice.sessions) as session:  # like a request for over 20,000 claims
        session.execute(text("DELETE FROM job_item"))
        session.execute(text("DELETE FROM job_chunk"))
        session.execute(
            text("UPDATE settle_job SET status = 'preparing', preview = NULL, selection = '{\"all\": true}'")
        )
    practice.limit(job=1)

    with transaction(practice.sessions) as session:
        assert prepare.prepare(session, job, now=NOW)

    assert codes(practice.confirm(job)) == ["over_job_limit"]


def test_when_another_user_confirms_the_stricter_limits_of_both_apply(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(3)
    practice.limit_of(practice.biller, job=1_000)
    of_biller = practice.preview({"claim_ids": ["C00001"]}, key="by the biller")
    assert practice.confirm(of_biller, by=admin).status is WAITS

    practice.limit_of(practice.biller)
    practice.limit_of(admin, claim=900)
    of_biller_again = practice.preview({"claim_ids": ["C00002"]}, key="by the biller again")
    assert codes(practice.confirm(of_biller_again, by=admin)) == ["over_user_claim_limit"]


def test_jobs_of_one_day_are_added_up_against_the_limit(practice: GivenPractice) -> None:
    practice.claims(4)
    practice.limit(job=3_000)

    first, second = confirmed(practice, "C00001"), confirmed(practice, "C00002")
    third = confirmed(practice, "C00003")

    assert [first.status, second.status, third.status] == [RUNS, RUNS, WAITS]
    assert third.limits_exceeded == [
        {"code": "over_day_limit", "limit": 3_000, "found": 4_500, "claims": 1, "jobs": [first.id, second.id]}
    ]


def test_another_user_and_another_day_have_their_own_sums(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(3)
    practice.limit(job=1_500)
    confirmed(practice, "C00001")

    assert confirmed(practice, "C00002", by=admin).status is RUNS
    # In New York it is already the next day by then.
    tomorrow = NOW.replace(day=NOW.day + 1)
    job = practice.preview({"claim_ids": ["C00003"]}, key="tomorrow", now=tomorrow)
    assert practice.confirm(job, now=tomorrow).status is RUNS


def test_the_daily_limit_uses_the_date_in_the_practices_time_zone(practice: GivenPractice) -> None:
    practice.claims(2)
    practice.limit(job=1_500)
    late = NOW.replace(day=24, hour=4, minute=30)  # 11:30 PM on the 23rd in New York
    confirmed(practice, "C00001")

    job = practice.preview({"claim_ids": ["C00002"]}, key="late", now=late)

    assert codes(practice.confirm(job, now=late)) == ["over_day_limit"]


def test_previews_from_both_sides_of_midnight_are_added_up_when_confirmed_after_it(
    practice: GivenPractice,
) -> None:
    practice.claims(4)
    practice.limit(job=1_500)
    before, after = NOW.replace(day=24, hour=4, minute=55), NOW.replace(day=24, hour=5, minute=5)  # 11:55 PM, 12:05 AM
    late = practice.preview({"claim_ids": ["C00001"]}, key="late", now=before)
    early = practice.preview({"claim_ids": ["C00002"]}, key="early", now=after)
    in_time = practice.preview({"claim_ids": ["C00003"]}, key="in time", now=before)

    assert practice.confirm(late, now=after).status is RUNS
    assert codes(practice.confirm(early, now=after)) == ["over_day_limit"]
    assert codes(practice.confirm(in_time, now=after)) == ["over_day_limit"]


def test_a_time_zone_change_does_not_start_a_second_day(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(2)
    practice.limit(job=1_500)
    confirmed(practice, "C00001")
    with transaction(practice.sessions) as session:
        time_zone.set_time_zone(session, "Pacific/Kiritimati", by=admin, now=NOW)  # already the 24th there

    assert codes(confirmed(practice, "C00002")) == ["over_day_limit"]


def test_approved_and_rejected_jobs_do_not_count_against_the_daily_limit(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(5)
    practice.limit(job=3_000)
    waiting = confirmed(practice, "C00001", "C00002", "C00003")
    practice.approve(JobKey(practice.id, waiting.id), by=admin)
    rejected = confirmed(practice, "C00001", "C00002", "C00003")
    practice.reject(JobKey(practice.id, rejected.id), by=admin)

    assert confirmed(practice, "C00004").status is RUNS
    assert confirmed(practice, "C00005").status is RUNS


def test_a_canceled_job_counts_only_what_it_wrote_off(practice: GivenPractice) -> None:
    practice.claims(5)
    practice.limit(job=4_500)
    first = practice.confirmed({"claim_ids": ["C00001", "C00002", "C00003"]}, key="canceled", chunk_claims=1)
    practice.settle_chunk(practice.take_chunk())
    practice.act(commands.cancel, first)
    practice.run()
    sweep.sweep(practice.sessions, now=NOW)
    assert practice.progress(first).status is JobStatus.CANCELLED

    assert confirmed(practice, "C00002", "C00003").status is RUNS  # 1,500 used + 3,000
    assert codes(confirmed(practice, "C00004")) == ["over_day_limit"]
    practice.run()
    assert practice.violations() == []


def test_two_jobs_confirmed_at_once_are_added_up(practice: GivenPractice, rounds: int) -> None:
    practice.limit(job=1_500)
    for round_ in range(rounds):
        practice.claims(2, first=1 + 2 * round_)
        halves = [
            practice.preview({"claim_ids": [f"C{1 + 2 * round_ + n:05d}"]}, key=f"half {round_} {n}") for n in range(2)
        ]

        assert raised_at_once(*(lambda half=half: practice.confirm(half) for half in halves)) == []

        assert sorted(practice.read_job(half).status for half in halves) == sorted([RUNS, WAITS]), round_
        with transaction(practice.sessions) as session:  # remove the round's jobs, which would count in the next round
            day = "interval '1 day'"
            earlier = f"as_of = as_of - 1, confirmed_at = confirmed_at - {day}"
            session.execute(
                text(f"UPDATE settle_job SET {earlier}, approval_requested_at = approval_requested_at - {day}")
            )


@pytest.fixture(scope="module")
def one_database(databases: Databases) -> Iterator[Sessions]:
    with databases.fresh() as url:
        engine_ = engine_on(url)
        sessions = make_sessions(engine_)
        yield sessions
        with sessions() as session:
            assert violations(session) == [], "in any practice of any example"
        engine_.dispose()


LIMITS = st.one_of(st.just(UNLIMITED), st.integers(0, 1_200))


@settings(max_examples=repeats.times(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    dues=st.lists(st.integers(0, 400), min_size=1, max_size=8),
    parts=st.lists(st.integers(0, 3), min_size=8, max_size=8),
    ends=st.lists(st.sampled_from(["run", "cancel", "wait"]), min_size=4, max_size=4),
    job=LIMITS, own=LIMITS, claim=LIMITS,
)  # fmt: skip
def test_no_split_of_a_selection_writes_off_more_than_the_limit_without_approval(
    one_database: Sessions, dues: list[int], parts: list[int], ends: list[str], job: int, own: int, claim: int
) -> None:
    practice = a_practice(one_database, name=f"split{next(_keys)}")
    practice.limit(job=job, claim=claim)
    practice.limit_of(practice.biller, job=own)
    for number, due in enumerate(dues):
        practice.claim(str(number), Line(due, 0))

    for part in range(4):
        mine = [str(number) for number in range(len(dues)) if parts[number] == part]
        if not mine:
            continue
        made = confirmed(practice, *mine)
        if made.status is RUNS and ends[part] == "run":
            practice.run()
        elif made.status is RUNS and ends[part] == "cancel":
            with transaction(one_database) as session:
                commands.cancel(session, JobKey(practice.id, made.id), by=practice.biller, now=NOW)
    practice.run()

    with one_database() as session:
        of_practice = (Posting.practice_id == practice.id, Posting.kind == PostingKind.WRITE_OFF)
        written_off = [-cents for cents in session.scalars(select(Posting.amount_cents).where(*of_practice))]
    assert sum(written_off) <= min(job, own)
    assert all(cents <= claim for cents in written_off)
    if sum(dues) <= min(job, own) and max(dues) <= claim and "cancel" not in ends:
        assert sum(written_off) == sum(dues)


def test_a_reversed_job_that_still_counts_against_the_daily_limit_is_named(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claims(4)
    practice.limit(job=3_000)
    settled, reversed_job = confirmed(practice, "C00001"), confirmed(practice, "C00002")
    practice.run()
    practice.reverse(JobKey(practice.id, reversed_job.id), by=admin)
    practice.run()

    third = confirmed(practice, "C00003")

    exceeded = limits.describe(third.limits_exceeded)[0]
    assert exceeded.jobs == [str(settled.id), str(reversed_job.id)]
    expected = (
        f"(including job {reversed_job.id}, which still counts even though it was reversed later): $45.00 (limit $30.00"
    )
    assert expected in exceeded.sentence
