"""Write-off files: what is new, exactly once, in any order of commits; and the same file when drawn again."""

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import pytest

from core.access.permissions import Actor
from core.enums.exports import STANDARD
from core.errors import NotAllowed
from core.exports import layouts, postings, sent_files
from core.exports.layouts import IMPORT, Layout
from core.exports.postings import PostingsFilter
from core.exports.sent_files import FileBusy, NoSuchFile, NothingToSend
from core.intake.csv.postings_import import import_postings
from core.jobs.execution import settle_chunk
from core.jobs.preview.freezing import BadIdempotencyKey, IdempotencyMismatch
from core.models.exports import PostingFile
from core.practices import reasons
from tests.at_once import raised_at_once
from tests.factories import NOW, GivenPractice, Line, a_practice


def send(practice: GivenPractice, layout: str = STANDARD, *, key: str = "key", **more: Any) -> PostingFile:
    """Mark what is new as sent."""
    file: PostingFile = practice.act(sent_files.send, layout, key=key, **more)
    return file


def drawn(practice: GivenPractice, layout: str | None = None, **wanted: Any) -> list[dict[str, str]]:
    """Return the rows of a CSV file by column heading, without the totals."""
    with practice.sessions() as session:
        whole = "".join(
            str(piece) for piece in sent_files.draw(session, practice.id, PostingsFilter(**wanted), layout, "csv")
        )
    assert whole.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(whole[1:], newline="")))
    return [row for row in rows if "Total" not in row.values()]


def test_a_row_has_what_a_biller_types_into_the_practice_management_system(
    practice: GivenPractice, admin: Actor
) -> None:
    texts = {"name": "Small balance", "adjustment_code": "SBWO", "gl_account": "4010"}
    practice.act(reasons.change, "small_balance", texts, by=admin)
    practice.claim("00017", Line(12_00, 3_00))
    job = practice.settle()

    insurance, patient = drawn(practice, job=job.job_id)

    posting_id = insurance.pop("Posting ID")
    assert posting_id.isdigit()
    assert insurance == {
        "Claim ID": "00017", "Patient ID": "1", "Patient": "The Patient", "Date of Service": "05/07/2026",
        "Line": "1", "Procedure code": "99213", "Responsibility": "insurance", "Amount": "-12.00",
        "Posting date": "11/23/2026",
        "Write-off or reversal": "write-off", "Reason": "Small balance", "Adjustment code": "SBWO",
        "GL account": "4010", "Job": str(job.job_id), "User": practice.biller.name, "Reverses posting ID": "",
    }  # fmt: skip
    assert (patient["Responsibility"], patient["Amount"]) == ("patient", "-3.00")


def test_the_next_file_has_only_what_is_new(practice: GivenPractice) -> None:
    practice.claims(2)
    practice.settle({"claim_ids": ["C00001"]}, key="one")
    first = send(practice, key="first")
    practice.settle({"claim_ids": ["C00002"]}, key="two")
    second = send(practice, key="second")

    assert {row["Claim ID"] for row in drawn(practice, file=first.id)} == {"C00001"}
    assert {row["Claim ID"] for row in drawn(practice, file=second.id)} == {"C00002"}
    assert (first.write_offs, first.reversals, first.written_off_cents) == (2, 0, 15_00)
    with pytest.raises(NothingToSend):
        send(practice, key="third")
    assert [entry.facts for entry in practice.audited("write_offs.sent")] == [{"postings": 2, "net_cents": 15_00}] * 2


def test_a_posting_that_commits_after_the_file_was_made_is_in_the_next_one(practice: GivenPractice) -> None:
    practice.claims(2)
    practice.confirmed(chunk_claims=1)
    slow, fast = practice.take_chunk(), practice.take_chunk()
    with practice.sessions() as session, session.begin():
        earlier = NOW - dt.timedelta(microseconds=1)  # the other chunk would wait for one of the same moment
        settle_chunk.settle(session, slow, now=earlier)  # its postings have the lower ids
        practice.settle_chunk(fast)
        first = send(practice, key="first")
    second = send(practice, key="second")

    in_first, in_second = drawn(practice, file=first.id), drawn(practice, file=second.id)

    assert len({row["Claim ID"] for row in in_first + in_second}) == 2
    assert max(int(row["Posting ID"]) for row in in_second) < min(int(row["Posting ID"]) for row in in_first)


