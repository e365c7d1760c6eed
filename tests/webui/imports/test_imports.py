"""The Import page: upload with and without JavaScript, read the check, compare the total, import or discard."""

import datetime as dt
import io
import re

import pytest
from werkzeug.test import TestResponse

from core.books import closing
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from tests.remittances import clp, svc
from tests.uploads import Uploads, zipped
from tests.webui.conftest import _TOKEN, Browser, Clock, page_text
from tests.x12_files import (
    PLAIN,
    acknowledgment,
    claim_loop,
    interchange,
    remittance,
    sent_file,
    whole_remittance,
)
from webui.shared.body_limits import BODY_BYTES_MAX

ANSWER = clp("B1", "60", "40", svc("60", "40", "CO*45*10", "PR*2*10", code="HC:99211:25"), patient="10")
PAID = PLAIN.write(interchange([remittance([ANSWER], paid="40")])).encode()


def send(browser: Browser, files: dict[str, bytes], key: str = "key", **fields: str) -> TestResponse:
    """Send the form as a browser without JavaScript does."""
    streams = [(io.BytesIO(content), name) for name, content in files.items()]
    return browser.post("/imports", on="/imports", files=streams, idempotency_key=key, **fields)


def test_a_form_uploads_files_that_a_worker_checks_and_imports(biller: Browser, uploads: Uploads) -> None:
    sent = send(biller, uploads.files, expected_total="$232.50")
    assert (sent.status_code, sent.location) == (303, "/imports/1")
    assert "Waiting to be checked" in biller.says("/imports/1")
    uploads.work()

    page = biller.says("/imports/1")
    assert "Recognized as Batch Settle CSV files" in page
    assert "Charges 2 $" in page
    assert "As expected" in page
    assert "Dates of service: 03/04/2025 to 03/04/2025. Posting dates: 03/04/2025 to 04/02/2025." in page
    assert "Insurance payments 1 $88.00 1 $88.00 from Ins 1 1 $88.00 1 $88.00 from Ins 2 0 $0.00" in page
    assert biller.read("/imports/1").count('class="part"') == 2, "indented under their total"
    assert "184146026" in page

    assert biller.post("/imports/1/confirm", on="/imports/1").location == "/imports/1"
    uploads.work()
    assert "2 claims imported." in biller.says("/imports/1")
    assert "Imported" in biller.says("/imports")


def check(uploads: Uploads, browser: Browser, files: dict[str, bytes], key: str = "key") -> None:
    """Upload the files and check them."""
    send(browser, files, key)
    uploads.work()


def confirm(browser: Browser, uploads: Uploads, import_id: int) -> None:
    """Import what the check showed."""
    browser.post(f"/imports/{import_id}/confirm", on=f"/imports/{import_id}")
    uploads.work()


def test_x12_claims_are_recognized_by_their_content_and_imported_once(biller: Browser, uploads: Uploads) -> None:
    wrong = [segment.replace("CLM*A2*100*", "CLM*A2*100.01*") for segment in claim_loop("A2")]
    content = PLAIN.write(sent_file(claim_loop(dependent="PAT"), wrong, claim_loop("A3", frequency="8"))).encode()
    check(uploads, biller, {"sent.csv": content})

    page = biller.says("/imports/1")
    for words in (
        "Recognized as X12 files",
        # The void's charge does not count.
        "sent.csv 837P professional claims 000000001 01/05/2026 3 $200.01 Read, 2 claims left out A2 : sent.csv,",
        "A3 : sent.csv, segment 49, CLM01: the claim replaces or voids a claim that is found neither",
        "First claims",
        "Not imported: 1 claim (A2). sent.csv, segment 34, CLM02: the claim’s charge differs",
    ):
        assert words in page
    assert [one.partition(",the claim")[0] for one in biller.load("/imports/1/errors.csv").text.splitlines()[1:]] == [
        'sent.csv,,,A2,"segment 34, CLM02, claim $100.01, lines $100.00"', 'sent.csv,,,A3,"segment 49, CLM01"'
    ]  # fmt: skip
    confirm(biller, uploads, 1)
    assert "1 claim imported." in biller.says("/imports/1")
    check(uploads, biller, {"again.zip": zipped({"a.837": content, "b.txt": content})}, key="again")
    assert "No new rows. Not imported: 2 claims (A2). a.837, segment 34, CLM02" in biller.says("/imports/2")
    assert "2 Nothing to import again.zip" in biller.says("/imports")
    answer = PLAIN.write(acknowledgment(("A1", "A7"))).encode()
    check(uploads, biller, {"answer.277": answer}, key="answer")
    page = biller.says("/imports/3")
    assert "from the payer or clearinghouse: 1 Rejected. Rejected: A1. Correct each rejected claim and send" in page
    assert "unless a remittance answered it." in page
    assert ("Import 1 claim status" in page, "First claims" in page) == (True, False), "the files contain none"
    confirm(biller, uploads, 3)
    assert "Show the rejected claims in the feed" in biller.says("/imports/3")
    rejected = next(link for link in biller.links("/imports/3") if "claim_status=Rejected" in link)
    assert "A1" in biller.says(rejected)


