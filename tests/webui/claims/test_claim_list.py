"""Claim numbers that a biller pastes or uploads, from the page to the job."""

import csv
import io
import json
import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from core.db.engine import Sessions
from core.enums.claims import Hold
from core.jobs.keys import JobKey
from core.jobs.preview.job_request import CLAIM_NUMBERS_MAX
from core.models.jobs import SettleJob
from core.policy.rules import RULES_BY_CODE
from tests.factories import GivenPractice, Line, a_practice
from tests.webui.conftest import Browser, page_text

PAGE = "/feed/claim-numbers"
OWES = Line(1_000, 500)


@pytest.fixture
def listed(practice: GivenPractice) -> GivenPractice:
    """A practice with claims that lists name well or badly."""
    for number in ("00101", "102", "C-7", "X", "x"):
        practice.claim(number, OWES)
    practice.claim("held", OWES, hold=Hold.LEGAL)
    practice.claim("done", billing_status="Settled")
    return practice


def paste(browser: Browser, text: str, **fields: Any) -> TestResponse:
    return browser.post(PAGE, on=PAGE, numbers=text, **fields)


def ids_of(answer: TestResponse) -> list[str]:
    """Return the numbers that the page will send."""
    found = re.search(r'name="claim_ids" value="([^"]*)"', answer.text)
    assert found
    numbers: list[str] = json.loads(found[1].replace("&#34;", '"'))
    return numbers


def test_the_feed_leads_to_the_page(listed: GivenPractice, biller: Browser) -> None:
    assert PAGE in biller.links("/claims")
    assert "Enter one number per line" in biller.says(PAGE)


def test_the_page_says_what_was_found_and_what_was_not(
    listed: GivenPractice, biller: Browser, sessions: Sessions
) -> None:
    a_practice(sessions, name="Harbor").claim("H1", OWES)

    page = page_text(paste(biller, "Claim #\n102\n102\nheld\ndone\nH1\n999\n101\nc-7"))

    assert "3 of 7 claim numbers found" in page
    assert "Numbers read 8 Repeated, counted once 1 Claims found 3 Not found 4" in page
    assert "insurance $20.00 · patient $10.00 · total $30.00" in page
    assert "Balance Due 2 Settled 1" in page
    assert "2 claims can’t be settled now" in page
    for code, number in (("on_hold", "held"), ("already_settled", "done")):
        assert f"{RULES_BY_CODE[code].sentence} 1 {number}" in page
    assert "4 numbers not found" in page
    assert "2 numbers each match one claim except for leading zeros" in page
    for number in ("H1", "999", "101 00101", "c-7 C-7"):
        assert f" {number} " in f"{page} "
    assert "Use Your list Similar claim 101 00101" in page

    unlike = page_text(paste(biller, "H1, 999"))
    assert "Your list H1 999" in unlike, "no column is empty"


def test_a_similar_claim_is_taken_only_if_the_biller_checks_it(listed: GivenPractice, biller: Browser) -> None:
    first = paste(biller, "101, c-7, 999")
    assert (ids_of(first), "None of these numbers matches a claim" in first.text) == (["101", "c-7", "999"], True)

    sent = {"claim_ids": json.dumps(ids_of(first)), "read": "3"}
    none = biller.post(PAGE, on=PAGE, use_checked="1", **sent)
    one = biller.post(PAGE, on=PAGE, use_checked="1", use="101", **sent)
    both = biller.post(PAGE, on=PAGE, use_all="1", **sent)

    assert (ids_of(none), "Check at least one number first." in none.text) == (ids_of(first), True)
    assert "Replaced 1 number with the similar claim number." in page_text(one)
    assert ids_of(one) == ["00101", "c-7", "999"]
    assert ids_of(both) == ["00101", "C-7", "999"]
    assert "2 of 3 claim numbers found" in page_text(both)


def test_two_similar_claims_are_named_and_cannot_be_taken(listed: GivenPractice, biller: Browser) -> None:
    listed.claim("0X", OWES)

    page = paste(biller, "00x")

    assert "More than one claim: 0X , X , x" in page_text(page)
    assert 'name="use"' not in page.text
    assert ids_of(biller.post(PAGE, on=PAGE, use_all="1", claim_ids='["00x"]')) == ["00x"]