def test_files_made_at_once_have_each_posting_once(practice: GivenPractice, rounds: int) -> None:
    for round_ in range(rounds // 4):
        first = 1 + 3 * round_
        practice.claims(3, first=first)
        numbers = [f"C{nth:05d}" for nth in range(first, first + 3)]
        practice.confirmed({"claim_ids": numbers}, key=f"round {round_}", chunk_claims=1)
        chunks = [practice.take_chunk() for _ in numbers]
        sending = [lambda key=f"{round_} {nth}": send(practice, key=key) for nth in range(2)]

        raised = raised_at_once(*(lambda one=one: practice.settle_chunk(one) for one in chunks), *sending)

        assert all(isinstance(error, NothingToSend) for error in raised), raised
    left = [row["Posting ID"] for row in drawn(practice, unsent=True)]
    with practice.sessions() as session:
        files = sent_files.list_files(session, practice.id, limit=1_000)
    sent = [row["Posting ID"] for file in files for row in drawn(practice, file=file.id)]
    everything = [row["Posting ID"] for row in drawn(practice)]
    assert sorted(sent + left) == sorted(everything)
    assert len(everything) == 3 * 2 * (rounds // 4)


def test_reversals_and_late_payments_are_rows_of_their_own(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(2, insurance=0, patient=10_00)
    job = practice.settle()
    send(practice, key="first")
    practice.pay("C00001", 4_00)  # reverses the write-off and posts the rest again
    practice.reverse(job, "C00002", by=admin)
    practice.run()

    file = send(practice, key="second")

    rows = [(row["Claim ID"], row["Write-off or reversal"], row["Amount"]) for row in drawn(practice, file=file.id)]
    assert sorted(rows) == [
        ("C00001", "reversal", "10.00"), ("C00001", "write-off", "-6.00"), ("C00002", "reversal", "10.00")
    ]  # fmt: skip
    assert (file.write_offs, file.reversals, file.written_off_cents, file.reversed_cents) == (1, 2, 6_00, 20_00)
    reasons_given = {row["Reason"] for row in drawn(practice, file=file.id)}
    assert reasons_given == {"Small balance"}


def test_a_sent_file_drawn_again_is_the_same_whatever_changed_later(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(2)
    practice.settle()
    columns = ["patient", "adjustment_code", "service_date", "procedure_code"]
    practice.act(layouts.save, "Ours", Layout.of({"columns": [{"column": one} for one in columns]}))
    file = send(practice, "ours")
    before = drawn(practice, file=file.id)

    practice.act(layouts.save, "Ours", Layout.of({"columns": [{"column": "line"}]}))
    practice.act(reasons.change, "small_balance", {"name": "Tiny", "adjustment_code": "T1"}, by=admin)
    practice.sql("UPDATE patient SET name = 'Corrected'")
    practice.sql("UPDATE claim SET service_date = '2026-05-08'")
    practice.sql("UPDATE line_item SET procedure_code = '99214'")
    practice.claims(1, first=3)
    practice.settle({"claim_ids": ["C00003"]}, key="later")

    assert drawn(practice, file=file.id) == before
    new = drawn(practice, unsent=True)
    assert {(row["Patient"], row["Adjustment code"]) for row in new} == {("Corrected", "T1")}


def test_a_file_sent_by_an_earlier_version_shows_the_facts_of_today(practice: GivenPractice) -> None:
    practice.claims(1)
    practice.settle()
    practice.act(layouts.save, "Ours", Layout.of({"columns": [{"column": "procedure_code"}]}))
    file = send(practice, "ours")
    practice.sql("UPDATE sent_posting SET service_date = NULL, procedure_code = NULL")  # as that version left them

    practice.sql("UPDATE line_item SET procedure_code = '99214'")

    assert {tuple(row.values()) for row in drawn(practice, file=file.id)} == {("99214",)}


def test_a_blank_adjustment_code_is_filled_in_from_the_reason_of_today(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    job = practice.settle()

    practice.act(reasons.change, "small_balance", {"name": "Tiny", "adjustment_code": "T1"}, by=admin)

    rows = drawn(practice, job=job.job_id)
    assert {(row["Reason"], row["Adjustment code"]) for row in rows} == {("Small balance", "T1")}


def test_the_same_key_makes_one_file(practice: GivenPractice) -> None:
    practice.claims(1)
    practice.settle()

    assert send(practice).id == send(practice).id
    with pytest.raises(IdempotencyMismatch):
        send(practice, IMPORT)
    with pytest.raises(BadIdempotencyKey):
        send(practice, key="")


@pytest.mark.usefixtures("short_lock_waits")
def test_a_second_file_is_refused_while_a_long_one_is_made(practice: GivenPractice) -> None:
    practice.claims(1)
    practice.settle()
    with practice.sessions() as session, session.begin():
        sent_files.send(session, STANDARD, key="long", by=practice.biller, now=NOW)
        with pytest.raises(FileBusy):
            send(practice, key="another")


def test_an_approver_may_download_but_not_mark_a_file_as_sent(practice: GivenPractice, approver: Actor) -> None:
    practice.claims(1)
    practice.settle()

    with pytest.raises(NotAllowed):
        send(practice, by=approver)
    practice.act(sent_files.authorize_download, PostingsFilter(unsent=True), None, by=approver)
    assert [entry.facts for entry in practice.audited("write_offs.downloaded")] == [{"unsent": True}]


def test_another_practice_sees_none_of_it(practice: GivenPractice) -> None:
    practice.claims(1)
    job = practice.settle()
    file = send(practice)
    other = a_practice(practice.sessions, name="Harbor")

    with pytest.raises(NoSuchFile):
        drawn(other, file=file.id)
    assert (drawn(other), drawn(other, job=job.job_id)) == ([], [])


def test_pages_of_rows_follow_each_other(practice: GivenPractice) -> None:
    practice.claims(3)
    practice.settle()
    wanted = PostingsFilter(posted_from=NOW.date(), posted_through=NOW.date())
    seen, cursor = [], None

    for _ in range(3):
        page = practice.do(postings.page, practice.id, wanted, cursor=cursor, limit=2)
        seen += [(row.claim_id, row.responsibility.value) for row in page.rows]
        cursor = page.next_cursor

    assert seen == [(f"C0000{nth}", side) for nth in (1, 2, 3) for side in ("insurance", "patient")]
    assert cursor is None


def test_what_we_export_can_be_imported_into_another_practice(
    practice: GivenPractice, tmp_path: Path, admin: Actor
) -> None:
    other = a_practice(practice.sessions, name="Harbor")
    for one in (practice, other):
        one.claim("-1", Line(12_00, 3_00), Line(0, 5_00))
        one.claim("2", Line(7_00, 0))
    job = practice.settle()
    practice.reverse(job, "2", by=admin)
    practice.run()
    with practice.sessions() as session:
        pieces = sent_files.draw(session, practice.id, PostingsFilter(), IMPORT, "csv")
        (tmp_path / "postings.csv").write_text("".join(map(str, pieces)), encoding="utf-8")

    done = other.act(import_postings, tmp_path / "postings.csv", practice_name="Harbor", by=None)

    assert done.added == 5
    for number in ("-1", "2"):
        ours, theirs = practice.read(number), other.read(number)
        assert (theirs.insurance_due, theirs.patient_due) == (ours.insurance_due, ours.patient_due)
    assert other.violations() == []