def test_remittances_are_imported_after_the_claims_of_one_upload(biller: Browser, uploads: Uploads) -> None:
    content = PLAIN.write(sent_file(claim_loop(dependent="PAT"))).encode()
    strays = {"readme.txt": b"Your files of this week", "scan.835": b"%PDF-1.4"}
    check(uploads, biller, {"a.837": content, **strays}, key="mixed")
    page = biller.says("/imports/1")
    assert (
        "Skipped, because these files are not X12: readme.txt, scan.835. Upload each one that has claims by itself."
        in page
    )
    assert "readme.txt Skipped, not X12 scan.835 Skipped, not X12" in page
    confirm(biller, uploads, 1)
    assert "1 claim imported." in biller.says("/imports/1")
    check(
        uploads,
        biller,
        {"era.835": PAID, "b.837": PLAIN.write(sent_file(claim_loop("B1", ("60",)))).encode()},
        key="both",
    )
    page = biller.says("/imports/2")
    assert "Import 1 claim and 1 remittance" in page
    moved = "New claims and their postings $60.00 Remittances -$50.00"
    assert re.search(rf"A/R of the practice before \S+ {re.escape(moved)} A/R of the practice after", page)
    assert "after the claims of this upload are in." in page
    assert "era.835 EXAMPLE PLAN T000001 $40.00 1 0 0" in page
    assert "era.835 835 remittance 000000001 01/05/2026 1 $60.00 Read" in page
    confirm(biller, uploads, 2)
    assert "1 claim and 1 remittance imported." in biller.says("/imports/2")
    check(
        uploads,
        biller,
        {"era.835": PLAIN.write(interchange([whole_remittance(2, number=2)])).encode()},
        key="remittance",
    )
    page = biller.says("/imports/3")
    assert "Payments of held answers 2 $141.00 Checks and transfers 1 $141.00" in page
    assert ("Control totals" in page, "Import 1 remittance" in page) == (False, True)
    assert "era.835 835 remittance 000000001 01/05/2026 2 $201.00 Read" in page
    confirm(biller, uploads, 3)
    assert "1 remittance imported." in biller.says("/imports/3")
    admin = uploads.practice.person("closing@lakeside.example", Role.ADMIN)
    uploads.practice.act(closing.close, dt.date(2026, 1, 1), by=admin)
    check(uploads, biller, {"a0.837": PLAIN.write(sent_file(claim_loop("A0"))).encode()}, key="claim of an answer")
    closed = "2 new postings on 1 claim are dated in January 2026, which is closed."
    assert f"{closed} They will be posted on 02/01/2026." in biller.says("/imports/4")
    confirm(biller, uploads, 4)
    assert f"{closed} They were posted on 02/01/2026." in biller.says("/imports/4")
    assert "1 held answer can be matched now, because more was imported since." in biller.says("/imports/4")
    assert "/remittances/retry" in biller.forms("/imports/4")


