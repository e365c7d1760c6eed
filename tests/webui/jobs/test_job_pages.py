"""The jobs list, and the page of one job in each status."""

import datetime as dt
import re
from collections.abc import Callable

import pytest
from sqlalchemy import update

from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.job_items import ChunkState
from core.enums.jobs import IN_PROGRESS_STATUSES, OPEN_STATUSES, JobStatus
from core.enums.people import Role
from core.jobs import commands
from core.jobs.execution import engine, finish
from core.models.job_items import JobChunk
from core.models.jobs import SettleJob
from core.models.people import User
from tests.factories import NOW, GivenPractice, Line, ticking
from tests.webui.conftest import Browser, Clock
from webui.shared.labels import JOB_STATUS

OPEN = Callable[[Actor], Browser]
LIVE = {"X-Live": "1"}


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_job_has_a_page_in_every_status(practice: GivenPractice, biller: Browser, status: JobStatus) -> None:
    practice.claims(3)
    job = practice.preview()
    ever_ran = status in (*OPEN_STATUSES, JobStatus.COMPLETED, JobStatus.CANCELLED)
    confirmed = {"confirmed_at": NOW, "confirmed_by": practice.biller.user_id} if ever_ran else {}
    with transaction(practice.sessions) as session:
        session.execute(update(SettleJob).where(*job.of(SettleJob)).values(status=status, **confirmed))

    page = biller.read(f"/jobs/{job.job_id}")

    assert JOB_STATUS[status].word in page
    polls = status in (*IN_PROGRESS_STATUSES, JobStatus.AWAITING_APPROVAL)
    assert ('http-equiv="refresh"' in page) == polls
    assert JOB_STATUS[status].word in biller.read("/jobs")


