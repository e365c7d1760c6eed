"""The office's own file: its mapping is guessed and confirmed, or saved before, and its next export brings the rest."""

from typing import Any

import pytest

from core.intake.mapping.mapping import BadMapping, Mapping
from core.intake.mapping.saved_mappings import NoSuchMapping, change_mapping, list_mappings, save_mapping
from core.intake.uploads import commands, lists, mapping_choice
from core.intake.uploads.commands import NothingNew
from core.intake.uploads.lifecycle import WrongImportStatus, key_of
from core.intake.uploads.mapping_choice import NoSuchSheet
from core.models.import_mappings import ImportMapping
from core.models.imports import ImportJob, ImportSource, ImportStatus
from tests.factories import NOW
from tests.own_export import MAPPING, csv_file, next_day, rows_of, workbook
from tests.uploads import Uploads

S = ImportStatus
ROWS = rows_of(6)


def own(uploads: Uploads, rows: Any = None, *, key: str = "key", **options: Any) -> ImportJob:
    """Upload a workbook and let a worker check it."""
    return uploads.checked({"ar.xlsx": workbook(rows or ROWS)}, key=key, options=options)


def listed(uploads: Uploads, job: ImportJob, name: str) -> list[str]:
    with uploads.practice.sessions() as session:
        return b"".join(lists.list_pieces(session, key_of(job), name)).decode("utf-8-sig").splitlines()


def test_an_own_export_waits_for_its_mapping_and_then_is_imported(uploads: Uploads) -> None:
    job = own(uploads)
    assert (job.status, job.report and job.report["source"]) == (S.NEEDS_MAPPING, "file")
    guess = job.report["guess"] if job.report else {}
    assert guess["questions"] == []
    assert not uploads.work(), "it waits for a user"

    mapping = Mapping.of(guess["mapping"])
    uploads.practice.act(mapping_choice.save_and_use, key_of(job), name="our export", mapping=mapping, replace=False)
    uploads.work()

    checked = uploads.read(key_of(job))
    assert checked.report is not None
    assert (checked.status, checked.report["added"]["claims"]) == (S.READY, 6)
    assert checked.report["in_file"]["total_cents"] == 100 * sum(row[9] + row[10] for row in ROWS)
    assert checked.report["read"] == [{"name": "ar.xlsx", "rows": 6, "empty": 0}]
    assert (checked.options["mapping_name"], checked.options["mapping"]) == ("our export", guess["mapping"])
    uploads.practice.act(commands.confirm, key_of(job))
    uploads.work()
    assert (uploads.read(key_of(job)).status, uploads.count("claim")) == (S.IMPORTED, 6)
    acts = [entry.act for entry in uploads.practice.audited()]
    assert acts[:3] == ["import.uploaded", "mapping.saved", "import.mapped"]


def test_a_saved_mapping_asks_no_question(uploads: Uploads) -> None:
    saved = uploads.practice.act(save_mapping, uploads.practice.id, name="our export", mapping=Mapping.of(MAPPING))
    for given in ("our export", str(saved.id)):
        chosen = uploads.practice.do(mapping_choice.choose, uploads.practice.id, given)
        job = own(uploads, key=given, **chosen)
        assert (job.status, job.options["mapping_id"]) == (S.READY, saved.id)
    with pytest.raises(NoSuchMapping, match="Its mappings are: our export"):
        uploads.practice.do(mapping_choice.choose, uploads.practice.id, "another")
    with pytest.raises(BadMapping, match="Choose the column with the claim ID"):
        uploads.practice.do(mapping_choice.choose, uploads.practice.id, {"columns": {}})


def imported(uploads: Uploads) -> None:
    job = own(uploads, key="first", mapping=MAPPING)
    uploads.practice.act(commands.confirm, key_of(job))
    uploads.work()


