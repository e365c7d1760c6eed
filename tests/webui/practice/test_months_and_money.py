"""The pages of month-end close, payments after write-off, and credits."""

import csv
import io
import re
from html import unescape

import pytest
from sqlalchemy import update

from core.db.engine import transaction
from core.enums.jobs import NextStep
from core.enums.practices import PayerClass
from core.jobs.keys import JobKey
from core.models.jobs import SettleJob
from tests.factories import GivenPractice, Line
from tests.webui.conftest import Browser, page_text

_POSTINGS = re.compile(r'href="(/months/2026-11/postings[^"]+)"\s+aria-label="([^",]+),')


def close(admin: Browser, month: str = "2026-11") -> None:
    assert admin.post(f"/months/{month}/close", on=f"/months/{month}", understood="true").status_code == 303


def pay(biller: Browser, number: str, dollars: str, *, line: int = 1) -> str:
    answer = biller.post(
        f"/claims/{number}/postings", on=f"/claims/{number}", kind="payment", line=str(line), amount=dollars,
        responsibility="patient", paid_by="patient", idempotency_key=f"{number}{dollars}{line}",
        accept_credit=f"{line} patient {dollars}",
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    return biller.says(f"/claims/{number}")


def test_an_administrator_closes_a_month_with_its_totals_and_reopens_it_with_a_reason(
    practice: GivenPractice, biller: Browser, admin: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    practice.settle()
    listed = biller.says("/months")
    assert "Only an administrator" in listed
    assert re.search(r"November 2026 Open 1 \$0.00 \$0.00 \$0.00 \$0.00 -\$100.00 \$0.00 \$0.00", listed)
    assert "Close November 2026" not in biller.says("/months/2026-11")
    page = admin.says("/months/2026-11")
    assert "Totals that will be locked" in page
    assert "Write-off" in page
    assert "-$100.00" in page

    close(admin)

    closed = admin.says("/months/2026-11")
    assert "November 2026 is closed" in closed
    assert closed.count("ingerprint") == 2, "of the postings now, and in the history"
    for_biller = biller.says("/months/2026-11")
    assert "Closed 1 $0.00" in for_biller
    assert "ingerprint" not in for_biller + biller.says("/months/2026-10")
    assert "settle verify" not in biller.says("/months/2026-10") + admin.says("/months/2026-10"), "operations run it"
    assert re.search(r"November 2026 Closed 1 –|November 2026 Closed 1 ", biller.says("/months"))
    missing = admin.post("/months/2026-11/reopen", on="/months/2026-11", reason=" ")
    assert missing.status_code == 422
    assert "Enter a reason of at most 500 characters for reopening the month." in page_text(missing)
    assert admin.post("/months/2026-11/reopen", on="/months/2026-11", reason="A late file").status_code == 303
    assert "A late file" in biller.says("/months/2026-11")
    close(admin)
    admin.post("/months/2026-11/reopen", on="/months/2026-11", reason="Another")
    shown = biller.says("/months/2026-11")
    assert re.search("Reopened: “Another”.*Closed.*Reopened: “A late file”.*Closed", shown)
    assert biller.post("/months/2026-11/close", on="/months/2026-11").status_code == 403


def test_a_month_with_an_unfinished_job_names_it_and_cannot_be_closed(practice: GivenPractice, admin: Browser) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.confirmed()

    page = admin.says("/months/2026-11")
    refused = admin.post("/months/2026-11/close", on="/settings", understood="true")

    assert f"An unfinished job would post to this month: job {job.job_id} . Let it finish" in page
    assert refused.status_code == 409
    assert f"Unfinished job {job.job_id} would post to November 2026. Let it finish, or cancel it." in page_text(
        refused
    )


def test_closing_a_month_asks_first_and_says_how_many_earlier_months_are_open(
    practice: GivenPractice, admin: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))  # served on 05/07/2026
    close(admin, "2026-06")

    page = admin.says("/months/2026-11")
    unconfirmed = admin.post("/months/2026-11/close", on="/months/2026-11")

    assert (
        "5 earlier months are still open: May 2026, July 2026 to October 2026. Closing November 2026 does not close "
        "them." in page
    )
    assert "Close November 2026. Nothing can be posted to it afterward, and 5 earlier months stay open." in page
    assert unconfirmed.status_code == 422
    assert "Check the box to confirm that you want to close November 2026." in page_text(unconfirmed)
    assert "November 2026 Open" in admin.says("/months")
    first = admin.says("/months/2026-05")
    assert "Close May 2026. Nothing can be posted to it afterward." in first
    assert "still open" not in first


def test_month_end_close_lists_the_scheduled_runs_and_previews_that_it_blocks(
    practice: GivenPractice, admin: Browser
) -> None:
    assert "will be refused" not in admin.says("/months/2026-11")
    practice.claim("C1", Line(0, 100_00))
    job = practice.preview()
    timing = {"weekdays": "mon", "local_time": "2:30 AM", "late_minutes": "240", "reason": "small_balance"}
    caps = {"claims_max": "500", "cents_max": "5,000.00"}
    for name in ("Nightly", "Old"):
        created = admin.post("/schedules", on="/schedules/new", name=name, total_due_max="5", **timing, **caps)
        assert created.status_code == 303
    admin.post(f"{created.location}/pause", on=created.location)
    scheduled = practice.preview(key="of a run that only reports")
    schedule_id = int(created.location.rsplit("/", 1)[1])
    of_schedule = {"schedule_id": schedule_id, "schedule_created_by": practice.biller.user_id}
    with transaction(practice.sessions) as session:
        of_scheduled = update(SettleJob).where(SettleJob.id == scheduled.job_id)
        session.execute(of_scheduled.values(next_step=NextStep.REPORT, **of_schedule))

    page = admin.says("/months/2026-11")

    assert "1 schedule still has runs in this month: Nightly . Those runs will settle nothing." in page
    assert (
        f"After the close, 1 preview can no longer be confirmed with a posting date in this month: job {job.job_id} ."
        in page
    )
    assert "will be refused" not in admin.says("/months/2026-10")


def test_a_month_shows_net_write_offs_by_reason_and_user_and_voided_postings_apart(
    practice: GivenPractice, biller: Browser, admin: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    practice.claim("C2", Line(0, 50_00))
    practice.settle({"claim_ids": ["C1"]}, reason="charity")
    pay(biller, "C1", "40")
    pay(biller, "C2", "50")
    voiding = next(link for link in biller.links("/claims/C2") if link.endswith("/void"))
    voided = biller.post(voiding, on=voiding, note="Mistyped", idempotency_key="void")
    assert voided.status_code == 303, voided.text

    shown = biller.says("/months/2026-11")

    for name in ("Charity Patient", "Total Both", "biller Patient"):
        assert f"{name} 1 $100.00 0 $0.00 $40.00 $60.00" in shown
    assert "write-offs of $160.00 are $100.00 by jobs and $60.00 posted again after later postings" in shown
    assert "Reversed write-offs of $100.00 are $0.00 by jobs and $100.00 by later postings" in shown
    assert "$100.00 less $60.00 is the $40.00 recovered or adjusted later" in shown
    assert "Reversed write-offs – – 1 $100.00" in shown
    assert "Voided postings – – 1 $50.00" in shown
    assert "Reversal –" not in shown
    links = dict.fromkeys(_POSTINGS.findall(biller.get("/months/2026-11").text))
    assert len(links) >= 10
    for href, cents in links:
        listed = biller.says(unescape(href))
        assert cents.removeprefix("-") in listed.partition("Amounts are as in the ledger")[0], href
    assert "1 posting, $50.00" in biller.says("/months/2026-11/postings?kind=voided")
    assert biller.get("/months/2026-11/postings?kind=x").status_code == 404
    close(admin)
    assert "$100.00 $50.00 11/23/2026" in biller.says("/months"), "reversed write-offs and voided postings"
    assert re.search(r"Closed \d+ (-?\$\d+\.00 )+\$100.00 \$50.00", biller.says("/months/2026-11"))
    assert "Voided postings – – 1 $50.00" in biller.says("/months/2026-11"), "closed months are split too"
    assert "No write-offs are dated in this month." in biller.says("/months/2026-10")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/months/2026-13", 404, "Month not found. Write it as 2026-11."),
        ("/months/november", 404, "Month not found. Write it as 2026-11."),
        ("/late-payments?month=x", 422, "Write the month as YYYY-MM, such as 2026-11."),
        ("/late-payments?after=x", 422, "This cursor is not valid. Start over from the first page."),
        ("/credits?cursor=x", 422, "cursor: use next_cursor from the previous page, unchanged"),
    ],
)
def test_an_invalid_month_or_cursor_is_refused_in_words(admin: Browser, path: str, status: int, words: str) -> None:
    answer = admin.get(path)

    assert (answer.status_code, words in answer.text) == (status, True)


