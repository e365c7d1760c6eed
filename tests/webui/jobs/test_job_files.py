"""What a job leaves to keep, and what became of its claims: files, certificate, why, codes, halts."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from core.access.permissions import Actor
from core.db.engine import Sessions, transaction
from core.jobs import codes
from core.jobs.execution import engine, finish
from core.jobs.keys import JobKey
from core.models.claims import Claim, Hold
from core.models.job_items import JobItem, Outcome
from core.models.jobs import JobStatus, SettleJob
from core.models.people import AuditEntry, Role
from tests.factories import NOW, GivenPractice, Line, a_practice, ticking
from tests.webui.conftest import Browser, Clock

OPEN = Callable[[Actor], Browser]


@pytest.fixture
def job(practice: GivenPractice) -> JobKey:
    """A finished job: two claims settled, one on hold, one changed after the preview."""
    practice.claims(2)
    practice.claim("HELD", Line(1_000, 500), hold=Hold.APPEAL)
    practice.claim("PAID", Line(1_000, 500))
    job = practice.preview(note="Year-end")
    practice.confirm(job)
    practice.pay("PAID", 100)
    practice.run()
    return job


def rows_of(browser: Browser, path: str) -> list[list[str]]:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def test_the_files_are_offered_with_their_counts_and_hold_the_claims(job: JobKey, biller: Browser) -> None:
    page, links = biller.says(f"/jobs/{job.job_id}"), biller.links(f"/jobs/{job.job_id}")

    assert "Settled 2 claims CSV XLSX Not settled 2 claims CSV XLSX Reconciliation certificate" in page
    assert "not-reached" not in " ".join(links)
    settled = rows_of(biller, f"/jobs/{job.job_id}/files/settled.csv")
    assert [row[0] for row in settled] == ["Claim ID", "C00001", "C00002"]
    not_settled = rows_of(biller, f"/jobs/{job.job_id}/files/not-settled.csv")
    coded = {row[0]: row[4] for row in not_settled[1:]}
    assert coded == {"HELD": "on_hold", "PAID": "changed_since_preview"}
    assert all(f"/jobs/{job.job_id}/files/{name}" in links for name in ("settled.csv", "not-settled.xlsx"))


def test_a_sheet_is_a_sheet(job: JobKey, biller: Browser) -> None:
    answer = biller.get(f"/jobs/{job.job_id}/files/settled.xlsx")

    assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(answer.data)).namelist()


@pytest.mark.parametrize(
    "path",
    [
        "/feed/export.csv",
        "/credits/credits.csv",
        "/audit/audit.csv",
        *(f"/jobs/1/files/{name}.csv" for name in ("settled", "not-settled", "not-reached")),
    ],
)
def test_every_csv_begins_with_the_mark_that_tells_excel_it_is_utf_8(
    practice: GivenPractice, job: JobKey, browser_of: OPEN, path: str
) -> None:
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))

    assert admin.get(path).data[:3] == b"\xef\xbb\xbf"


def test_the_amounts_of_a_sheet_are_exact_to_the_cent(practice: GivenPractice, biller: Browser) -> None:
    dues = [(8_19, 378_79), (-8_19, 999_94), (999_999_999_999, -999_999_999_999), (10_00, 1), (4_35, 100_000_000_000)]
    for number, (insurance, patient) in enumerate(dues):
        practice.claim(f"C{number}", Line(insurance, patient))
    job = practice.preview()

    answer = biller.get(f"/jobs/{job.job_id}/files/not-reached.xlsx")

    sheet = zipfile.ZipFile(io.BytesIO(answer.data)).read("xl/worksheets/sheet1.xml").decode()
    written = re.findall(r"<v>([^<]*)</v>", sheet)
    assert written == [repr(cents / 100).removesuffix(".0") for due in dues for cents in due]


def test_who_took_a_file_is_written_down(practice: GivenPractice, job: JobKey, biller: Browser) -> None:
    biller.get(f"/jobs/{job.job_id}/files/settled.csv")

    with practice.sessions() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.act == "job.file_downloaded"))
    assert (entry.user_id, entry.facts) == (practice.biller.user_id, {"file": "settled"})


@pytest.mark.parametrize("name", ["everything.csv", "settled.pdf", "settled"])
def test_there_are_no_other_files(job: JobKey, biller: Browser, name: str) -> None:
    assert biller.get(f"/jobs/{job.job_id}/files/{name}").status_code == 404


def test_a_cancelled_job_offers_what_was_not_reached(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3)
    job = practice.preview()
    practice.confirm(job)
    path = f"/jobs/{job.job_id}"
    assert "/files/" not in biller.read(path)
    biller.post(f"{path}/cancel", on=path)
    with transaction(practice.sessions) as session:
        finish.advance(session, job, now=NOW)

    assert "Not reached 3 claims CSV XLSX" in biller.says(path)
    assert len(rows_of(biller, f"{path}/files/not-reached.csv")) == 4
    assert "It reconciles" in biller.says(f"{path}/certificate")


def test_the_certificate_says_everything_and_adds_up(practice: GivenPractice, job: JobKey, biller: Browser) -> None:
    said = biller.says(f"/jobs/{job.job_id}/certificate")

    assert "Reconciliation certificate · job 1 Lakeside · Settle · completed 11/23/2026" in said
    assert "It reconciles" in said
    assert "Receivable before $20.00 $10.00 $30.00" in said
    assert "Written off − $20.00 − $10.00 − $30.00" in said
    assert "Receivable after $0.00 $0.00 $0.00" in said
    assert "In the job 4 Settled 2 Skipped 2 Failed 0 Not reached 0" in said
    assert "Small balance $20.00 $10.00 $30.00" in said
    assert "The Payer 2 $20.00 $10.00 $30.00" in said
    assert "The Provider 2 $20.00 $10.00 $30.00" in said
    assert "Confirmed biller, 11/23/2026 10:00:00 AM" in said
    assert "Balance Writeoff Both: patient and insurance Recent payment Off" in said
    assert "On hold, or excluded from write-offs on_hold" in said
    document = json.loads(biller.get(f"/jobs/{job.job_id}/certificate.json").text)
    assert document["items_sha256"] in said
    assert document["reconciles"] is True
    assert f"/jobs/{job.job_id}/certificate.json" in biller.links(f"/jobs/{job.job_id}/certificate")


def test_the_certificate_of_a_reversal_adds_instead(
    practice: GivenPractice, job: JobKey, biller: Browser, browser_of: OPEN
) -> None:
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))
    page = admin.post("/jobs/1/reverse", on="/jobs/1/reverse", note="Wrong").location
    admin.post(f"{page}/confirm", on=page, confirmation="CONFIRM")
    practice.run()

    said = biller.says(f"{page}/certificate")

    assert "Receivable before $0.00 $0.00 $0.00 Restored + $20.00 + $10.00 + $30.00 Receivable after $20.00" in said
    assert "Reverse of job 1" in said
    assert "It reconciles" in said


def test_a_job_that_has_not_ended_has_no_certificate(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(1)
    job = practice.preview()

    assert biller.get(f"/jobs/{job.job_id}/certificate").status_code == 409


def test_another_practice_gets_neither(job: JobKey, sessions: Sessions, browser_of: OPEN) -> None:
    stranger = browser_of(a_practice(sessions, name="Harbor").biller)

    for path in ("certificate", "certificate.json", "files/settled.csv", "files/settled.xlsx"):
        assert stranger.get(f"/jobs/{job.job_id}/{path}").status_code == 404


def test_every_skip_answers_why_with_the_values_of_its_rule(job: JobKey, biller: Browser) -> None:
    skipped = biller.says(f"/jobs/{job.job_id}?outcome=skipped")

    assert "On hold, or excluded from write-offs Why? Claim HELD hold appeal open" in skipped
    assert "Why? Claim PAID" in skipped
    assert "version at the preview 1" in skipped


def test_the_preview_answers_why_too(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("CREDIT", Line(-1_500, 500))
    job = practice.preview()

    assert "Why? Claim CREDIT insurance due -$15.00" in biller.says(f"/jobs/{job.job_id}")


def test_the_claims_are_counted_by_outcome_and_code_with_what_the_run_found(job: JobKey, biller: Browser) -> None:
    said = biller.says(f"/jobs/{job.job_id}")

    assert "Skipped Changed since the preview changed_since_preview 1" in said
    assert "Skipped On hold, or excluded from write-offs on_hold 1" in said
    only = biller.says(f"/jobs/{job.job_id}?outcome=skipped&code=changed_since_preview")
    assert "PAID The Patient" in only
    assert "HELD The Patient" not in only


def failed(practice: GivenPractice, job: JobKey, **codes_of: str) -> None:
    """As if those claims had failed with these codes."""
    with transaction(practice.sessions) as session:
        for number, code in codes_of.items():
            item = practice.item(job, number)
            this = (*job.of(JobItem), JobItem.position == item.position)
            session.execute(update(JobItem).where(*this).values(outcome=Outcome.FAILED, code=code))


def test_failures_of_several_causes_are_tried_again_cause_by_cause(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3)
    job = practice.preview(chunk_claims=1)
    practice.confirm(job)
    with practice.sessions() as session, session.begin():
        session.execute(select(Claim.id).with_for_update())
        clock = ticking(NOW)
        for _ in range(200):
            engine.work(practice.sessions, worker="tester", clock=clock)
    assert practice.counts(job)["failed"] == 3
    failed(practice, job, C00003="unexpected_error")
    path = f"/jobs/{job.job_id}"

    said = biller.says(path)
    assert "Try 3 failed again" in said
    assert "2 · Locked by another user or process; gave up after five tries" in said
    assert "1 · An unexpected error occurred on this claim" in said
    biller.post(f"{path}/retry-failed", on=path, code="unexpected_error")
    practice.run()

    assert practice.read("C00003").billing_status == "Settled"
    assert practice.counts(job) == {"settled": 1, "skipped": 0, "failed": 2, "remaining": 0}
    assert "Retry by cause" not in biller.read(path)


@pytest.mark.parametrize("because", list(codes.HALT_SENTENCES))
def test_a_halt_says_why_and_what_to_do(practice: GivenPractice, biller: Browser, because: str) -> None:
    practice.claims(1)
    job = practice.preview()
    practice.confirm(job)
    with transaction(practice.sessions) as session:
        values = {"status": JobStatus.HALTED, "halted_because": because}
        session.execute(update(SettleJob).where(*job.of(SettleJob)).values(values))

    page = biller.says(f"/jobs/{job.job_id}")

    assert codes.describe(because) in page
    assert "cancel the job" in page
    assert "resume" in page.lower()


def test_a_stall_names_its_likely_cause(practice: GivenPractice, biller: Browser, clock: Clock) -> None:
    practice.claims(1)
    job = practice.preview()
    practice.confirm(job)
    clock.turn_on(minutes=2)

    said = biller.says(f"/jobs/{job.job_id}")

    assert "Most likely none is running" in said
    assert "broker" not in said, "a worker finds the job without it"


def test_an_administrator_is_led_to_the_jobs_hints_in_flower_and_a_biller_is_not(
    job: JobKey, biller: Browser, practice: GivenPractice, browser_of: Callable[[Actor], Browser], app: object
) -> None:
    page = f"/jobs/{job.job_id}"
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))
    search = f"/tasks?name=settle.work%20args%3A%22%28{job.practice_id}%2C%20{job.job_id}%29%22"
    assert f"http://127.0.0.1:5555{search}" in admin.links(page)
    assert "settle.work(1, 1)" in biller.says(page)
    assert "5555" not in biller.read(page)

    door = app.extensions["settle"]  # type: ignore[attr-defined]
    object.__setattr__(door, "settings", door.settings.model_copy(update={"web_host": "settle.example"}))
    assert "5555" not in admin.read(page)

    set_ = {"flower_url": "https://flower.example/"}
    object.__setattr__(door, "settings", door.settings.model_copy(update=set_))
    assert f"https://flower.example{search}" in admin.links(page)
