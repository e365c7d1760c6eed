"""The files and the certificate of a job, and the outcome of each claim: values of rules, codes, halts and stalls."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.job_items import Outcome
from core.enums.jobs import JobStatus
from core.enums.people import Role
from core.jobs import codes
from core.jobs.execution import finish
from core.jobs.keys import JobKey
from core.jobs.results import certificates
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.people import AuditEntry
from tests.factories import NOW, GivenPractice, Line
from tests.webui.conftest import Browser, Clock

OPEN = Callable[[Actor], Browser]


@pytest.fixture
def job(practice: GivenPractice) -> JobKey:
    """Return a finished job: two claims settled, one on hold, one changed after the preview."""
    practice.claims(2)
    practice.claim("HELD", Line(1_000, 500), hold=Hold.APPEAL)
    practice.claim("PAID", Line(1_000, 500))
    job = practice.confirmed(note="Year-end")
    practice.pay("PAID", 100)
    practice.run()
    return job


def rows_of(browser: Browser, path: str) -> list[list[str]]:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def test_a_finished_job_offers_files_of_its_claims_with_their_counts(job: JobKey, biller: Browser) -> None:
    page, links = biller.says(f"/jobs/{job.job_id}"), biller.links(f"/jobs/{job.job_id}")

    assert "Settled 2 claims CSV XLSX Not settled 2 claims CSV XLSX Postings one row each CSV XLSX" in page
    to_post = rows_of(biller, f"/write-offs/download?job={job.job_id}&form=csv")
    assert [row[0] for row in to_post] == ["Claim ID", *["C00001"] * 2, *["C00002"] * 2, "Total"]
    assert "Downloading this file does not mark its postings as sent. To do that, use Write-offs to post ." in page
    assert "/write-offs" in links[links.index(f"/write-offs/download?job={job.job_id}&form=csv") :]
    assert "not-processed" not in " ".join(links)
    settled = rows_of(biller, f"/jobs/{job.job_id}/files/settled.csv")
    assert [row[0] for row in settled] == ["Claim ID", "C00001", "C00002", "Total"]
    assert settled[-1][3:5] == ["20.00", "10.00"]
    not_settled = rows_of(biller, f"/jobs/{job.job_id}/files/not-settled.csv")
    coded = {row[0]: row[4] for row in not_settled[1:-1]}
    assert coded == {"HELD": "on_hold", "PAID": "changed_since_preview"}
    assert all(f"/jobs/{job.job_id}/files/{name}" in links for name in ("settled.csv", "not-settled.xlsx"))


def test_an_xlsx_download_is_an_excel_workbook(job: JobKey, biller: Browser) -> None:
    answer = biller.get(f"/jobs/{job.job_id}/files/settled.xlsx")

    assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(answer.data)).namelist()


@pytest.mark.parametrize("path", ["/feed/export.xlsx", "/credits/credits.xlsx"])
def test_a_list_as_a_workbook_keeps_the_leading_zeros_of_a_claim(
    practice: GivenPractice, biller: Browser, path: str
) -> None:
    practice.claim("00017", Line(-12_00, 3_00))

    answer = biller.get(path)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].endswith("spreadsheetml.sheet")
    assert ".xlsx" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as book:
        assert "<t>00017</t>" in book.read("xl/worksheets/sheet1.xml").decode()  # a text and not a number
    assert f'href="{path}' in biller.read("/claims" if path.startswith("/feed") else "/credits")


@pytest.mark.parametrize(
    "path",
    [
        "/feed/export.csv",
        "/credits/credits.csv",
        "/audit/audit.csv",
        *(f"/jobs/1/files/{name}.csv" for name in ("settled", "not-settled", "not-processed")),
    ],
)
def test_every_csv_file_starts_with_a_byte_order_mark_so_that_excel_reads_utf_8(
    practice: GivenPractice, job: JobKey, browser_of: OPEN, path: str
) -> None:
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))

    assert admin.get(path).data[:3] == b"\xef\xbb\xbf"


def test_the_amounts_in_an_excel_file_are_exact_to_the_cent(practice: GivenPractice, biller: Browser) -> None:
    dues = [(8_19, 378_79), (-8_19, 999_94), (999_999_999_999, -999_999_999_999), (10_00, 1), (4_35, 100_000_000_000)]
    for number, (insurance, patient) in enumerate(dues):
        practice.claim(f"C{number}", Line(insurance, patient))
    job = practice.preview()

    answer = biller.get(f"/jobs/{job.job_id}/files/not-processed.xlsx")

    sheet = zipfile.ZipFile(io.BytesIO(answer.data)).read("xl/worksheets/sheet1.xml").decode()
    written = [re.findall(r'r="[DE]\d+"[^>]*><v>([^<]*)</v>', row) for row in sheet.split("<row ")]
    totals = tuple(map(sum, zip(*dues, strict=True)))
    assert [cents for row in written[2:] for cents in row] == [
        repr(cents / 100).removesuffix(".0") for due in (*dues, totals) for cents in due
    ]


def test_the_audit_records_who_downloaded_a_file(practice: GivenPractice, job: JobKey, biller: Browser) -> None:
    biller.get(f"/jobs/{job.job_id}/files/settled.csv")

    with practice.sessions() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.act == "job.file_downloaded"))
    assert (entry.user_id, entry.facts) == (practice.biller.user_id, {"file": "settled"})


@pytest.mark.parametrize("name", ["everything.csv", "settled.pdf", "settled"])
def test_a_file_that_a_job_does_not_have_is_not_found(job: JobKey, biller: Browser, name: str) -> None:
    assert biller.get(f"/jobs/{job.job_id}/files/{name}").status_code == 404


def test_a_canceled_job_offers_a_file_of_the_claims_not_processed(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3)
    job = practice.confirmed()
    path = f"/jobs/{job.job_id}"
    assert "/files/" not in biller.read(path)
    biller.post(f"{path}/cancel", on=path)
    practice.do(finish.advance, job, now=NOW)

    assert "Not processed 3 claims CSV XLSX" in biller.says(path)
    assert len(rows_of(biller, f"{path}/files/not-processed.csv")) == 5
    assert "This job reconciles to the cent" in biller.says(f"{path}/certificate")


def test_the_certificate_shows_the_amounts_counts_people_and_rules_of_a_job(
    practice: GivenPractice, job: JobKey, biller: Browser, browser_of: OPEN
) -> None:
    shown = biller.says(f"/jobs/{job.job_id}/certificate")

    assert "Reconciliation certificate · job 1 Lakeside · Settle · completed 11/23/2026" in shown
    assert "This job reconciles to the cent" in shown
    assert "A/R before $20.00 $10.00 $30.00" in shown
    assert "Written off − $20.00 − $10.00 − $30.00" in shown
    assert "A/R after $0.00 $0.00 $0.00" in shown
    assert "In the job 4 Settled 2 Skipped 2 Failed 0 Not processed 0" in shown
    assert "Small balance $20.00 $10.00 $30.00" in shown
    assert "The Payer 2 $20.00 $10.00 $30.00" in shown
    assert "The Provider 2 $20.00 $10.00 $30.00" in shown
    assert "Confirmed biller, 11/23/2026 10:00:00 AM" in shown
    assert "Balance Writeoff Both: patient and insurance Recent-payment window Off" in shown
    assert "Appeal window 180 days Min. time since the last statement Off Min. statements sent Off" in shown
    assert "On hold, or excluded from write-offs" in shown
    document = json.loads(biller.get(f"/jobs/{job.job_id}/certificate.json").text)
    assert ("Fingerprint" in shown, document["items_sha256"]) == (False, None), "a biller does not compare checksums"
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))
    proven = json.loads(admin.get(f"/jobs/{job.job_id}/certificate.json").text)
    assert proven["items_sha256"] in admin.says(f"/jobs/{job.job_id}/certificate")
    assert document["reconciles"] is True
    assert f"/jobs/{job.job_id}/certificate.json" in biller.links(f"/jobs/{job.job_id}/certificate")


def test_the_certificate_of_a_reversal_adds_the_restored_amount(
    practice: GivenPractice, job: JobKey, biller: Browser, browser_of: OPEN
) -> None:
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))
    page = admin.post("/jobs/1/reverse", on="/jobs/1/reverse", note="Wrong").location
    admin.post(f"{page}/confirm", on=page, confirmation="CONFIRM")
    practice.run()

    shown = biller.says(f"{page}/certificate")

    assert "A/R before $0.00 $0.00 $0.00 Restored + $20.00 + $10.00 + $30.00 A/R after $20.00" in shown
    assert "Reversal of job 1" in shown
    assert "This job reconciles to the cent" in shown


def test_every_skipped_claim_shows_the_values_that_its_rule_used(job: JobKey, biller: Browser) -> None:
    skipped = biller.says(f"/jobs/{job.job_id}?outcome=skipped")

    assert "On hold, or excluded from write-offs Why? Claim HELD hold appeal open" in skipped
    assert "Why? Claim PAID" in skipped
    assert "claim version at preview 1" in skipped


def test_a_skipped_claim_shows_what_must_change_before_it_can_be_tried_again(
    practice: GivenPractice, job: JobKey, biller: Browser
) -> None:
    def shown() -> dict[str, str]:
        page = biller.says(f"/jobs/{job.job_id}?outcome=skipped")
        rows = rows_of(biller, f"/jobs/{job.job_id}/files/not-settled.csv")[1:-1]
        assert all(row[7] in page for row in rows)
        return {row[0]: row[7] for row in rows}

    new_job = "Yes, in a new job"
    assert shown() == {"HELD": "After a change: release the hold or end the exclusion", "PAID": new_job}

    practice.sql("UPDATE claim SET hold = NULL, service_date = '2026-12-31' WHERE external_id = 'HELD'")
    assert shown()["HELD"] == "After a change: wait until the date of service (The date of service is in the future)"
    practice.sql("UPDATE claim SET service_date = '2026-05-07' WHERE external_id = 'HELD'")
    assert shown() == {"HELD": new_job, "PAID": new_job}

    again = practice.settle({"claim_ids": ["HELD", "PAID"]}, key="again")
    assert practice.counts(again) == {"settled": 2, "skipped": 0, "failed": 0, "remaining": 0}
    assert set(shown().values()) == {
        "No (Already settled, with nothing left to write off under the Balance Writeoff setting)"
    }


def test_a_skipped_claim_of_a_preview_shows_the_values_that_its_rule_used(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim("CREDIT", Line(-1_500, 500))
    job = practice.preview()

    assert "Why? Claim CREDIT insurance balance -$15.00" in biller.says(f"/jobs/{job.job_id}")


def test_claims_are_counted_by_outcome_and_code(job: JobKey, biller: Browser) -> None:
    shown = biller.says(f"/jobs/{job.job_id}")

    assert "Skipped Changed since the preview Yes, in a new job 1" in shown
    held = "On hold, or excluded from write-offs After a change: release the hold or end the exclusion"
    assert f"Skipped {held} 1" in shown
    only = biller.says(f"/jobs/{job.job_id}?outcome=skipped&code=changed_since_preview")
    assert "PAID The Patient" in only
    assert "HELD The Patient" not in only


def set_failed(practice: GivenPractice, job: JobKey, **codes_of: str) -> None:
    """Record these claims of the job as failed with these codes."""
    with transaction(practice.sessions) as session:
        for number, code in codes_of.items():
            item = practice.item(job, number)
            this = (*job.of(JobItem), JobItem.position == item.position)
            session.execute(update(JobItem).where(*this).values(outcome=Outcome.FAILED, code=code))


def test_failures_with_different_causes_can_be_retried_cause_by_cause(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(3)
    job = practice.confirmed(chunk_claims=1)
    practice.run_while_locked("C00001", "C00002", "C00003")
    assert practice.counts(job)["failed"] == 3
    set_failed(practice, job, C00003="unexpected_error")
    path = f"/jobs/{job.job_id}"

    shown = biller.says(path)
    assert "Retry 3 failed claims" in shown
    assert "2 claims, $30.00 : Locked by another user or process; gave up after five tries" in shown
    assert "1 claim, $15.00 : An unexpected error occurred on this claim" in shown
    biller.post(f"{path}/retry-failed", on=path, code="unexpected_error")
    practice.run()

    assert practice.read("C00003").billing_status == "Settled"
    assert practice.counts(job) == {"settled": 1, "skipped": 0, "failed": 2, "remaining": 0}
    assert "An unexpected error" not in biller.read(path)


@pytest.mark.parametrize("code", list(codes.HALT_SENTENCES))
def test_a_halted_job_shows_the_reason_and_what_to_do(practice: GivenPractice, biller: Browser, code: str) -> None:
    practice.claims(1)
    job = practice.confirmed()
    with transaction(practice.sessions) as session:
        values = {"status": JobStatus.HALTED, "halted_because": code}
        session.execute(update(SettleJob).where(*job.of(SettleJob)).values(values))

    page = biller.says(f"/jobs/{job.job_id}")

    assert codes.describe(code).replace("'", "’") in page
    ways_out = {
        codes.BOOKS_DO_NOT_BALANCE: "After the cause is found, resume the job, or cancel it.",
        "month_closed": "Ask an administrator to reopen the month, then resume the job, or cancel it.",
    }
    assert ways_out.get(code, "After the cause is fixed, resume the job, or cancel it.") in page


def test_a_stalled_job_shows_the_likely_cause(practice: GivenPractice, biller: Browser, clock: Clock) -> None:
    practice.claims(1)
    job = practice.confirmed()
    clock.turn_on(minutes=2)

    shown = biller.says(f"/jobs/{job.job_id}")

    assert "because no worker process is working on this job. Probably none is running. Nothing is lost." in shown
    assert "broker" not in shown, "a worker finds the job without the broker"


def test_a_jobs_page_shows_no_task_and_no_link_to_flower(
    job: JobKey, biller: Browser, practice: GivenPractice, browser_of: Callable[[Actor], Browser]
) -> None:
    page = f"/jobs/{job.job_id}"
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))

    for reader in (biller, admin):
        shown = reader.read(page)
        assert "Chunks" not in shown
        assert "Worker processes" not in shown
        assert not re.search(r"flower|settle\.work|5555", shown, re.IGNORECASE)


def test_the_certificate_says_which_filter_chose_the_claims_also_after_a_second_preview(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claims(3)
    chosen = {"filter": {"billing_status": ["Balance Due"], "total_due_max_cents": 5_000}}
    job = practice.preview({**chosen, "excluded_claim_ids": ["C00003"]})

    biller.post("/jobs", on="/claims", again=str(job.job_id), target_status="Settled", reason="charity")
    again = JobKey(practice.id, job.job_id + 1)
    practice.confirm(again)
    practice.run()

    filter_words = "Billing status Balance Due Total balance: max $50.00"
    assert f"Claims that match 2 filters, except 1 unchecked claim: {filter_words}" in biller.says(
        f"/jobs/{again.job_id}/certificate"
    )
    shown = biller.says(f"/jobs/{again.job_id}")
    assert filter_words in shown
    with practice.sessions() as session:
        certificate = certificates.for_job(session, again)
    assert (certificate.filter, certificate.settled) == (chosen["filter"], 2)


def test_the_certificate_shows_words_and_no_code(job: JobKey, biller: Browser) -> None:
    shown = biller.says(f"/jobs/{job.job_id}/certificate")

    assert "On hold, or excluded from write-offs" in shown
    for code in ("on_hold", "changed_since_preview", "already_settled"):
        assert code not in shown
