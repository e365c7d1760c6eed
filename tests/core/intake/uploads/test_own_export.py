"""The office's own file: its mapping is guessed and confirmed, or saved before, and its next export brings the rest."""

from typing import Any

import pytest

from core.enums.imports import ImportSource, ImportStatus
from core.intake.mapping.mapping import BadMapping, Mapping
from core.intake.mapping.saved_mappings import NoSuchMapping, save_mapping
from core.intake.uploads import commands, lists, mapping_choice
from core.intake.uploads.commands import NothingNew
from core.intake.uploads.lifecycle import WrongImportStatus, key_of
from core.intake.uploads.mapping_choice import NoSuchSheet
from core.models.imports import ImportJob
from tests.factories import NOW
from tests.own_export import MAPPING, next_day, rows_of, workbook
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
    assert checked.report["read"] == [{"name": "ar.xlsx", "rows": 6, "empty": 0, "totals_agree": False}]
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
    with pytest.raises(NoSuchMapping, match="The mappings are: our export"):
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
    assert payment["old"].startswith("payment by primary of $60.00")
    assert payment["new"].startswith("payment by primary of $50.00")
    assert payment["postings"] == [
        payment["new"]
        .replace("payment by primary of $50.00", "refund to primary that raises the balance by $10.00")
        .replace("05/02/2026", "11/23/2026")
    ]
    assert [one["old"].split()[0] for one in transfer] == ["transfer", "transfer"]
    assert len(listed(uploads, job, lists.CORRECTIONS)) == 1 + 3


def test_two_files_and_a_file_without_columns_are_refused_with_the_cure(uploads: Uploads) -> None:
    two = uploads.checked({"a.csv": b"x", "b.csv": b"y"}, key="two", source=ImportSource.FILE)
    none = uploads.checked({"notes.csv": b"hello\n"}, key="none")

    cures = [job.report["faults"][0]["cure"] for job in (two, none) if job.report]
    assert cures[0] == "your own export must be one file; upload each file separately"
    assert cures[1].startswith("The file has no row of column names, such as Claim #")


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
    with pytest.raises(WrongImportStatus, match="The import is ready to import, so it cannot use a mapping"):
        uploads.practice.act(mapping_choice.use_mapping, key_of(job), MAPPING)