def test_the_next_export_brings_a_payment_and_a_name_on_request(uploads: Uploads) -> None:
    imported(uploads)

    job = own(uploads, next_day(ROWS), key="second", mapping=MAPPING)

    assert job.report is not None
    assert (job.report["added"]["claims"], job.report["on_existing"]["postings"]) == (0, 1)
    assert job.report["new"]["insurance_payments"] == {"number": 1, "cents": 6_000}
    assert job.report["differences"]["counts"] == {"patient name": 1}
    assert listed(uploads, job, lists.DIFFERENCES) == [
        "record,number,field,old,new,file,line",
        'patient,P000,name,"Sample, Petra 0","Example, Paula",ar.xlsx,2',
    ]
    uploads.practice.act(commands.confirm, key_of(job), take_changes=True)
    uploads.work()
    done = uploads.read(key_of(job))
    assert (done.status, done.report and done.report["changes_taken"]) == (S.IMPORTED, True)
    assert len(uploads.practice.audited("import.changes_taken")) == 1
    again = own(uploads, next_day(ROWS), key="third", mapping=MAPPING)
    assert again.report is not None
    assert (again.report["nothing_new"], again.report["differences"]["count"]) == (True, 0)


def test_changes_alone_come_in_only_on_request(uploads: Uploads) -> None:
    imported(uploads)
    renamed = [[*row[:2], "Example, Paula", *row[3:]] if row[1] == "P000" else row for row in ROWS]
    job = own(uploads, renamed, key="second", mapping=MAPPING)

    with pytest.raises(NothingNew):
        uploads.practice.act(commands.confirm, key_of(job))
    uploads.practice.act(commands.confirm, key_of(job), take_changes=True)
    uploads.work()

    assert uploads.read(key_of(job)).status is S.IMPORTED


def test_changes_that_the_user_did_not_see_are_shown_again(uploads: Uploads) -> None:
    imported(uploads)
    waiting = own(uploads, next_day(ROWS), key="waiting", mapping=MAPPING)
    renamed = [[*row[:2], "Between, Ann", *row[3:]] if row[1] == "P000" else row for row in ROWS]
    other = own(uploads, renamed, key="other", mapping=MAPPING)
    uploads.practice.act(commands.confirm, key_of(other), take_changes=True)
    uploads.work()

    uploads.practice.act(commands.confirm, key_of(waiting), take_changes=True)
    uploads.work()

    job = uploads.read(key_of(waiting))
    assert job.report is not None
    assert (job.status, job.report["changed_since_check"]) == (S.READY, True)
    assert "Between, Ann" in listed(uploads, job, lists.DIFFERENCES)[1]


def test_a_changed_posting_is_listed_with_its_correction(uploads: Uploads) -> None:
    imported(uploads)
    less = [list(row) for row in ROWS]
    less[1][6], less[1][10] = 50, less[1][10] + 10

    job = own(uploads, less, key="second", mapping=MAPPING)

    assert job.report is not None
    assert (job.report["nothing_new"], job.report["corrections"]["changed"]) == (True, 3)
    changed = job.report["corrections"]["first"]  # what is not paid moves to the patient
    payment, *transfer = sorted(changed, key=lambda one: str(one["old"]))
    assert (payment["old"][:15], payment["new"][:15]) == ("payment -$60.00", "payment -$50.00")
    assert payment["postings"] == [
        payment["new"].replace("payment -$50.00", "refund that raises the balance by $10.00")
    ]
    assert [one["old"].split()[0] for one in transfer] == ["transfer", "transfer"]
    assert len(listed(uploads, job, lists.CORRECTIONS)) == 1 + 3


def test_two_files_and_a_file_without_columns_are_refused_with_the_cure(uploads: Uploads) -> None:
    two = uploads.checked({"a.csv": b"x", "b.csv": b"y"}, key="two", source=ImportSource.FILE)
    none = uploads.checked({"notes.csv": b"hello\n"}, key="none")

    cures = [job.report["faults"][0]["cure"] for job in (two, none) if job.report]
    assert cures[0] == "your own export must be one file; upload each file by itself"
    assert cures[1].startswith("No row in the file names columns such as Claim #")


