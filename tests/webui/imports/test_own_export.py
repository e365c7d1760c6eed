"""The office's own file on the Import page: its columns, its sheets, a saved mapping, and the next day's changes."""

import csv
import datetime as dt
import io
import re

from sqlalchemy import select

from core.intake.loading.known_postings import CORRECTION
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.saved_mappings import save_mapping
from core.models.ledger import Posting
from tests.factories import NOW
from tests.own_export import COLUMNS, MAPPING, csv_file, next_day, rows_of, workbook
from tests.uploads import Uploads
from tests.webui.conftest import Browser, page_text
from tests.webui.imports.test_import_mappings import place, sent
from tests.webui.imports.test_imports import send

ROWS = rows_of(6)


def save(uploads: Uploads) -> None:
    uploads.practice.act(save_mapping, uploads.practice.id, name="ours", mapping=Mapping.of(MAPPING))


def correction_dates(uploads: Uploads) -> set[dt.date]:
    with uploads.practice.sessions() as session:
        found = select(Posting.posted_on).where(Posting.source_id.contains(CORRECTION))
        return set(session.scalars(found))


def test_an_own_file_asks_which_column_is_which(biller: Browser, uploads: Uploads) -> None:
    send(biller, {"claims.csv": csv_file(ROWS)}, kind="own")
    uploads.work()

    page = biller.says("/imports/1")
    assert "Needs a mapping" in page
    assert "11 of 11 columns recognized." in page
    assert "Columns in import 1" in biller.says("/imports/1/mapping")


def test_a_file_without_a_claim_status_says_before_import_what_cannot_be_protected(
    biller: Browser, uploads: Uploads
) -> None:
    warning = "No claim status is imported. The rules for claims in process at a payer and for rejected claims cannot"
    save(uploads)
    headers = list(COLUMNS)
    with_status = csv_file(ROWS).decode().splitlines()
    with_status = [with_status[0] + ",Claim Status", *(f"{row},denied" for row in with_status[1:])]
    columns = {**dict(zip(headers, COLUMNS.values(), strict=True)), "Claim Status": "primary_status"}
    mapping = Mapping.of({**MAPPING, "columns": columns, "words": {"primary_status": {"denied": "ERA Denied"}}})
    uploads.practice.act(save_mapping, uploads.practice.id, name="with status", mapping=mapping)
    undated = "Those of new claims are posted on the date of service, and later ones on the day of the import."
    send(biller, {"ar.csv": csv_file(ROWS)}, key="own", kind="own")
    send(biller, {"ar.csv": csv_file(ROWS)}, key="without", kind="1")
    send(biller, {"ar.csv": "\n".join(with_status).encode()}, key="with", kind="2")
    while uploads.work():
        pass

    assert warning in (page := biller.says("/imports/1/mapping"))
    assert undated in page
    assert warning in biller.says("/imports/2")
    assert "Ready to import" in biller.says("/imports/3")
    assert warning not in biller.says("/imports/3")
    assert warning in biller.says("/import-mappings/1")
    assert warning not in (page := biller.says("/import-mappings/2"))
    assert undated in page


def test_a_question_stays_until_it_is_answered(biller: Browser, uploads: Uploads) -> None:
    send(biller, {"ar.csv": csv_file([[*row[:3], "03/04/2026", *row[4:]] for row in ROWS])})
    uploads.work()
    assert "You have 1 question to answer." in biller.says("/imports/1")
    typed = {"import_id": "1", "name": "ours", "draft": "{}", "rows": "claim"}
    for number, (header, field) in enumerate(COLUMNS.items()):
        typed |= {f"header-{number}": header, f"field-{number}": field}

    refused = biller.post("/import-mappings", on="/imports/1/mapping", **typed)
    assert (refused.status_code, "Choose the date format" in refused.text) == (422, True)
    assert 'name="import_id" value="1"' in refused.text
    saved = biller.post("/import-mappings", on="/imports/1/mapping", **typed, **{"date-3": "MM/DD/YYYY"})

    assert saved.location == "/imports/1"
    uploads.work()
    assert "Import 6 claims" in biller.says("/imports/1")


def test_a_saved_mapping_and_another_sheet_can_be_chosen(biller: Browser, uploads: Uploads) -> None:
    save(uploads)
    send(biller, {"ar.xlsx": workbook(ROWS, sheets=("May", "June"))}, key="sheets")
    send(biller, {"ar.csv": csv_file(ROWS)}, key="saved")
    while uploads.work():
        pass

    assert "Show the columns in this sheet" in biller.says("/imports/1/mapping")
    biller.post("/imports/1/mapping", on="/imports/1/mapping", sheet="June")
    biller.post("/imports/2/mapping", on="/imports/2", mapping="1")
    while uploads.work():
        pass

    assert "Needs a mapping" in biller.says("/imports/1")
    assert "Import 6 claims" in biller.says("/imports/2")
    assert biller.get("/imports/2/mapping").location == "/imports/2"