def test_a_payment_dated_in_a_closed_month_shows_an_error_at_its_date(
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


def test_a_preview_in_a_closed_month_moves_to_the_next_open_date_with_one_click(
    practice: GivenPractice, biller: Browser, admin: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.preview()
    close(admin)
    page = biller.says(f"/jobs/{job.job_id}")
    assert "November 2026 is closed" in page
    assert "Preview with posting date 12/01/2026" in page
    assert 'id="confirm-form"' not in biller.read(f"/jobs/{job.job_id}")

    refused = biller.post(f"/jobs/{job.job_id}/date", on=f"/jobs/{job.job_id}", posting_date="2026-12-02")
    assert refused.status_code == 422
    assert "The posting date 12/02/2026 is in the future. The latest is 12/01/2026." in refused.text

    clicked = biller.post(f"/jobs/{job.job_id}/date", on=f"/jobs/{job.job_id}", posting_date="2026-12-01")

    assert clicked.status_code == 303
    new = JobKey(practice.id, int(clicked.headers["Location"].rsplit("/", 1)[1]))
    assert "Posting date 12/01/2026" in biller.says(f"/jobs/{new.job_id}")
    assert biller.status_of(job) == "Discarded"
    practice.confirm(new)
    practice.run()
    assert practice.read("C1").billing_status == "Settled"
    assert practice.violations() == []


def test_the_posting_date_is_chosen_with_the_reason_and_changed_before_confirm(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    form = {"target_status": "Settled", "scope": "chosen", "claim_id": "C1", "reason": "small_balance"}
    assert 'name="posting_date"' in biller.post("/jobs", on="/claims", **{**form, "reason": "?"}).text

    page = biller.post("/jobs", on="/claims", posting_date="2026-10-31", **form).location
    assert "Posting date 10/31/2026" in biller.says(page)
    nothing = biller.post(f"{page}/date", on=page, posting_date="")
    bad_date = "Enter a valid posting date as MM/DD/YYYY: a day in an open month, up to today."
    assert (nothing.status_code, bad_date in page_text(nothing)) == (422, True)
    typed = biller.post("/jobs", on="/claims", posting_date="2026-11-99", **form)
    assert (typed.status_code, bad_date in page_text(typed)) == (422, True)
    assert 'id="posting_date-fault"' in typed.text
    assert "Preview with posting date" not in page_text(typed), "a date that the user typed is not offered"
    changed = biller.post(f"{page}/date", on=page, posting_date="2026-10-30").location
    assert "Posting date 10/30/2026" in biller.says(changed)
    again = biller.post(f"{changed}/again", on=changed)
    assert 'value="2026-10-30"' in again.text, "a changed reason keeps the date"


def test_choosing_a_reason_in_a_closed_month_offers_the_next_open_date(
    practice: GivenPractice, biller: Browser, admin: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    close(admin)
    form = {"target_status": "Settled", "scope": "chosen", "claim_id": "C1", "reason": "small_balance"}

    refused = biller.post("/jobs", on="/claims", **form)
    assert refused.status_code == 409
    assert "November 2026 is closed to new postings. The next open date is 12/01/2026." in page_text(refused)
    assert "Preview with posting date 12/01/2026" in page_text(refused)
    other = biller.post("/jobs", on="/claims", posting_date="2026-11-24", **form)
    assert (other.status_code, "is in the future. The latest is 12/01/2026." in other.text) == (422, True)
    dated = biller.post("/jobs", on="/claims", posting_date="2026-12-01", **form)

    assert dated.status_code == 303


def test_a_reversal_in_a_closed_month_offers_the_next_open_date(practice: GivenPractice, admin: Browser) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.settle()
    close(admin)
    path = f"/jobs/{job.job_id}/reverse"

    refused = admin.post(path, on=path, note="Wrong list", idempotency_key="k")
    other = admin.post(path, on=path, note="Wrong list", idempotency_key="k", posting_date="2026-12-02")
    dated = admin.post(path, on=path, note="Wrong list", idempotency_key="k", posting_date="2026-12-01")

    assert refused.status_code == 409
    assert "Preview with posting date 12/01/2026" in page_text(refused)
    assert (other.status_code, "is in the future. The latest is 12/01/2026." in other.text) == (422, True)
    assert dated.status_code == 303


def test_a_payment_after_write_off_is_shown_on_the_claim_in_the_certificate_and_by_month(
    practice: GivenPractice, biller: Browser
) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.settle(note="Not worth a stamp")

    shown = pay(biller, "C1", "40")

    assert f"Payment of $40.00 posted to line 1. It reversed $40.00 of the write-off from job {job.job_id}." in shown
    assert shown.count(f"It reversed $40.00 of the write-off from job {job.job_id}") == 2, (
        "in the message and in the ledger"
    )
    assert "write-off reversed: payment received after write-off" in shown
    assert "remainder after the payment, re-posted “Not worth a stamp”" in shown
    assert shown.count("“Not worth a stamp”") == 2, "on the write-off and the re-posted remainder, not on the reversal"
    assert biller.links("/claims/C1").count(f"/jobs/{job.job_id}") == 5, (
        "in the claim's jobs, on three postings and in the payment's sentence"
    )
    certificate = biller.says(f"/jobs/{job.job_id}/certificate")
    assert "Recovered by 1 payment after write-off $40.00 Still written off $60.00" in certificate
    months = biller.says("/late-payments")
    assert "November 2026 1 $100.00 $60.00 $0.00 $40.00 $40.00" in months
    assert "C1" in biller.says("/late-payments?month=2026-11")
    assert "No write-off was reversed or restored in this month" in biller.says("/late-payments?month=2026-10")
    assert "The line now has a credit balance of $30.00." in pay(biller, "C1", "90")


def test_a_refunded_payment_is_shown_as_a_restored_write_off(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.settle()
    practice.pay("C1", 40_00)
    practice.pay("C1", -10_00)

    shown = biller.says("/late-payments?month=2026-11")

    assert "November 2026 1 $100.00 $70.00 $0.00 $30.00 $30.00" in shown
    restored = f"Refund, takeback or void: write-off restored $0.00 $10.00 -$10.00 {job.job_id} import"
    assert "C1 1 Patient -$10.00" in shown
    assert restored in shown
    assert f"Payment: write-off reversed $100.00 $60.00 $40.00 {job.job_id} import" in shown


def test_a_payment_on_another_line_shows_which_line_has_the_write_off(practice: GivenPractice, biller: Browser) -> None:
    practice.claim("C1", Line(0, 100_00), Line(0, 0))
    practice.settle()

    shown = pay(biller, "C1", "10", line=2)

    assert (
        "because this line has none for this responsibility. Write-offs on this claim: line 1 (patient, $100.00)."
        in shown
    )
    assert "The line now has a credit balance of $10.00." in shown


def test_credits_are_a_work_list_with_filters_and_a_csv_file(practice: GivenPractice, biller: Browser) -> None:
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
    assert "No credits match" in biller.says("/credits?at_least=1000")
    fault = biller.get("/credits?at_least=abc")
    assert (fault.status_code, 'id="at_least-fault"' in fault.text, 'value="abc"' in fault.text) == (422, True, True)

    file = biller.get("/credits/credits.csv?payer_class=medicare")
    rows = list(csv.reader(io.StringIO(file.data.decode("utf-8-sig"))))
    assert [row[0] for row in rows] == ["Claim ID", "C1", "C1", "Total"]
    assert rows[3][6:8] == ["15.00", ""]
    assert (rows[1][6], rows[1][8], rows[2][6], rows[2][7]) == ("10.00", "'=MEDICARE", "5.00", "-5.00")
    assert "No service line has a credit balance" not in page


def test_empty_lists_of_credits_and_payments_after_write_off_show_that_they_are_empty(
    practice: GivenPractice, biller: Browser
) -> None:
    assert "No service line has a credit balance" in biller.says("/credits")
    assert "No payment has been posted after a write-off yet" in biller.says("/late-payments")