def test_the_sheet_of_a_workbook_can_be_chosen(uploads: Uploads) -> None:
    job = uploads.checked({"ar.xlsx": workbook(ROWS, sheets=("May", "June"))})
    assert job.report is not None
    assert [one["code"] for one in job.report["guess"]["questions"]] == ["two_sheets"]
    with pytest.raises(NoSuchSheet):
        uploads.practice.act(mapping_choice.choose_sheet, key_of(job), "July")

    uploads.practice.act(mapping_choice.choose_sheet, key_of(job), "June")
    uploads.work()

    again = uploads.read(key_of(job))
    assert again.report is not None
    assert (again.status, again.report["guess"]["questions"]) == (S.NEEDS_MAPPING, [])
    assert again.report["guess"]["mapping"]["sheet"] == "June"


def test_an_import_without_a_mapping_expires(uploads: Uploads) -> None:
    key = key_of(own(uploads))
    assert uploads.practice.do(commands.expire, now=NOW + commands.READY_EXPIRES_AFTER) == 1
    assert (uploads.read(key).status, uploads.count("import_piece")) == (S.DISCARDED, 0)


def test_only_an_import_that_needs_a_mapping_takes_one(uploads: Uploads) -> None:
    job = uploads.checked()
    with pytest.raises(WrongImportStatus, match="The import is ready to import; it cannot take a mapping"):
        uploads.practice.act(mapping_choice.use_mapping, key_of(job), MAPPING)


def saved(uploads: Uploads, name: str, **changes: Any) -> ImportMapping:
    mapping = Mapping.of(MAPPING | changes)
    return uploads.practice.act(save_mapping, uploads.practice.id, name=name, mapping=mapping)


def test_a_file_with_the_columns_of_one_saved_mapping_is_checked_with_it_at_once(uploads: Uploads) -> None:
    ours = saved(uploads, "our export")

    job = own(uploads)

    assert (job.status, job.options["mapping_id"], job.options["mapping_name"]) == (S.READY, ours.id, "our export")
    assert job.options["mapping_recognized"]
    uploads.practice.act(commands.confirm, key_of(job))
    uploads.work()
    assert (uploads.read(key_of(job)).status, uploads.count("claim")) == (S.IMPORTED, 6)


def test_a_file_waits_if_no_saved_mapping_or_more_than_one_has_its_columns(uploads: Uploads) -> None:
    saved(uploads, "with a note", not_imported=["Note"])
    missing = {header: field for header, field in MAPPING["columns"].items() if header != "Adj"}
    saved(uploads, "without a column", columns=missing)
    assert own(uploads, key="one fits").options["mapping_name"] == "with a note"

    other_dates = {"dates": {"service_date": "MM/DD/YYYY"}}
    saved(uploads, "second", **other_dates)

    assert own(uploads, key="two fit").status is S.NEEDS_MAPPING
    csv_rows = csv_file([[*row[:3], "05/20/2026", *row[4:]] for row in ROWS])
    american = uploads.checked({"ar.csv": csv_rows}, key="dates")
    assert american.options["mapping_name"] == "second", "the dates contradict the other mapping"
    new_column = csv_file(ROWS).replace(b"Pt Bal", b"Pt Bal,Ins 2 Paid", 1).replace(b"\r\n", b",0\r\n")
    assert uploads.checked({"ar.csv": new_column}, key="new").status is S.NEEDS_MAPPING


def test_a_column_that_was_not_imported_is_no_new_column(uploads: Uploads) -> None:
    saved(uploads, "our export", not_imported=["Note"])
    header, *lines = csv_file(ROWS).decode().splitlines()
    content = "\n".join([f"{header},Note", *(f"{line},x" for line in lines)]).encode()

    assert uploads.checked({"ar.csv": content}, key="note").status is S.READY
    assert uploads.checked({"ar.csv": content.replace(b"Note", b"Remark")}, key="new").status is S.NEEDS_MAPPING


def test_different_columns_are_chosen_for_the_files_of_a_checked_import(uploads: Uploads) -> None:
    ours = saved(uploads, "our export", post_difference=True)
    job = own(uploads)

    uploads.practice.act(mapping_choice.ask_again, key_of(job))
    uploads.work()

    waiting = uploads.read(key_of(job))
    assert (waiting.status, "mapping" in waiting.options) == (S.NEEDS_MAPPING, False)
    guess = waiting.report["guess"] if waiting.report else {}
    assert (guess["mapping_name"], guess["mapping"]) == ("our export", ours.mapping)
    with pytest.raises(WrongImportStatus):
        uploads.practice.act(mapping_choice.ask_again, key_of(job))
    for given, name in (("our export", "our export"), (MAPPING, None)):
        uploads.practice.act(mapping_choice.use_mapping, key_of(job), given)
        uploads.work()
        assert uploads.read(key_of(job)).status is S.READY
        assert uploads.read(key_of(job)).options.get("mapping_name") == name