def test_a_file_is_read_like_pasted_text(listed: GivenPractice, biller: Browser) -> None:
    content = b"Claim #,Patient\r\n00101,Ann\r\n102,Lee\r\n"

    page = paste(biller, "", file=(io.BytesIO(content), "list.csv"))

    assert "2 of 2 claim numbers found" in page_text(page)
    assert ids_of(page) == ["00101", "102"]


@pytest.mark.parametrize(
    ("text", "file", "field", "words"),
    [
        ("", None, "numbers", "The list contains no claim numbers."),
        ("1\t2\n3\t4", None, "numbers", "The list has 2 columns, and no heading says which one"),
        ("", b"%PDF-1.7", "file", "list.pdf, line 1: this is a PDF"),
        ("101", b"102", "numbers", "Remove either the pasted numbers or the file."),
    ],
)
def test_a_list_that_cannot_be_read_marks_its_field_and_keeps_the_text(
    listed: GivenPractice, biller: Browser, text: str, file: bytes | None, field: str, words: str
) -> None:
    fields = {"file": (io.BytesIO(file), "list.pdf")} if file else {}

    answer = paste(biller, text, **fields)

    assert answer.status_code == 422
    assert words in page_text(answer)
    assert f'id="{field}-fault"' in answer.text
    assert f"{text}</textarea>" in answer.text.replace("\r", "")


def test_the_list_can_be_changed(listed: GivenPractice, biller: Browser) -> None:
    page = biller.post(PAGE, on=PAGE, edit="1", claim_ids='["102", "999"]')

    assert "102\n999</textarea>" in page.text