def test_changes_come_in_on_request(biller: Browser, uploads: Uploads) -> None:
    save(uploads)
    less = next_day(ROWS)
    less[1][6], less[1][10] = 50, less[1][10] + 10
    for key, rows in (("first", ROWS), ("second", less)):
        send(biller, {"ar.csv": csv_file(rows)}, key=key, kind="1")
        uploads.work()
        page = biller.says("/imports/2" if key == "second" else "/imports/1")
        biller.post(f"/imports/{1 + (key == 'second')}/confirm", on="/imports", take_changes="true")
        uploads.work()

    assert "6 claims in the files are already in Batch Settle. 1 claim will receive 1 new posting." in page
    assert "1 new posting on existing claims Sum: -$60.00, without the write-offs that they reverse. Download" in page
    assert "Import 1 posting on existing claims and the checked changes" in page
    assert "The new totals do not include the corrections for 3 changed postings." in page
    assert "Transfers Derived: not in your file. They move the patient’s share, so that both balances agree." in page
    assert "smaller. 0 $0.00 Credit balances" in page  # only new transfers, because the files have none
    assert "Postings 14 1 Charges 6" in page
    assert "These changes overwrite names, statuses and other values." in page
    assert "Claims in these files “Also post” checked “Also post” unchecked A/R in Batch Settle now" in page
    after = re.search(r"A/R after the import (\S+) (\S+) A/R in the files (\S+) \3 Difference They agree ", page)
    assert after is not None
    assert after[1] == after[3] != after[2]
    assert "Without these postings, the balances do not agree with the files." in page
    assert "1 change to existing records Patient name 1" in page
    assert "Patient P000 Name Sample, Petra 0 Example, Paula" in page
    assert "3 postings differ from the files" in page
    assert "Payment by primary of $60.00" in page
    done = biller.says("/imports/2")
    assert "1 posting on existing claims and 1 change imported." in done
    assert "The A/R for the claims in these files is" in biller.says("/imports/1")
    assert "1 claim has a different balance in Batch Settle." in done
    assert "Claim ID In the files In Batch Settle Difference Reason and next step V0001" in done
    assert "The import did not post the changes to this claim’s postings. Upload the file again" in done
    assert "V0001" in biller.load("/imports/2/corrections.csv").text


def test_a_file_of_lines_without_numbers_is_not_said_to_come_in_with_corrections(
    biller: Browser, uploads: Uploads
) -> None:
    mapping = Mapping.of({**MAPPING, "rows": "line"})
    uploads.practice.act(save_mapping, uploads.practice.id, name="lines", mapping=mapping)
    less = next_day(ROWS)
    less[1][6], less[1][10] = 50, less[1][10] + 10
    for number, rows in enumerate((ROWS, less), 1):
        send(biller, {"ar.csv": csv_file(rows)}, key=f"upload {number}", kind="1")
        uploads.work()
        page = biller.says(f"/imports/{number}")
        biller.post(f"/imports/{number}/confirm", on="/imports", post_corrections="true")
        uploads.work()

    assert "postings differ from the files" in page
    assert "1 new posting on existing claims will not be imported. The file has no service line numbers" in page
    assert "if you also post the corrections" not in page
    assert "1 new posting on existing claims was not imported." in biller.says("/imports/2")


def test_changed_names_come_before_other_changes(biller: Browser, uploads: Uploads) -> None:
    save(uploads)
    changed = next_day(ROWS)
    changed[3][3] += dt.timedelta(days=1)
    for number, rows in enumerate((ROWS, changed), 1):
        send(biller, {"ar.csv": csv_file(rows)}, key=f"upload {number}", kind="1")
        uploads.work()
        biller.post(f"/imports/{number}/confirm", on="/imports")
        uploads.work()

    page, file = biller.says("/imports/2"), biller.load("/imports/2/differences.csv").text
    assert page.index("Patient P000 Name") < page.index("Claim V0003 Date of service")
    assert file.index("P000") < file.index("V0003")


