"""The posting date of a job: any day in an open month, up to today, frozen with the preview."""

import datetime as dt

import pytest
from sqlalchemy import text

from core.access.permissions import Actor
from core.books import closing
from core.enums.jobs import JobStatus
from core.jobs import preview_again
from core.jobs.keys import JobKey
from core.practices import exclusions
from core.practices.periods import BadPostingDate
from tests.factories import NOW, TODAY, GivenPractice, Line

NOVEMBER, DECEMBER = (dt.date(2026, month, 1) for month in (11, 12))


def test_a_job_settles_on_december_1_for_november(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.claim("paid in December", Line(0, 100_00))
    december_1 = NOW + dt.timedelta(days=8)
    practice.post("paid in December", 10_00, now=december_1)

    job = practice.preview(posting_date="2026-11-30", now=december_1)
    practice.confirm(job, now=december_1)
    practice.run(now=december_1)

    assert practice.counts(job)["settled"] == 1
    later = practice.item(job, "paid in December")
    assert (later.code, later.why) == (
        "later_posting", {"posting_date": "2026-11-30", "last_posted_on": "2026-12-01"}
    )  # fmt: skip
    assert practice.read_job(job).as_of == DECEMBER, "the rules apply as of the preview date"
    with practice.sessions() as session:
        written_off = session.scalar(text("SELECT posted_on FROM posting WHERE kind = 'write_off'"))
    assert str(written_off) == "2026-11-30"
    assert (
        practice.do(closing.close, NOVEMBER, by=admin, now=december_1).totals["write_off"]["patient"]["cents"]
        == -100_00
    )
    assert practice.violations() == []


def test_a_reversal_is_never_dated_before_what_it_reverses(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.claim("re-posted", Line(0, 100_00))
    job = practice.settle(posting_date="2026-11-10")
    practice.post("re-posted", 10_00, posted_on="2026-11-20")

    with pytest.raises(BadPostingDate, match="The earliest is 2026-11-10"):
        practice.request_reversal(job, by=admin, posting_date=dt.date(2026, 11, 9))
    reversal = practice.reverse(job, by=admin, posting_date=dt.date(2026, 11, 15), key="dated")
    practice.run()

    assert practice.counts(reversal) == {"settled": 1, "skipped": 1, "failed": 0, "remaining": 0}
    assert practice.item(reversal, "re-posted").code == "later_posting", "its remainder was re-posted on 11/20"
    rest = practice.reverse(job, by=admin, key="today")
    practice.run()
    assert practice.counts(rest)["settled"] == 1
    assert practice.violations() == []


def test_another_posting_date_previews_the_same_claims_again(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.preview()

    again = practice.act(preview_again.preview_same_request, job, posting_date=dt.date(2026, 11, 2))

    assert str(practice.read_job(JobKey(practice.id, again.id)).posting_date) == "2026-11-02"
    assert practice.read_job(job).status is JobStatus.DISCARDED


def test_an_exclusion_that_ended_before_the_job_does_not_break_the_books_for_an_earlier_posting_date(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.act(exclusions.exclude, payer="1", reason="Contract", until=TODAY, by=admin)
    later = NOW + dt.timedelta(days=3)

    job = practice.preview(posting_date=str(TODAY), now=later)
    practice.confirm(job, now=later)
    practice.run(now=later)

    assert practice.counts(job)["settled"] == 1
    assert practice.violations() == []
