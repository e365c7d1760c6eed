"""A job's name: given at preview, at CONFIRM or later, by its requester or an administrator."""

import csv
import io
from collections.abc import Callable

import pytest

from core import search
from core.access.permissions import Actor
from core.audit import log
from core.audit.log import AuditFilter
from core.enums.people import Role
from core.jobs import commands, job_queries, naming
from core.jobs.job_filter import JobFilter
from core.jobs.keys import JobKey
from core.jobs.results import certificates
from core.search import Search
from tests.factories import GivenPractice
from tests.webui.conftest import Browser

OPEN = Callable[[Actor], Browser]


def name_of(practice: GivenPractice, job: JobKey) -> str:
    with practice.sessions() as session:
        return job_queries.find(session, job).name


def test_the_confirm_box_names_the_job_and_every_page_and_file_shows_the_name(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(2)
    job = practice.preview()
    page = f"/jobs/{job.job_id}"
    assert "Do not enter a patient’s name." in biller.says(page)

    biller.post(f"{page}/confirm", on=page, confirmation="CONFIRM", name=" Year-end  2026 ")
    practice.run()

    assert name_of(practice, job) == "Year-end 2026"
    assert "Job 1 · Year-end 2026 · settled 2 claims" in biller.says(page)
    assert "Activity Named the job, " in biller.says(page), "nothing was changed"
    assert "1 Year-end 2026" in biller.says("/jobs")
    assert "Year-end 2026 A label that users may change. It is not evidence." in biller.says(f"{page}/certificate")
    rows = list(csv.reader(io.StringIO(biller.get(f"{page}/files/settled.csv").text)))
    assert (rows[0][-1], rows[1][-1], rows[-1][-1]) == ("Job name", "Year-end 2026", "")


def test_a_refused_confirm_keeps_the_name_that_was_typed_and_starts_nothing(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(1)
    job = practice.preview(name="First")
    page = f"/jobs/{job.job_id}"
    assert 'value="First"' in biller.read(page)

    answer = biller.post(f"{page}/confirm", on=page, confirmation="CONFIRM", name="x" * 81)

    assert answer.status_code == 422
    assert "A job’s name may have up to 80 characters" in answer.text
    assert f'value="{"x" * 81}"' in answer.text
    assert biller.status_of(job) == "Awaiting CONFIRM"
    assert 'value="Two"' in biller.post(f"{page}/confirm", on=page, confirmation="confirm", name="Two").text
    assert name_of(practice, job) == "First"


def test_a_name_changes_later_and_neither_the_certificate_s_evidence_nor_its_digest_does(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(2)
    job = practice.settle(name="Monday")
    with practice.sessions() as session:
        before = certificates.for_job(session, job)

    biller.post(f"/jobs/{job.job_id}/name", on=f"/jobs/{job.job_id}", name="Tuesday")

    with practice.sessions() as session:
        after = certificates.for_job(session, job)
        act = log.acts(session, practice.id, AuditFilter(), limit=1)[0]
    assert (before.name, after.name) == ("Monday", "Tuesday")
    assert before.model_dump(exclude={"name"}) == after.model_dump(exclude={"name"})
    assert (act.act, act.user_id, act.facts) == ("job.renamed", practice.biller.user_id, {"named": True})
    assert "Changed the name of the job" in biller.says(f"/jobs/{job.job_id}")


def test_only_the_requester_and_an_administrator_may_change_the_name(
    practice: GivenPractice, biller: Browser, browser_of: OPEN
) -> None:
    practice.claims(1)
    job = practice.preview(name="Mine")
    other = practice.person("other@lakeside.example", Role.BILLER)
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.confirm(job)
    practice.run()
    page = f"/jobs/{job.job_id}"

    assert browser_of(other).post(f"{page}/name", on="/claims", name="Theirs").status_code == 403
    assert "Save name" not in browser_of(other).says(page)
    assert "Save name" in biller.says(page)
    assert name_of(practice, job) == "Mine"

    browser_of(admin).post(f"{page}/name", on=page, name="")
    assert name_of(practice, job) == ""


def test_a_faulty_name_shows_its_fault_on_the_job_s_page(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    job = practice.settle()

    answer = biller.post(f"/jobs/{job.job_id}/name", on=f"/jobs/{job.job_id}", name="a\u202eb")

    assert (answer.status_code, name_of(practice, job)) == (422, "")
    assert "only characters that can be printed" in answer.text


@pytest.mark.parametrize("typed", ["x" * 81, "a\x00b"])
def test_core_refuses_the_same_names(practice: GivenPractice, typed: str) -> None:
    practice.claims(1)

    with pytest.raises(naming.BadJobName):
        practice.preview(name=typed)


def test_a_preview_that_is_repeated_keeps_the_name(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    job = practice.preview(name="Kept")

    biller.post("/jobs", on="/claims", again=str(job.job_id), target_status="Settled", reason="charity")

    assert name_of(practice, JobKey(practice.id, job.job_id + 1)) == "Kept"


def test_the_search_box_and_the_list_find_a_job_by_its_name(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    named = practice.preview({"claim_ids": ["C00001"]}, name="Year-end 100%", key="one")
    other = practice.preview({"claim_ids": ["C00002"]}, name="Week 100", key="two")

    with practice.sessions() as session:
        listed = job_queries.list_jobs(session, practice.id, matching=JobFilter(name="END 100%"), limit=9)
        found = search.find(session, practice.id, Search("year-END", None)).jobs.rows
    assert [job.id for job in listed] == [job.id for job in found] == [named.job_id]
    shown = biller.says("/jobs?name=week")
    assert f"{other.job_id} Week 100" in shown
    assert "Year-end" not in shown
    assert "Year-end 100%" in biller.post("/search", on="/claims", text="year-end").text


def test_an_approver_s_page_shows_the_name(practice: GivenPractice, browser_of: OPEN) -> None:
    practice.claims(3)
    practice.limit(job=100)
    job = practice.confirmed(name="Cleanup")
    approver = browser_of(practice.person("approver@lakeside.example", Role.APPROVER))

    assert "Cleanup" in approver.says("/approvals")
    assert "Job 1 · Cleanup · settle 3 claims" in approver.says(f"/jobs/{job.job_id}")


def test_a_repeated_confirm_does_not_rename(practice: GivenPractice) -> None:
    practice.claims(1)
    job = practice.confirmed(name="One")

    practice.act(commands.confirm, job, confirmation="CONFIRM", name="Two")

    assert name_of(practice, job) == "One"