def test_counts_add_up_and_dollars_are_shown_by_responsibility(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(4)
    practice.claim("HELD", Line(1_000, 500), hold=Hold.HOLD)
    job = practice.settle(note="Year-end clean-up")

    shown = biller.says(f"/jobs/{job.job_id}")

    assert "Job 1 · settled 4 of 5 claims Completed" in shown
    assert "100% 5 of 5 claims" in shown
    assert "Settled 4 Skipped 1 Failed 0 Remaining 0" in shown
    assert "Written off $60.00 insurance $40.00 · patient $20.00" in shown
    assert "Small balance · “Year-end clean-up”" in shown
    assert "Balance Writeoff patient and insurance" in shown
    assert "all of the practice’s claims, frozen at 10:00:00 AM" in shown


def test_a_running_job_shows_its_progress(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(8)
    job = practice.confirmed(chunk_claims=2)
    # One call settles all chunks, because its clock does not move.
    engine.work(practice.sessions, worker="tester", clock=lambda: NOW)
    with transaction(practice.sessions) as session:
        # Two of the four chunks become open again.
        not_done = {"state": ChunkState.OPEN, "settled": 0, "insurance_cents": 0, "patient_cents": 0}
        session.execute(update(JobChunk).where(JobChunk.first_position > 4).values(not_done))
        session.execute(update(SettleJob).where(*job.of(SettleJob)).values(status=JobStatus.RUNNING, finished_at=None))

    page = " ".join(biller.read(f"/jobs/{job.job_id}").split())

    assert 'role="progressbar" aria-label="Claims done" aria-valuemin="0" aria-valuemax="8" aria-valuenow="4"' in page
    assert 'data-percent="50"' in page
    shown = biller.says(f"/jobs/{job.job_id}")
    assert "50% 4 of 8 claims" in shown
    assert "you can leave this page" in shown
    assert "Remaining 4" in shown
    assert "Claims per second" in shown


def test_a_job_page_refreshes_only_when_something_changed(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3)
    job = practice.confirmed()
    path = f"/jobs/{job.job_id}"
    first = biller.get(path, **LIVE)
    assert "<html" not in first.text
    assert 'data-state="confirmed" data-moving' in first.text

    assert biller.get(path, **LIVE, **{"If-None-Match": first.headers["ETag"]}).status_code == 304

    practice.run()
    after = biller.get(path, **LIVE, **{"If-None-Match": first.headers["ETag"]})
    assert after.status_code == 200
    assert 'data-state="completed"' in after.text
    assert "data-moving" not in after.text


def test_the_page_of_a_job_that_awaits_approval_follows_the_decision(
    practice: GivenPractice, biller: Browser, browser_of: OPEN
) -> None:
    approver = practice.person("approver@lakeside.example", Role.APPROVER)
    practice.claims(3)
    practice.limit(job=100)
    job = practice.confirmed()
    path = f"/jobs/{job.job_id}"
    first = biller.get(path, **LIVE)
    assert 'data-state="awaiting_approval" data-moving' in first.text
    assert biller.get(path, **LIVE, **{"If-None-Match": first.headers["ETag"]}).status_code == 304
    page = browser_of(approver).read(path)
    assert "data-moving" not in page, "the approver's form stays as the approver read it"
    assert 'http-equiv="refresh"' not in page

    practice.approve(job, by=approver)
    practice.run()

    after = biller.get(path, **LIVE, **{"If-None-Match": first.headers["ETag"]})
    assert 'data-state="completed"' in after.text
    assert "data-moving" not in after.text


def test_the_jobs_list_refreshes_only_when_something_changed(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3)
    practice.confirmed()
    first = biller.get("/jobs", **LIVE)
    assert "data-moving" in first.text
    assert biller.get("/jobs", **LIVE, **{"If-None-Match": first.headers["ETag"]}).status_code == 304

    practice.run()

    assert "data-moving" not in biller.get("/jobs", **LIVE, **{"If-None-Match": first.headers["ETag"]}).text


def test_the_etag_of_a_page_part_changes_exactly_when_the_part_does(
    practice: GivenPractice, biller: Browser, browser_of: OPEN, clock: Clock
) -> None:
    practice.claims(8)
    job = practice.preview(chunk_claims=4)
    approver = browser_of(practice.person("approver@lakeside.example", Role.APPROVER))
    seen: list[tuple[str, str]] = []

    def look(path: str = f"/jobs/{job.job_id}") -> None:
        part = biller.get(path, **LIVE)
        without_token = re.sub(r'name="csrf_token" value="[^"]*"', "", part.text)
        seen.append((part.headers["ETag"], f"{path} {without_token}"))
        assert biller.get(path, **LIVE, **{"If-None-Match": part.headers["ETag"]}).status_code == 304

    look()
    practice.confirm(job)
    for path in (f"/jobs/{job.job_id}", f"/jobs/{job.job_id}?outcome=failed", "/jobs"):
        look(path)
    with transaction(practice.sessions) as session:
        taken = update(JobChunk).where(*job.of(JobChunk)).values(taken_by="host:1", taken_at=clock())
        session.execute(taken)
    look()
    for seconds in (1, 6, 31, 61):
        clock.turn_on(seconds=seconds)
        look()
        look("/jobs")
    practice.act(commands.pause, job, now=clock())
    look()
    practice.do(finish.advance, job, now=clock())
    look()
    practice.act(commands.resume, job, now=clock())
    practice.run(now=clock())
    look()
    approver.post(f"/jobs/{job.job_id}/reverse", on=f"/jobs/{job.job_id}/reverse", note="Wrong list")
    look()  # the page names the reversal, although the progress did not change
    with transaction(practice.sessions) as session:
        session.execute(update(User).values(name="Another Name"))
    look()
    look("/jobs")

    assert len({etag for etag, _ in seen}) == len({part for _, part in seen}) == len(set(seen))


def test_claims_of_a_job_are_listed_by_outcome_and_by_rule(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    practice.claim("HELD", Line(1_000, 500), hold=Hold.HOLD)
    practice.claim("CREDIT", Line(1_000, -500))
    practice.claim("NOTHING", Line())
    job = practice.settle()
    path = f"/jobs/{job.job_id}"

    skipped, settled = biller.says(f"{path}?outcome=skipped"), biller.says(f"{path}?outcome=settled")
    held = biller.says(f"{path}?outcome=skipped&code=on_hold")

    assert "HELD The Patient" in skipped
    assert "On hold, or excluded from write-offs" in skipped
    assert "on_hold" not in skipped, "words are enough"
    assert "CREDIT The Patient" in skipped
    assert "C00001 The Patient 05/07/2026 $10.00 $5.00 Settled" in settled
    assert "Status change only: no balance to write off under the Balance Writeoff setting" in settled
    assert "CREDIT The Patient" not in held
    assert f"{path}?outcome=skipped&code=on_hold#items" in biller.links(path)
    link = re.search(r'<a[^>]*code=on_hold#items"', biller.load(path).text)
    assert link is not None
    assert "data-live-link" not in link[0], "the click moves to the list, which may be below the window"


def test_a_job_shows_its_selection_by_number_or_by_filter(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3)
    chosen = practice.preview({"claim_ids": ["C00001", "C00002"]}, key="chosen")
    narrowed = {"filter": {"billing_status": ["Balance Due"]}, "excluded_claim_ids": ["C00003"]}
    filtered = practice.preview(narrowed, key="filtered")
    for job in (chosen, filtered):
        practice.confirm(job)

    assert "Selection 2 claims, selected by hand, frozen" in biller.says(f"/jobs/{chosen.job_id}")
    selection = "Selection claims that match 1 filter, except 1 unchecked claim ?, frozen"
    assert re.search(selection, biller.says(f"/jobs/{filtered.job_id}"))
    assert "/claims?billing_status=Balance+Due" in biller.links(f"/jobs/{filtered.job_id}")


def test_a_long_list_of_claims_is_paged(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(55)
    job = practice.settle()
    path = f"/jobs/{job.job_id}"

    assert f"{path}?outcome=settled&after=50" in biller.links(f"{path}?outcome=settled")
    second = biller.says(f"{path}?outcome=settled&after=50")

    assert "C00051" in second
    assert "C00050" not in second
    assert "First page" in second


def test_the_jobs_list_is_newest_first_paged_and_filtered_by_status(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    jobs = [practice.preview(key=str(index)) for index in range(52)]
    practice.confirm(jobs[0])

    links = [link for link in biller.links("/jobs") if re.fullmatch(r"/jobs/\d+", link)]
    assert links == [f"/jobs/{job.job_id}" for job in reversed(jobs)][:50]
    assert f"/jobs?before={jobs[2].job_id}" in biller.links("/jobs")
    older = [link for link in biller.links(f"/jobs?before={jobs[2].job_id}") if re.fullmatch(r"/jobs/\d+", link)]
    assert older == [f"/jobs/{jobs[1].job_id}", f"/jobs/{jobs[0].job_id}"]
    confirmed = [link for link in biller.links("/jobs?status=confirmed") if re.fullmatch(r"/jobs/\d+", link)]
    assert confirmed == [f"/jobs/{jobs[0].job_id}"]
    assert "No job has the status Halted." in biller.says("/jobs?status=halted")


@pytest.mark.parametrize("path", ["/jobs/999", "/jobs/0", "/jobs/99999999999999999999999", "/jobs/abc", "/jobs/-1"])
def test_an_unknown_job_is_not_found(biller: Browser, path: str) -> None:
    assert biller.get(path).status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("after=-1", 200), ("after=x", 200), ("after=99999999999999999999999", 200), ("outcome=no", 200),
        ("code=x", 200), ("code=%00", 400),
    ],
)  # fmt: skip
def test_unknown_values_in_a_job_address_are_ignored(
    practice: GivenPractice, biller: Browser, query: str, status: int
) -> None:
    practice.claims(1)
    job = practice.settle()

    assert biller.get(f"/jobs/{job.job_id}?{query}").status_code == status


def test_markup_in_a_note_or_a_name_is_shown_as_text(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(1_000, 500))
    practice.sql("UPDATE patient SET name = '<script>alert(1)</script> \"O''Neil\" 💊 קליניקה'")
    job = practice.settle(note="<b>bold</b> & 'quoted'")

    page = biller.get(f"/jobs/{job.job_id}").text

    assert "<script>alert" not in page
    assert "<b>bold" not in page
    assert "“<b>bold</b> & 'quoted'”" in biller.read(f"/jobs/{job.job_id}")


def test_paused_time_is_shown_apart_from_working_time(practice: GivenPractice, biller: Browser, clock: Clock) -> None:
    practice.claims(24)
    job = practice.confirmed(chunk_claims=2)
    engine.work(practice.sessions, worker="tester", clock=ticking(NOW))
    for command, at in ((commands.pause, 5), (commands.resume, 245)):
        practice.act(command, job, now=NOW + dt.timedelta(seconds=at))
        practice.do(finish.advance, job, now=NOW + dt.timedelta(seconds=at))
    practice.run(now=NOW + dt.timedelta(seconds=245))
    clock.turn_on(minutes=10)

    shown = biller.says(f"/jobs/{job.job_id}")

    assert "paused for 4 minutes" in shown
    assert "took 5 minutes" not in shown
    assert "Last minute of the run" in shown
    assert "0 in the busiest second" not in shown
    assert "Pauses are excluded." in shown


def test_the_chart_of_a_short_run_stays_while_the_job_is_paused(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(24)
    job = practice.confirmed(chunk_claims=2)
    engine.work(practice.sessions, worker="tester", clock=ticking(NOW))
    practice.act(commands.pause, job, now=NOW + dt.timedelta(seconds=2))
    practice.do(finish.advance, job, now=NOW + dt.timedelta(seconds=2))

    shown = biller.says(f"/jobs/{job.job_id}")

    assert "Paused until a user resumes it." in shown
    assert "Claims per second Last minute before it stopped: " in shown
    assert " 0 in the busiest second" not in shown


def test_a_job_with_all_claims_done_shows_that_it_is_reconciling(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    job = practice.settle()
    assert "reconciling" not in biller.says(f"/jobs/{job.job_id}")
    with transaction(practice.sessions) as session:
        running = {"status": JobStatus.RUNNING, "finished_at": None}
        session.execute(update(SettleJob).where(*job.of(SettleJob)).values(running))

    assert "2 of 2 claims" in biller.says(f"/jobs/{job.job_id}")
    for page in (f"/jobs/{job.job_id}", "/jobs"):
        assert "reconciling" in biller.says(page)


def test_a_run_of_less_than_a_second_shows_no_rate_and_no_chart(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(8)
    job = practice.confirmed(chunk_claims=2)
    engine.work(practice.sessions, worker="tester", clock=lambda: NOW)  # the whole job in one second

    page = biller.says(f"/jobs/{job.job_id}")

    assert "took less than a second" in page
    assert re.search(r"\d a second", page) is None
    assert "Claims per second" not in page
    assert "in the busiest second" not in page
