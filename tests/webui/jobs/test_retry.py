"""A retry shows first which failed claims it tries, by cause. It offers no claim that it could only skip."""

import csv

import pytest

from core.jobs import commands, job_queries
from core.jobs.execution import retry
from core.jobs.execution.retry import NoFailureChosen, RetryOffer
from core.jobs.keys import JobKey
from core.jobs.results import files, outcomes
from core.jobs.results.files import File
from tests.factories import NOW, GivenPractice, Line
from tests.webui.conftest import Browser

CHANGED = "Changed since the preview"


@pytest.fixture
def job(practice: GivenPractice) -> JobKey:
    """Return a completed job: A and B were locked, C was refused, D settled."""
    for number, cents in (("A", 100), ("B", 200), ("C", 400), ("D", 800)):
        practice.claim(number, Line(cents, 50))
    practice.refuse_to_settle("C")
    job = practice.confirmed(chunk_claims=1)
    practice.run_while_locked("A", "B")
    assert practice.counts(job) == {"settled": 1, "skipped": 0, "failed": 3, "remaining": 0}
    return job


def offer(practice: GivenPractice, job: JobKey) -> RetryOffer:
    with practice.sessions() as session:
        return retry.offer(session, job_queries.find(session, job))


def test_the_page_shows_claims_dollars_and_words_of_each_cause_before_the_retry(
    practice: GivenPractice, job: JobKey, biller: Browser
) -> None:
    shown = biller.says(f"/jobs/{job.job_id}")

    assert "Retry 3 failed claims Choose the failures to retry." in shown
    assert "2 claims, $4.00 : Locked by another user or process; gave up after five tries Show" in shown
    assert "1 claim, $4.50 : The change to this claim could not be saved in the database Show" in shown
    assert f"/jobs/{job.job_id}?outcome=failed&code=claim_locked#items" in biller.links(f"/jobs/{job.job_id}")


def test_only_the_chosen_causes_are_retried(practice: GivenPractice, job: JobKey, biller: Browser) -> None:
    page = f"/jobs/{job.job_id}"
    biller.post(f"{page}/retry-failed", on=page, choose="1", code="claim_locked")
    practice.run()

    assert practice.counts(job) == {"settled": 3, "skipped": 0, "failed": 1, "remaining": 0}
    assert [(group.code, group.claims) for group in offer(practice, job).groups] == [("database_refused", 1)]


def test_a_retry_without_a_choice_tries_nothing(practice: GivenPractice, job: JobKey, biller: Browser) -> None:
    page = f"/jobs/{job.job_id}"

    biller.post(f"{page}/retry-failed", on=page, choose="1")

    assert "Choose at least one cause. Nothing was retried." in biller.says(page)
    assert biller.status_of(job) == "Completed"
    with pytest.raises(NoFailureChosen):
        practice.act(commands.retry_failed, job, chosen=[])


def test_a_claim_that_changed_after_the_preview_is_not_retried_and_every_door_says_why(
    practice: GivenPractice, job: JobKey, biller: Browser
) -> None:
    practice.pay("A", 10)
    page = f"/jobs/{job.job_id}"

    found = offer(practice, job)
    shown = biller.says(page)
    with practice.sessions() as session:
        file = "".join(files.csv_file(session, job, File.NOT_SETTLED, now=NOW))
        items = {row.claim_id: row for row in outcomes.items(session, job, outcome="failed", again_at=NOW)}

    rows = list(csv.DictReader(file.lstrip("\ufeff").splitlines()))
    assert found.claims == 2
    assert {group.code: (group.claims, group.blocked) for group in found.groups} == {
        "claim_locked": (1, {"changed_since_preview": 1}),
        "database_refused": (1, {}),
    }
    assert "Retry 2 failed claims" in shown
    assert "of which 2 can be retried" in shown
    new_job, retry_it = f"Yes, in a new job. A retry is not possible: {CHANGED}", "Yes, retry this job"
    assert f"1 claim cannot be retried: {CHANGED}." in shown
    assert shown.count(new_job) == 1
    assert shown.count(retry_it) == 2
    assert {row["Claim ID"]: row["Can be tried again"] for row in rows if row["Claim ID"] != "Total"} == {
        "A": new_job, "B": retry_it, "C": retry_it,
    }  # fmt: skip
    assert [items[number].retryable for number in "ABC"] == [False, True, True]

    practice.act(commands.retry_failed, job)
    practice.run()
    assert practice.counts(job) == {"settled": 2, "skipped": 0, "failed": 2, "remaining": 0}
    assert practice.item(job, "A").code == "claim_locked", "its failure stays"
    assert practice.violations() == []


def test_without_a_claim_that_can_be_retried_no_retry_is_offered(
    practice: GivenPractice, job: JobKey, biller: Browser
) -> None:
    for number in "ABC":
        practice.change(number)
    page = f"/jobs/{job.job_id}"

    assert "3 claims failed and cannot be retried. The list below says why." in biller.says(page)
    assert "retry-failed" not in biller.read(page)
    practice.act(commands.retry_failed, job)
    assert biller.status_of(job) == "Completed"
