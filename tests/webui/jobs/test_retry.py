"""A retry shows first which failed claims it tries, by cause. It offers no claim that it could only skip."""

import csv

import pytest
from werkzeug.test import TestResponse

from core.enums.jobs import JobFile
from core.jobs import commands, job_queries
from core.jobs.execution import retry
from core.jobs.execution.retry import NoFailureChosen, RetryOffer
from core.jobs.keys import JobKey
from core.jobs.preview import selections
from core.jobs.results import files, outcomes
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


def previewed(practice: GivenPractice, answer: TestResponse) -> list[str]:
    """Return the claims of the preview that the answer leads to."""
    job = JobKey(practice.id, int(answer.location.removeprefix("/jobs/")))
    with practice.sessions() as session:
        return [row.claim_id for row in outcomes.items(session, job)]


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
        file = "".join(files.csv_file(session, job, JobFile.NOT_SETTLED, now=NOW))
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
    assert shown.count(retry_it) == 4, "two claims, and their two reasons"
    assert {row["Claim ID"]: row["Can be tried again"] for row in rows if row["Claim ID"] != "Total"} == {
        "A": new_job, "B": retry_it, "C": retry_it,
    }  # fmt: skip
    assert [items[number].retryable for number in "ABC"] == [False, True, True]

    practice.act(commands.retry_failed, job)
    practice.run()
    assert practice.counts(job) == {"settled": 2, "skipped": 0, "failed": 2, "remaining": 0}
    assert practice.item(job, "A").code == "claim_locked", "its failure stays"
    assert practice.violations() == []


def test_a_biller_chooses_reasons_and_one_button_retries_the_job_and_previews_the_rest_in_a_new_job(
    practice: GivenPractice, job: JobKey, biller: Browser
) -> None:
    practice.change("B")
    page = f"/jobs/{job.job_id}"
    shown = biller.says(page)
    again = f"Yes, retry this job. 1 claim needs a new job: {CHANGED}"
    assert f"Locked by another user or process; gave up after five tries {again} 2" in shown
    assert shown.index("By reason") < shown.index("Claims by outcome"), "the summary stands above a long list"
    biller.post(f"{page}/try-again", on=page)
    assert "Check at least one reason first." in biller.says(page)

    step = biller.post(f"{page}/try-again", on=page, failed=["claim_locked", "database_refused"])

    assert "Batch status change of <b>1 claim</b> to" in step.text
    assert f"Job {job.job_id} retries 2 failed claims." in step.text
    assert f'href="{page}">Cancel' in step.text
    practice.run()
    assert practice.counts(job) == {"settled": 2, "skipped": 0, "failed": 2, "remaining": 0}, "A, and D before"
    new = biller.post("/jobs", target_status="Settled", again=job.job_id, failed="claim_locked", reason="bad_debt")
    assert previewed(practice, new) == ["B"], "not C, which failed again and can be retried"


def test_skipped_claims_are_previewed_in_a_new_job_by_reason(practice: GivenPractice, biller: Browser) -> None:
    for number, columns in (("A", {"hold": "hold"}), ("B", {"hold": "hold"}), ("C", {}), ("D", {})):
        practice.claim(number, Line(100, 50), **columns)
    practice.settle({"claim_ids": ["D"]}, key="first")
    job = practice.settle()
    page = f"/jobs/{job.job_id}"
    shown = biller.read(page)
    assert '<input type="checkbox" form="try-again" name="skipped" value="on_hold"' in " ".join(shown.split())
    assert 'value="already_settled"' not in shown
    practice.change("A", hold=None)

    step = biller.post(f"{page}/try-again", on=page, skipped="on_hold")
    assert "Batch status change of <b>2 claims</b> to" in step.text
    assert "A</" not in step.text, "the form has the reasons, however many claims they select"
    new = biller.post("/jobs", target_status="Settled", again=job.job_id, skipped="on_hold", reason="bad_debt")

    assert previewed(practice, new) == ["A", "B"]
    words = selections.describe(practice.read_job(JobKey(practice.id, job.job_id + 1)))
    assert words == f"2 claims that job {job.job_id} skipped or failed to change"


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