def test_a_difference_is_shown_and_must_be_accepted(biller: Browser, uploads: Uploads) -> None:
    send(biller, uploads.files)
    uploads.work()

    biller.post("/imports/1/expected-total", on="/imports/1", expected_total="232.40")
    page = biller.says("/imports/1")
    assert "Difference Not as expected $0.10" in page
    biller.post("/imports/1/confirm", on="/imports/1")
    assert "differs from the expected A/R total by $0.10" in biller.says("/imports/1")
    biller.post("/imports/1/confirm", on="/imports/1", accept_difference="true")

    page = biller.says("/imports/1")
    assert "You can leave this page." in page
    assert "started." not in page, "such a message would stay after the import"


def test_an_expected_total_that_is_no_amount_is_refused_in_words(biller: Browser, uploads: Uploads) -> None:
    send(biller, uploads.files)
    uploads.work()

    biller.post("/imports/1/expected-total", on="/imports/1", expected_total="much")

    assert "Enter an amount in dollars and cents" in biller.says("/imports/1")


def test_errors_are_shown_by_kind_with_a_file_of_their_locations(biller: Browser, uploads: Uploads) -> None:
    send(biller, uploads.changed("postings.csv", "-88.00", "NaN"))
    uploads.work()

    page = biller.says("/imports/1")

    assert "Nothing was imported. The files have errors." in page
    assert "1 error in 1 location" in page
    assert "Invalid values postings.csv amount 1 Write dollars and cents as 1234.56" in page
    assert "Line 3 “NaN”" in page
    assert "postings.csv – – Not imported" in page
    file = biller.load("/imports/1/errors.csv")
    assert file.text.splitlines()[1].startswith("postings.csv,3,amount,NaN,")
    assert [entry.act for entry in uploads.practice.audited()][-1] == "import.errors_downloaded"


def test_a_fix_that_is_a_question_has_no_period(biller: Browser, uploads: Uploads) -> None:
    content = uploads.files["postings.csv"]
    send(biller, {**uploads.files, "postings.csv": content + content.splitlines(keepends=True)[0]})
    uploads.work()

    assert "The column names are repeated here; was the file pasted twice? Line" in biller.says("/imports/1")


def test_an_import_can_be_discarded(biller: Browser, uploads: Uploads) -> None:
    send(biller, uploads.files)

    assert biller.post("/imports/1/discard", on="/imports/1").location == "/imports"

    assert "Import discarded." in biller.says("/imports")
    assert "This import was discarded." in biller.says("/imports/1")


@pytest.mark.parametrize(
    ("files", "words"),
    [({}, "Choose 1 to 400 files to import."), ({"claims.csv": b""}, "claims.csv is empty. Export it again.")],
)
def test_a_form_without_content_says_what_to_do(biller: Browser, files: dict[str, bytes], words: str) -> None:
    assert send(biller, files).location == "/imports"
    assert words in biller.says("/imports")


def test_the_page_says_to_save_a_large_export_as_csv(biller: Browser) -> None:
    page = biller.says("/imports")

    assert "Save a large export as CSV, because an XLSX sheet can have at most 5 million cells." in page


def test_the_page_says_if_no_worker_comes(biller: Browser, uploads: Uploads, clock: Clock) -> None:
    send(biller, uploads.files)
    assert "No worker has started this import yet." not in biller.says("/imports/1")
    clock.turn_on(minutes=2)
    assert "No worker has started this import yet." in biller.says("/imports/1")


def test_an_old_form_does_not_upload_other_files(biller: Browser, uploads: Uploads) -> None:
    send(biller, uploads.files)
    send(biller, {"claims.csv": b"x"})
    assert "This form was already sent with different files." in biller.says("/imports")


def test_a_form_that_is_too_large_says_how_to_send_it(biller: Browser) -> None:
    form = b"x" * (BODY_BYTES_MAX + 1)
    answer = biller.client.post("/imports", data=form, content_type="multipart/form-data; boundary=x")

    assert answer.status_code == 413
    assert "Turn on JavaScript, or upload a zip file that contains the files." in page_text(answer)