def test_our_own_files_can_be_pasted_or_uploaded_back(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    practice.claim("HELD", Line(1_000, 500), hold="hold")
    practice.claim("CREDIT", Line(-700, 0))
    job = practice.settle().job_id
    files = (f"/jobs/{job}/files/settled", f"/jobs/{job}/files/not-settled", "/feed/export", "/credits/credits")
    addresses = [f"{file}.{form}" for file in files for form in ("csv", "xlsx")]
    addresses += [f"/write-offs/download?job={job}&form={form}" for form in ("csv", "xlsx")]

    for address in addresses:
        content = biller.load(address).data
        name = "file.xlsx" if content.startswith(b"PK") else "file.csv"
        answer = biller.post(PAGE, on=PAGE, file=(io.BytesIO(content), name))
        assert "not found" not in page_text(answer).replace("Not found 0", ""), address
        assert set(ids_of(answer)) <= {"C00001", "C00002", "HELD", "CREDIT"}, address
    assert ids_of(paste(biller, "Claim ID\nC00001\nHELD\nTotal\n")) == ["C00001", "HELD"], "a column with its total"


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_the_numbers_not_found_can_be_downloaded(listed: GivenPractice, biller: Browser, form: str) -> None:
    answer = biller.post(f"{PAGE}/not-found.{form}", on=PAGE, claim_ids='["102", "101", "=1+1", "1.8E+17"]')

    assert re.search(rf'filename="claim-numbers-not-found-[\d-]+\.{form}"', answer.headers["Content-Disposition"])
    if form == "csv":
        rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
        assert rows[0] == ["Not found", "Did you mean", "Note"]
        assert [row[:2] for row in rows[1:]] == [["101", "00101"], ["'=1+1", ""], ["1.8E+17", ""]]
        assert "scientific notation" in rows[3][2]


def test_the_found_claims_are_settled_through_the_same_preview(listed: GivenPractice, biller: Browser) -> None:
    chosen = {"scope": "list", "claim_ids": '["00101", "102", "held", "999"]', "target_status": "Settled"}
    step = biller.post("/jobs", on=PAGE, **chosen)
    assert "Batch status change of 3 claims to Settled" in page_text(step)
    key = re.search(r'name="idempotency_key" value="([^"]+)"', step.text)
    assert key
    filled = {**chosen, "reason": "small_balance", "note": "From May's report", "idempotency_key": key[1]}

    first, again = (biller.post("/jobs", on=PAGE, **filled) for _ in range(2))

    assert first.status_code == 303
    assert again.location == first.location
    job = JobKey(listed.id, int(first.location.rpartition("/")[2]))
    assert listed.read_job(job).selection == {"claim_numbers": 4, "not_found": ["999"]}
    assert "Selected by 4 claim numbers from a list, 1 not found." in biller.says(first.location)
    assert biller.post(f"{first.location}/confirm", on=first.location, confirmation="CONFIRM").status_code == 303
    listed.run()
    assert listed.counts(job) == {"settled": 2, "skipped": 1, "failed": 0, "remaining": 0}
    assert "Selection 4 claim numbers from a list, 1 not found, frozen" in biller.says(first.location)
    assert "Selection 4 claim numbers from a list, 1 not found" in biller.says(f"{first.location}/certificate")
    assert listed.violations() == []


def test_a_second_preview_still_names_the_list(listed: GivenPractice, biller: Browser) -> None:
    first = listed.preview({"claim_numbers": ["102", "00101", "999"]})

    sent = biller.post("/jobs", on="/claims", again=first.job_id, target_status="Settled", reason="small_balance")

    assert sent.status_code == 303
    with listed.sessions() as session:
        newest = session.query(SettleJob).order_by(SettleJob.id.desc()).first()
    assert newest is not None
    assert newest.id > first.job_id
    assert newest.selection == {"claim_numbers": 2, "origin": {"claim_numbers": 3, "not_found": ["999"]}}


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/not-found.csv", "/feed/selection"])
@pytest.mark.parametrize("numbers", ['["\\u0000"]', '["\\ud800"]', "[7]", "7", ""])
def test_a_selection_that_no_page_sends_is_refused(biller: Browser, path: str, numbers: str) -> None:
    answer = biller.post(path, on=PAGE, claim_ids=numbers or "{", scope="list")

    assert answer.status_code == 422
    assert "The selection could not be read." in page_text(answer)


def test_a_list_without_a_claim_starts_nothing(listed: GivenPractice, biller: Browser) -> None:
    sent = {"scope": "list", "claim_ids": '["999"]', "target_status": "Settled", "reason": "small_balance"}

    answer = biller.post("/jobs", on=PAGE, **sent)

    assert answer.status_code == 422
    assert "None of these claim numbers was found" in page_text(answer)


def test_the_largest_list_is_checked_in_one_request(listed: GivenPractice, biller: Browser) -> None:
    page = paste(biller, "\n".join(map(str, range(CLAIM_NUMBERS_MAX))))

    assert "1 of 100,000 claim numbers found" in page_text(page)
    assert page.text.count("<tr>") < 220
    assert "The downloads contain all 99,999." in page_text(page)


def test_cancel_on_each_step_returns_to_the_list_with_all_its_numbers(practice: GivenPractice, biller: Browser) -> None:
    practice.claims(2)
    numbers = ["C00001", "C00002", "Z9"]
    listed = {"scope": "list", "claim_ids": json.dumps(numbers), "target_status": "Settled"}

    reason = biller.post("/jobs", on="/claims", **listed).text
    assert re.search(r'formaction="/feed/claim-numbers">Cancel</button>', reason)
    back = biller.post("/feed/claim-numbers", on="/claims", **listed)
    assert "2 of 3 claim numbers found" in page_text(back)

    job = biller.post("/jobs", on="/claims", **listed, reason="small_balance").location
    again = biller.post(f"{job}/again", on=job).text
    assert f'href="/feed/claim-numbers?job={job.rsplit("/", 1)[1]}"' in again
    assert 'name="to_list"' in biller.read(job)
    canceled = biller.post(f"{job}/discard", on=job, to_list="1")
    shown = biller.says(canceled.location)
    assert "2 of 3 claim numbers found" in shown
    assert "Z9" in shown
    assert "Z9" not in canceled.location
