"""The pages of closed months, late payments and credits."""

import csv
import io
import re
from collections.abc import Callable

import pytest
from sqlalchemy import update

from core.access.permissions import Actor
from core.db.engine import transaction
from core.jobs.keys import JobKey
from core.models.jobs import AfterPreview, SettleJob
from core.models.people import Role
from core.models.practices import PayerClass
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser


@pytest.fixture
def admin(practice: GivenPractice, browser_of: Callable[[Actor], Browser]) -> Browser:
    return browser_of(practice.person("admin@lakeside.example", Role.ADMIN))


def close(admin: Browser, month: str = "2026-11") -> None:
    assert admin.post(f"/months/{month}/close", on=f"/months/{month}").status_code == 303


def pay(biller: Browser, number: str, dollars: str, *, line: int = 1) -> str:
    answer = biller.post(
        f"/claims/{number}/postings", on=f"/claims/{number}", kind="payment", line=str(line), amount=dollars,
        responsibility="patient", paid_by="patient", idempotency_key=f"{number}{dollars}{line}",
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    return biller.says(f"/claims/{number}")


def test_months_are_listed_closed_with_their_totals_and_reopened_with_a_reason(
    practice: GivenPractice, biller: Browser, admin: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    practice.settle()
    assert "Only an administrator" in biller.says("/months")
    assert "Close November 2026" not in biller.says("/months/2026-11")
    page = admin.says("/months/2026-11")
    assert "Totals that will be locked" in page
    assert "Write-off" in page
    assert "-$100.00" in page

    close(admin)

    assert "November 2026 is closed" in admin.says("/months/2026-11")
    assert re.search(r"November 2026 Closed 1 –|November 2026 Closed 1 ", biller.says("/months"))
    missing = admin.post("/months/2026-11/reopen", on="/months/2026-11", reason=" ")
    assert missing.status_code == 422
    assert "Say why the month is reopened" in missing.text
    assert admin.post("/months/2026-11/reopen", on="/months/2026-11", reason="A late file").status_code == 303
    assert "A late file" in biller.says("/months/2026-11")
    admin.post("/months/2026-11/close", on="/months/2026-11")
    admin.post("/months/2026-11/reopen", on="/months/2026-11", reason="Another")
    said = biller.says("/months/2026-11")
    assert re.search("Reopened: “Another”.*Closed.*Reopened: “A late file”.*Closed", said)
    assert biller.post("/months/2026-11/close", on="/months/2026-11").status_code == 403


def test_a_month_with_an_unfinished_job_shows_which(practice: GivenPractice, admin: Browser) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.preview()
    practice.confirm(job)

    page = admin.says("/months/2026-11")
    refused = admin.post("/months/2026-11/close", on="/settings")

    assert f"Unfinished jobs would post to this month: job {job.job_id} . Let them finish" in page
    assert refused.status_code == 409
    assert "let them end, or cancel them" in refused.text


def test_whoever_closes_a_month_reads_which_nights_and_previews_it_stops(
    practice: GivenPractice, admin: Browser
) -> None:
    assert "will be refused" not in admin.says("/months/2026-11")
    practice.claim("C1", Line(0, 100_00))
    job = practice.preview()
    nightly = {"weekdays": "mon", "local_time": "2:30 AM", "late_minutes": "240", "reason": "small_balance"}
    caps = {"claims_max": "500", "cents_max": "5,000.00"}
    for name in ("Nightly", "Old"):
        made = admin.post("/schedules", on="/schedules/new", name=name, total_due_max="5", **nightly, **caps)
        assert made.status_code == 303
    admin.post(f"{made.location}/pause", on=made.location)
    night = practice.preview(key="of a night that only reports")
    of_schedule = {"schedule_id": int(made.location.rsplit("/", 1)[1]), "schedule_made_by": practice.biller.user_id}
    with transaction(practice.sessions) as session:
        of_night = update(SettleJob).where(SettleJob.id == night.job_id)
        session.execute(of_night.values(after_preview=AfterPreview.REPORT, **of_schedule))

    page = admin.says("/months/2026-11")

    assert "1 schedule still has runs in this month. Those runs will be refused and settle nothing: Nightly ." in page
    assert f"1 preview waits for CONFIRM and needs a new posting date: job {job.job_id} ." in page
    assert "will be refused" not in admin.says("/months/2026-10")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/months/2026-13", 404, "Month not found. Write it as 2026-11."),
        ("/months/november", 404, "Month not found. Write it as 2026-11."),
        ("/late-payments?month=x", 422, "Write the month as YYYY-MM, such as 2026-11."),
        ("/late-payments?after=x", 422, "begin again at the first page"),
        ("/credits?cursor=x", 422, "cursor: use next_cursor of the page before, unchanged"),
    ],
)
def test_what_is_not_there_is_said_in_words(admin: Browser, path: str, status: int, words: str) -> None:
    answer = admin.get(path)

    assert (answer.status_code, words in answer.text) == (status, True)