def test_corrections_are_posted_with_the_import_unless_the_user_unchecks_them(
    biller: Browser, uploads: Uploads
) -> None:
    save(uploads)
    less = [list(row) for row in ROWS]
    less[1][6], less[1][10] = 50, less[1][10] + 10
    for number, rows in enumerate((ROWS, less, less), 1):
        send(biller, {"ar.csv": csv_file(rows)}, key=f"upload {number}", kind="1")
        uploads.work()
        page = biller.says(f"/imports/{number}")
        biller.post(
            f"/imports/{number}/confirm", on="/imports", **({"post_corrections": "true"} if number == 2 else {})
        )
        uploads.work()
        if number == 2:
            assert "Also post the corrections for 3 changed postings" in page
            assert "Refund to primary that raises the balance by $10.00" in page
            assert "The corrections were posted." in biller.says("/imports/2")
            file = csv.DictReader(io.StringIO(biller.load("/imports/2/corrections.csv").text.removeprefix("\ufeff")))
            assert {row["posting_date"] for row in file} == {"2026-11-23"}
            assert page.count(", 11/23/2026)") >= 3, "the day of the import, not the old postings' dates"
            assert correction_dates(uploads) == {dt.date(2026, 11, 23)}

    assert "No new rows: the practice already has every row in these files." in page
    claim = uploads.practice.read(less[1][0])
    assert (claim.insurance_due, claim.patient_due) == (less[1][9] * 100, less[1][10] * 100)
    assert uploads.practice.violations() == []


def test_the_corrections_of_an_older_export_are_not_checked(biller: Browser, uploads: Uploads) -> None:
    save(uploads)
    paid = [list(row) for row in ROWS]
    paid[1][6], paid[1][10] = 70, 21
    box = 'name="post_corrections" value="true"'
    for number, rows in enumerate((ROWS, paid, ROWS), 1):
        send(biller, {"ar.csv": csv_file(rows)}, key=f"upload {number}", kind="1")
        uploads.work()
        page = biller.get(f"/imports/{number}")
        if number > 1:
            assert (f"{box} checked" in page.text) == (number == 2)
        biller.post(f"/imports/{number}/confirm", on="/imports", post_corrections="true")
        uploads.work()

    assert "These files look older than an earlier import. Upload the newest export instead." in page_text(page)
    assert "The same files were imported before, as import 1" in page_text(page)
    assert "Posting their corrections would undo what later imports posted." in page_text(page)


def test_an_export_that_would_undo_many_payments_leaves_the_corrections_unchecked(
    biller: Browser, uploads: Uploads
) -> None:
    save(uploads)
    paid, less = rows_of(30), rows_of(30)
    for row in less:
        if row[6]:
            row[6], row[10] = row[6] - 1, row[10] + 1
    less[0][3] += dt.timedelta(days=1)  # not the same file as any before
    for number, rows in enumerate((paid, less), 1):
        send(biller, {"ar.csv": csv_file(rows)}, key=f"upload {number}", kind="1")
        uploads.work()
        page = biller.get(f"/imports/{number}")
        biller.post(f"/imports/{number}/confirm", on="/imports")
        uploads.work()

    assert "These files look older than an earlier import." in page_text(page)
    assert 'name="post_corrections" value="true">' in page.text


def test_the_next_payment_on_a_total_is_a_new_payment(biller: Browser, uploads: Uploads) -> None:
    save(uploads)
    later = [list(row) for row in ROWS]
    later[1][6], later[1][10] = later[1][6] + 5, later[1][10] - 5
    for number, rows in enumerate((ROWS, later), 1):
        send(biller, {"ar.csv": csv_file(rows)}, key=f"upload {number}", kind="1")
        uploads.work()
        page = biller.says(f"/imports/{number}")
        biller.post(f"/imports/{number}/confirm", on="/imports", post_corrections="true")
        uploads.work(now=NOW + dt.timedelta(seconds=number))

    assert "from the files" not in page
    assert "3 totals with a new payment, adjustment or transfer" in page
    assert "Payment by primary of $65.00" in page
    assert "New payment by primary of $5.00 (insurance, line 1, 11/23/2026)" in page
    assert "Transfer that lowers the balance by $5.00 (patient, line 1, 11/23/2026)" in page
    assert "Also post the new payments, adjustments and transfers in 3 totals ($5.00)" in page
    assert "The A/R for the claims in these files is" in biller.says("/imports/2")
    ledger = biller.says("/claims/V0001").partition("Ledger")[2]
    order = ["Charge", "Payment", "Adjustment", "Transfer", "Transfer", "Payment", "Transfer", "Transfer"]
    assert [word for word in ledger.split() if word in order] == order
    assert (ledger.count("import 1"), ledger.count("import 2")) == (5, 3)


