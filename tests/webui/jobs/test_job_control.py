"""Actions on the job page: pause, resume, cancel, discard and retry."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import update

from core.access.permissions import Actor
from core.books import closing
from core.enums.jobs import JobFile, JobStatus
from core.enums.people import Role
from core.errors import Refusal
from core.jobs import codes, commands
from core.jobs.execution import finish
from core.jobs.results import files, outcomes
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from tests.factories import NOW, GivenPractice, Line
from tests.webui.api.conftest import SentHints
from tests.webui.conftest import Browser
from webui.shared import url_converters

OPEN = Callable[[Actor], Browser]
LIVE = {"X-Live": "1"}


def test_a_failure_is_listed_with_its_cause_and_claim_and_can_be_retried(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(2)
    practice.claim("A/1", Line(1_000, 500))
    job = practice.confirmed()
    practice.run_while_locked("A/1")
    assert practice.counts(job)["failed"] == 1
    path = f"/jobs/{job.job_id}"

    shown = biller.says(path)

    assert "Completed, but 1 claim failed and can be retried." in shown
    assert "Locked by another user or process; gave up after five tries Yes, retry this job" in shown
    assert f"/claims/{url_converters.encode_claim_id('A/1')}" in biller.links(path)

    answer = biller.post(f"{path}/retry-failed", on=path)
    assert answer.location == path
    assert biller.status_of(job) == "Confirmed"
    practice.run()
    assert practice.counts(job) == {"settled": 3, "skipped": 0, "failed": 0, "remaining": 0}


@pytest.mark.parametrize(("kind", "done"), [("settle", "settled"), ("status", "changed")])
def test_a_completed_job_that_changed_no_claim_is_not_green(
    practice: GivenPractice, biller: Browser, kind: str, done: str
) -> None:
    practice.claims(2)
    change = {"target_status": "Internal Review", "reason": None} if kind == "status" else {}
    job = practice.preview(**change)
    for number in ("C00001", "C00002"):
        practice.change(number)
    practice.confirm(job)
    practice.run()
    path = f"/jobs/{job.job_id}"

    assert f"Completed, but no claim was {done}: 2 skipped, 0 failed" in biller.says(path)
    assert f"Completed, none {done}" in biller.says("/jobs")
    for page in (path, "/jobs"):
        assert re.findall(r'class="(?:pill|note) good"', biller.read(page)) == []


@pytest.mark.parametrize("code", ["claim_locked", "database_refused", "worker_died", "unexpected_error"])
def test_page_api_and_file_mark_as_retryable_exactly_what_retry_accepts(
    practice: GivenPractice, biller: Browser, code: str
) -> None:
    practice.claims(2)
    job = practice.confirmed(chunk_claims=1)
    practice.run_while_locked("C00002")
    assert practice.counts(job)["failed"] == 1
    with practice.sessions() as session, session.begin():
        session.execute(update(JobItem).where(*job.of(JobItem), JobItem.outcome == "failed").values(code=code))
    path = f"/jobs/{job.job_id}"

    def shown_as_retryable() -> set[bool]:
        with practice.sessions() as session:
            rows = list(
                csv.DictReader("".join(files.csv_file(session, job, JobFile.NOT_SETTLED, now=NOW)).splitlines())
            )
            items = outcomes.items(session, job, outcome="failed", again_at=NOW)
        shown = biller.says(path)
        page = f"{codes.describe(code)} Yes, retry this job" in shown
        assert (f"{codes.describe(code)} Yes, in a new job. A retry is not possible" in shown) != page
        assert ("Retry 1 failed claim" in shown) == page
        return {page, rows[0]["Can be tried again"] == "Yes, retry this job", items[0].retryable}

    def is_retried() -> bool:
        try:
            with practice.sessions() as session:  # never committed
                commands.retry_failed(session, job, by=practice.biller, now=NOW)
        except Refusal:
            return False
        return True

    assert shown_as_retryable() == {is_retried()} == {True}

    admin = practice.person("admin@x.example", Role.ADMIN)
    with practice.sessions() as session, session.begin():
        closing.close(session, NOW.date().replace(day=1), by=admin, now=NOW)
    assert shown_as_retryable() == {is_retried()} == {False}
    assert "the month of the posting date is closed" in biller.says(path)

    with practice.sessions() as session, session.begin():
        closing.reopen(session, NOW.date().replace(day=1), reason="Late", by=admin, now=NOW)
        session.execute(update(SettleJob).values(status=JobStatus.CANCELLED))
    assert shown_as_retryable() == {is_retried()} == {False}


def test_a_biller_pauses_resumes_and_cancels_a_job(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3)
    job = practice.confirmed()
    path = f"/jobs/{job.job_id}"

    biller.post(f"{path}/pause", on=path)
    assert biller.status_of(job) == "Pausing"
    practice.do(finish.advance, job, now=NOW)
    assert biller.status_of(job) == "Paused"

    biller.post(f"{path}/resume", on=path)
    assert biller.status_of(job) == "Confirmed"

    biller.post(f"{path}/cancel", on=path)
    practice.do(finish.advance, job, now=NOW)
    assert biller.status_of(job) == "Canceled"
    assert "3 claims were not processed or changed." in biller.says(path)
    assert practice.read("C00001").billing_status == "Balance Due"


def test_a_pause_of_a_completed_job_is_refused_with_an_explanation(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    job = practice.settle()
    path = f"/jobs/{job.job_id}"

    assert biller.post(f"{path}/pause").location == path

    assert "The job is completed; it cannot be paused." in biller.says(path)
    assert biller.status_of(job) == "Completed"


def test_a_second_pause_says_that_the_job_is_already_paused(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    job = practice.confirmed()
    path = f"/jobs/{job.job_id}"
    biller.post(f"{path}/pause")
    practice.do(finish.advance, job, now=NOW)
    assert biller.status_of(job) == "Paused"

    biller.post(f"{path}/pause")

    assert "The job is already paused." in biller.says(path)


def test_a_biller_discards_a_preview(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    job = practice.preview()

    biller.post(f"/jobs/{job.job_id}/discard")

    assert biller.status_of(job) == "Discarded"
    assert practice.read("C00001").billing_status == "Balance Due"


def test_each_action_sends_one_hint_per_chunk_but_discarding_a_preview_sends_none(
    app: Flask, practice: GivenPractice, biller: Browser
) -> None:
    hints, context = SentHints(), app.extensions["settle"]
    app.extensions["settle"] = replace(
        context, hints=hints, settings=context.settings.model_copy(update={"chunk_claims": 2})
    )
    practice.claims(5)
    discarded, job = practice.preview(key="discarded"), practice.preview()

    biller.post(f"/jobs/{discarded.job_id}/discard")
    assert hints.sent == []

    for act in ("confirm", "pause", "cancel"):
        biller.post(f"/jobs/{job.job_id}/{act}", on=f"/jobs/{job.job_id}", confirmation="CONFIRM")
    assert hints.sent == [(*job, 3)] * 3
