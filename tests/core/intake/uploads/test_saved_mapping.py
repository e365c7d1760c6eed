"""A saved mapping of the office's own file is used again, asked about new values, and exchanged for a different one."""

from typing import Any

import pytest

from core.enums.imports import ImportStatus
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.saved_mappings import change_mapping, list_mappings, save_mapping, version_of
from core.intake.uploads import commands, mapping_choice
from core.intake.uploads.lifecycle import WrongImportStatus, key_of
from core.models.import_mappings import ImportMapping
from tests.core.intake.uploads.test_own_export import own
from tests.own_export import MAPPING, csv_file, rows_of
from tests.uploads import Uploads

S = ImportStatus
ROWS = rows_of(6)


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
        "What does “Budget 2” mean? It is in 1 row of the “Hold” column.",
        "What does “COLL” mean? It is in 2 rows of the “Status” column.",
    ]
    assert (guess["mapping_name"], guess["mapping"]) == ("our export", ours.mapping)
    assert guess["words"] == {"hold": ["Budget 2", "BK"], "billing_status": ["COLL"]}
    uploads.practice.act(
        change_mapping, ours.id, name="our export", version=version_of(Mapping.of(ours.mapping)),
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