def test_the_page_names_the_recognized_mapping_and_offers_different_columns(biller: Browser, uploads: Uploads) -> None:
    save(uploads)
    send(biller, {"ar.csv": csv_file(ROWS)})
    uploads.work()

    page = biller.says("/imports/1")
    assert "The file’s columns match your saved mapping ours" in page
    assert "Import 6 claims" in page
    biller.post("/imports/1/mapping", on="/imports/1", different_columns="1")
    uploads.work()
    asked = biller.says("/imports/1")
    assert "Needs a mapping" in asked
    assert "Correct the meaning of any column that is wrong." in asked
    assert "guessed" not in asked, "the columns mean what the saved mapping says"
    assert "Columns in import 1" in biller.says("/imports/1/mapping")


def test_the_columns_are_shown_on_request_even_if_a_saved_mapping_fits(biller: Browser, uploads: Uploads) -> None:
    save(uploads)
    send(biller, {"ar.csv": csv_file(ROWS)}, kind="own")
    uploads.work()

    assert "Needs a mapping" in biller.says("/imports/1")


def test_a_new_value_is_answered_on_the_page_without_a_second_upload(biller: Browser, uploads: Uploads) -> None:
    mapping = Mapping.of({**MAPPING, "columns": {**COLUMNS, "Hold": "hold"}})
    uploads.practice.act(save_mapping, uploads.practice.id, name="ours", mapping=mapping)
    header, *lines = csv_file(ROWS).decode().splitlines()
    content = "\n".join([f"{header},Hold", f"{lines[0]},Plan B", *(f"{line}," for line in lines[1:])]).encode()
    send(biller, {"ar.csv": content})
    uploads.work()

    page = biller.says("/imports/1")
    assert "The file has 1 new value." in page
    assert "What does “Plan B” mean? It is in 1 row of the “Hold” column." in page
    assert "Answer the question Your answer will be saved in the mapping ours" in page
    form = biller.get("/imports/1/mapping")
    assert 'value="ours"' in form.text
    fields = sent(form, **{"name": "ours", f"ours-{place(form, 'Hold')}": "payment_plan"})
    assert fields[f"date-{place(form, 'DOS')}"] == "YYYY-MM-DD"
    unanswered = biller.post("/import-mappings", on="/imports/1/mapping", **sent(form, name="ours"))
    assert (unanswered.status_code, "mean: Plan B." in unanswered.text) == (422, True)
    saved = biller.post("/import-mappings", on="/imports/1/mapping", **fields)
    assert saved.location == "/imports/1"
    uploads.work()

    assert "Import 6 claims" in biller.says("/imports/1")
    assert "Plan B means payment_plan" in biller.says("/import-mappings/1")


def test_an_answer_does_not_undo_a_change_of_the_mapping_by_another_user(biller: Browser, uploads: Uploads) -> None:
    mapping = Mapping.of({**MAPPING, "columns": {**COLUMNS, "Hold": "hold"}})
    uploads.practice.act(save_mapping, uploads.practice.id, name="ours", mapping=mapping)
    header, *lines = csv_file(ROWS).decode().splitlines()
    content = "\n".join([f"{header},Hold", *(f"{line},Plan B" for line in lines)]).encode()
    send(biller, {"ar.csv": content})
    uploads.work()
    answer = biller.get("/imports/1/mapping")
    opened = biller.get("/import-mappings/1/change")

    swapped = sent(opened, name="ours")
    insurance, patient = (f"field-{place(opened, name)}" for name in ("Ins Bal", "Pt Bal"))
    swapped |= {insurance: "patient_balance", patient: "insurance_balance"}
    assert biller.post("/import-mappings", on="/import-mappings", **swapped).status_code == 303
    answered = sent(answer, **{"name": "ours", f"ours-{place(answer, 'Hold')}": "payment_plan"})
    by_import = biller.post("/import-mappings", on="/imports/1/mapping", **answered)
    by_form = biller.post("/import-mappings", on="/import-mappings", **sent(opened, name="renamed"))

    assert (by_import.status_code, by_form.status_code) == (422, 422)
    assert "Choose it again on the import page" in page_text(by_import)
    assert "If you save again, your entries replace that change." in page_text(by_form)
    assert "Patient balance Ins Bal" in biller.says("/import-mappings/1")
    deliberate = biller.post("/import-mappings", on="/import-mappings", **sent(by_form, name="renamed"))
    assert deliberate.status_code == 303
    assert "Insurance balance Ins Bal" in biller.says("/import-mappings/1")