WORDS = {"columns": {**MAPPING["columns"], "Status": "billing_status", "Hold": "hold"}}


def with_words(*words: tuple[str, str]) -> bytes:
    """Return the claims with a status and a hold for each of the first ones."""
    header, *lines = csv_file(ROWS).decode().splitlines()
    filled = [*words, *[("", "")] * len(lines)]
    ends = [f"{line},{status},{hold}" for line, (status, hold) in zip(lines, filled, strict=False)]
    return "\n".join([f"{header},Status,Hold", *ends]).encode()


def test_a_new_value_asks_what_it_means_and_its_answer_is_saved_in_the_mapping(uploads: Uploads) -> None:
    ours = saved(uploads, "our export", **WORDS, words={"hold": {"BK": "legal_hold"}})
    file = with_words(("COLL", "Budget 2"), ("Bill Insurance", "BK"), ("coll", "Y"))

    job = uploads.checked({"ar.csv": file})

    assert (job.status, job.options["mapping_id"]) == (S.NEEDS_MAPPING, ours.id)
    guess = job.report["guess"] if job.report else {}
    assert [one["sentence"] for one in guess["questions"]] == [
        "What does “Budget 2” mean? It is in 1 row of the column “Hold”.",
        "What does “COLL” mean? It is in 2 rows of the column “Status”.",
    ]
    assert (guess["mapping_name"], guess["mapping"]) == ("our export", ours.mapping)
    assert guess["words"] == {"hold": ["Budget 2", "BK"], "billing_status": ["COLL"]}
    uploads.practice.act(
        change_mapping, ours.id, name="our export",
        mapping=Mapping.of({**ours.mapping, "words": {"hold": {"BK": "legal_hold", "AP": "appeal_open"}}}),
    )  # fmt: skip
    answered = {"hold": {"BK": "legal_hold", "Budget 2": "payment_plan"}, "billing_status": {"COLL": "Internal Review"}}
    mapping = Mapping.of({**ours.mapping, "words": answered})
    uploads.practice.act(mapping_choice.save_and_use, key_of(job), name="our export", mapping=mapping, replace=False)
    uploads.work()

    assert uploads.read(key_of(job)).status is S.READY
    with uploads.practice.sessions() as session:
        now_saved = list_mappings(session, uploads.practice.id)
    assert [(one.id, one.name) for one in now_saved] == [(ours.id, "our export")]
    assert now_saved[0].mapping["words"]["hold"] == {
        "BK": "legal_hold",
        "AP": "appeal_open",
        "Budget 2": "payment_plan",
    }
    assert uploads.checked({"ar.csv": file}, key="next day").status is S.READY


def test_a_new_value_in_a_file_with_other_errors_is_refused_with_them(uploads: Uploads) -> None:
    saved(uploads, "our export", **WORDS)
    file = with_words(("", "Budget 2")).replace(b"2026-05-01", b"2026-05-99")

    job = uploads.checked({"ar.csv": file})

    assert (job.status, job.options["mapping_name"]) == (S.REFUSED, "our export")
    assert [fault["columns"] for fault in (job.report or {})["faults"]] == [["DOS"], ["Hold"]]


def test_a_column_full_of_new_values_is_refused(uploads: Uploads) -> None:
    columns = {**MAPPING["columns"], "Hold": "hold"}
    header, *lines = csv_file(rows_of(60)).decode().splitlines()
    file = "\n".join([f"{header},Hold", *(f"{line},word {number}" for number, line in enumerate(lines))])
    saved(uploads, "our export", columns=columns)

    job = uploads.checked({"ar.csv": file.encode()})

    assert (job.status, job.refused_because) == (S.REFUSED, "faults")