def test_a_payment_into_a_closed_month_is_a_fault_at_its_date(
    practice: GivenPractice, biller: Browser, admin: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    close(admin, "2026-10")

    refused = biller.post(
        "/claims/C1/postings", on="/claims/C1", kind="payment", line="1", amount="5", responsibility="patient",
        paid_by="patient", idempotency_key="k", posted_on="2026-10-31",
    )  # fmt: skip

    assert refused.status_code == 409
    assert 'id="posted_on-fault"' in refused.text
    assert "October 2026 is closed" in refused.text


def test_a_preview_in_a_closed_month_is_dated_on_the_next_open_date_with_one_click(
    practice: GivenPractice, biller: Browser, admin: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.preview()
    close(admin)
    page = biller.says(f"/jobs/{job.job_id}")
    assert "November 2026 is closed" in page
    assert "Preview it dated 12/01/2026" in page
    assert 'id="confirm-form"' not in biller.read(f"/jobs/{job.job_id}")

    refused = biller.post(f"/jobs/{job.job_id}/date", on=f"/jobs/{job.job_id}", posting_date="2026-12-02")
    assert refused.status_code == 422
    assert "The posting date must be the next open date, 12/01/2026." in refused.text

    clicked = biller.post(f"/jobs/{job.job_id}/date", on=f"/jobs/{job.job_id}", posting_date="2026-12-01")

    assert clicked.status_code == 303
    new = JobKey(practice.id, int(clicked.headers["Location"].rsplit("/", 1)[1]))
    assert "Posting date 12/01/2026" in biller.says(f"/jobs/{new.job_id}")
    assert biller.status_of(job) == "Discarded"
    practice.confirm(new)
    practice.run()
    assert practice.read("C1").billing_status == "Settled"
    assert practice.violations() == []


def test_the_reason_step_offers_the_next_open_date(practice: GivenPractice, biller: Browser, admin: Browser) -> None:
    practice.claim("C1", Line(0, 100_00))
    close(admin)
    form = {"target_status": "Settled", "scope": "chosen", "claim_id": "C1", "reason": "small_balance"}

    refused = biller.post("/jobs", on="/claims", **form)
    assert refused.status_code == 409
    assert "November 2026 is closed: nothing can be posted into it. The next open date is 12/01/2026;" in refused.text
    assert "Preview, dated 12/01/2026" in refused.text
    other = biller.post("/jobs", on="/claims", posting_date="2026-11-24", **form)
    assert (other.status_code, "must be the next open date, 12/01/2026." in other.text) == (422, True)
    dated = biller.post("/jobs", on="/claims", posting_date="2026-12-01", **form)

    assert dated.status_code == 303


def test_the_reversal_step_offers_the_next_open_date(practice: GivenPractice, admin: Browser) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.settle()
    close(admin)
    path = f"/jobs/{job.job_id}/reverse"

    refused = admin.post(path, on=path, note="Wrong list", idempotency_key="k")
    other = admin.post(path, on=path, note="Wrong list", idempotency_key="k", posting_date="2026-12-02")
    dated = admin.post(path, on=path, note="Wrong list", idempotency_key="k", posting_date="2026-12-01")

    assert refused.status_code == 409
    assert "Preview, dated 12/01/2026" in refused.text
    assert (other.status_code, "must be the next open date, 12/01/2026." in other.text) == (422, True)
    assert dated.status_code == 303


def test_a_late_payment_is_told_at_once_on_the_claim_in_the_certificate_and_by_month(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.settle(note="Not worth a stamp")

    said = pay(biller, "C1", "40")

    assert f"It took back $40.00 of the write-off of job {job.job_id}." in said
    assert re.search(rf"It reversed \$40.00 of the write-off of job {job.job_id}", said)
    assert "write-off reversed: payment received after write-off" in said
    assert "remainder after the payment, re-posted “Not worth a stamp”" in said
    assert said.count("“Not worth a stamp”") == 2, "of the write-off and of what is left, and not of what took it back"
    assert biller.links("/claims/C1").count(f"/jobs/{job.job_id}") == 4, "three postings and the payment's sentence"
    certificate = biller.says(f"/jobs/{job.job_id}/certificate")
    assert "Recovered by 1 late payment $40.00 Still written off $60.00" in certificate
    months = biller.says("/late-payments")
    assert "November 2026 1 $100.00 $60.00 $0.00 $40.00 $40.00" in months
    assert "C1" in biller.says("/late-payments?month=2026-11")
    assert "No write-off was reversed or restored in this month" in biller.says("/late-payments?month=2026-10")
    assert "$30.00 is too much there now: a credit." in pay(biller, "C1", "90")


def test_a_refunded_payment_is_shown_as_a_restored_write_off(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.settle()
    practice.pay("C1", 40_00)
    practice.pay("C1", -10_00)

    said = biller.says("/late-payments?month=2026-11")

    assert "November 2026 1 $100.00 $70.00 $0.00 $30.00 $30.00" in said
    restored = f"refund or reversal, write-off restored $0.00 $10.00 -$10.00 {job.job_id} import"
    assert "C1 1 Patient -$10.00" in said
    assert restored in said
    assert f"payment, write-off reversed $100.00 $60.00 $40.00 {job.job_id} import" in said


def test_a_payment_on_another_line_says_where_it_was_written_off(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(0, 100_00), Line(0, 0))
    practice.settle()

    said = pay(biller, "C1", "10", line=2)

    assert "nothing was taken back; it is on line 1 (patient, $100.00)." in said
    assert "$10.00 is too much there now: a credit." in said


def test_credits_are_a_work_list_with_a_filter_and_a_file(practice: GivenPractice, biller: Browser) -> None:
    medicare = practice.payer("=MEDICARE", PayerClass.MEDICARE)
    practice.claim("C1", Line(-10_00, 0), Line(50_00, -5_00), primary_payer_id=medicare)
    practice.claim("C2", Line(-2_00, 0))
    practice.claim("C3", Line(5_00, 5_00))

    page = biller.says("/credits")
    assert "3 lines on 2 claims" in page
    assert "insurance $12.00 · patient $5.00" in page
    assert page.count("01/22/2027") == 1, (
        "60 days from 11/23/2026, of what Medicare paid and not of the patient's money"
    )
    assert "1 line on 1 claim" in biller.says("/credits?responsibility=patient")
    assert "2 lines on 1 claim" in biller.says("/credits?payer_class=medicare")
    assert "1 line on 1 claim" in biller.says("/credits?at_least=9.99")
    assert "No credit matches" in biller.says("/credits?at_least=1000")
    fault = biller.get("/credits?at_least=abc")
    assert (fault.status_code, 'id="at_least-fault"' in fault.text, 'value="abc"' in fault.text) == (422, True, True)

    file = biller.get("/credits/credits.csv?payer_class=medicare")
    rows = list(csv.reader(io.StringIO(file.data.decode("utf-8-sig"))))
    assert [row[0] for row in rows] == ["Claim ID", "C1", "C1"]
    assert (rows[1][6], rows[1][8], rows[2][6], rows[2][7]) == ("10.00", "'=MEDICARE", "5.00", "-5.00")
    assert "There are no credits" not in page


def test_without_credits_and_late_payments_the_lists_say_so(practice: GivenPractice, biller: Browser) -> None:
    assert "There are no credits" in biller.says("/credits")
    assert "No payment has been posted after a write-off yet" in biller.says("/late-payments")