def test_a_script_sends_pieces_and_learns_where_the_import_is(biller: Browser, uploads: Uploads) -> None:
    names, contents = list(uploads.files), list(uploads.files.values())
    sizes = [len(content) for content in contents]
    begun = biller.post("/imports/begin", on="/imports", name=names, size=sizes, idempotency_key="script")
    token = {"X-CSRFToken": csrf_token(biller)}
    incomplete = biller.client.post(begun.json["check"], headers=token)
    for index, content in enumerate(contents):
        sent = biller.client.post(f"{begun.json['pieces']}?file={index}&number=0", data=content, headers=token)
        assert sent.status_code == 200

    done = biller.client.post(begun.json["check"], headers=token)

    assert (incomplete.status_code, incomplete.json["message"][-34:]) == (409, "Send it, or upload the file again.")
    assert done.json == {"show": "/imports/1"}
    assert uploads.work()
    assert "Ready to import" in biller.says("/imports/1")


def test_a_script_gets_a_refusal_as_a_sentence(biller: Browser) -> None:
    refused = biller.post("/imports/begin", on="/imports", name="claims.csv", size="2000000000", idempotency_key="big")
    assert (refused.status_code, refused.json["message"][:45]) == (413, "The files total 2,000 MB. An import can be up")


def csrf_token(browser: Browser) -> str:
    found = _TOKEN.search(browser.get("/imports").text)
    assert found
    return found[1]


def test_write_offs_in_the_files_are_shown_in_dollars_and_claims(biller: Browser, uploads: Uploads) -> None:
    uploads.imported()
    uploads.practice.set_write_off(WriteOffSetting.BOTH)
    uploads.practice.settle({"claim_ids": ["184146026"]})
    row = b"6,184146026,1,patient,adjustment,-12.00,,CO,45,2025-05-01\n"
    send(biller, {**uploads.files, "postings.csv": uploads.files["postings.csv"] + row}, key="second")
    uploads.work()

    page = biller.says("/imports/2")

    already = "The files contain $12.00 in write-offs and manual postings on 1 claim that Batch Settle already has."
    assert already in page
    assert "Confirm matching postings on 1 claim" in page
    assert "will differ from the files" not in page

    paid = b"7,184146026,1,patient,payment,-12.00,patient,,,2025-05-02\n"
    send(biller, {**uploads.files, "postings.csv": uploads.files["postings.csv"] + row + paid}, key="third")
    uploads.work()

    page = biller.says("/imports/3")
    assert "1 claim will differ from the files Claim ID In the files After the import Difference Reason" in page
    reason = "The import reverses a write-off of $12.00, which the files still contain. After the import, reverse it"
    assert f"184146026 -$12.00 $0.00 $12.00 {reason}" in page
    assert "Batch Settle already has, or posts with this import. These are not posted again." in page
    assert "The new totals do not include the $12.00 in reversed write-offs." in page
    biller.post("/imports/3/confirm", on="/imports")
    uploads.work()
    assert "184146026 -$12.00 $0.00 $12.00 A write-off of $12.00 was reversed here" in biller.says("/imports/3")


def test_adjustments_above_the_users_limit_are_not_called_errors_in_the_files(
    biller: Browser, uploads: Uploads
) -> None:
    uploads.imported()
    row = b"6,184146026,1,patient,adjustment,-2.00,,CO,45,2025-05-01\n"
    send(biller, {**uploads.files, "postings.csv": uploads.files["postings.csv"] + row}, key="second")
    uploads.work()
    uploads.practice.limit_of(uploads.practice.biller, claim=1_00)
    biller.post("/imports/2/confirm", on="/imports/2")
    uploads.work()

    page = biller.says("/imports/2")

    assert "The files have errors" not in page
    assert "The files have no errors, but the import would post adjustments above a per-claim limit." in page
    assert "1 claim above the limit Download all of them as CSV" in page
    assert "Adjustments above a per-claim limit" in page
    assert "“184146026” adjustments of $" in page
