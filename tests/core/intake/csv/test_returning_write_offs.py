"""Write-offs that come back: the office posts them in its own system, and the next export has them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from core.db.engine import transaction
from core.enums.people import Role
from core.exports import postings, sent_files
from core.exports.postings import PostingsFilter
from core.exports.sent_files import NothingToSend
from core.intake.csv.csv_import import import_csv
from core.intake.loading.corrections import Correction
from core.intake.loading.imported import ImportOptions
from core.jobs.keys import JobKey
from core.models.recognized_postings import RecognizedPosting
from tests.core.intake.conftest import PRACTICE, FilesOfPractice
from tests.core.intake.csv.test_day_two import in_practice, is_sound, read_claim
from tests.factories import NOW, GivenPractice

CLAIM = "184146026"
WRITE_OFF = -12_00
ADJUSTED = ("PM-1", CLAIM, "1", "patient", "adjustment", "-12.00", "", "OA", "", "2026-11-20")
PAID = ("PM-2", CLAIM, "1", "patient", "payment", "-2.00", "patient", "", "", "2026-11-20")
PAID_IN_FULL = ("PM-2", CLAIM, "1", "patient", "payment", "-12.00", "patient", "", "", "2026-11-20")


@pytest.fixture
def practice(files: FilesOfPractice) -> GivenPractice:
    """The practice of the files, with one claim settled: $12.00 of the patient's balance was written off."""
    files.load()
    practice = in_practice(files)
    settle(practice)
    return practice


def settle(practice: GivenPractice) -> JobKey:
    job = practice.settle({"claim_ids": [CLAIM]})
    assert practice.write_offs(CLAIM) == [(1, "patient", WRITE_OFF)]
    return job


def standing(files: FilesOfPractice) -> tuple[str, int, int]:
    claim = read_claim(files)
    assert is_sound(files)
    return claim.billing_status, claim.insurance_due, claim.patient_due


def test_a_write_off_that_the_office_posted_is_not_posted_again(
    files: FilesOfPractice, practice: GivenPractice
) -> None:
    files.append("postings.csv", *ADJUSTED)

    done, again = files.load(), files.load()

    assert done.recognized == (1, 12_00, 1)
    assert (done.added["postings"], done.on_existing.moved.late, done.corrections.changed) == (0, 0, 0)
    assert (again.recognized.postings, again.nothing_new) == (0, True)
    assert standing(files) == ("Settled", 0, 0)
    assert practice.write_offs(CLAIM) == [(1, "patient", WRITE_OFF)], "no recovery is shown"


def unsent(practice: GivenPractice) -> list[tuple[str, int, int]]:
    """Return the write-offs and reversals that the next sent file would contain: claim, line, cents."""
    with practice.sessions() as session:
        page = postings.page(session, practice.id, PostingsFilter(unsent=True), cursor=None, limit=100)
    return [(row.claim_id, row.line, row.amount_cents) for row in page.rows]


def test_a_write_off_that_came_back_is_not_sent_to_the_office_again(
    files: FilesOfPractice, practice: GivenPractice
) -> None:
    assert unsent(practice) == [(CLAIM, 1, WRITE_OFF)]
    files.append("postings.csv", *ADJUSTED)

    files.load()

    assert unsent(practice) == []
    with pytest.raises(NothingToSend):
        practice.act(sent_files.send, "Standard", key="one")


def test_a_reversal_that_came_back_is_not_sent_again_either(files: FilesOfPractice, practice: GivenPractice) -> None:
    practice.act(sent_files.send, "Standard", key="one")
    files.append("postings.csv", *ADJUSTED)
    files.load()
    practice.reverse(JobKey(practice.id, 1), by=practice.person("approver@lakeside.example", Role.APPROVER))
    practice.run()
    assert unsent(practice) == [(CLAIM, 1, -WRITE_OFF)]
    rows = (files.path / "postings.csv").read_text(encoding="utf-8")
    (files.path / "postings.csv").write_text(rows.replace(",".join(ADJUSTED) + "\n", ""), encoding="utf-8")

    assert files.load().recognized.postings == 1
    assert unsent(practice) == []


def test_only_the_lines_that_came_back_are_kept_out_of_the_next_file(files: FilesOfPractice) -> None:
    files.append("line_items.csv", CLAIM, "3", "99000", "5.00", "patient")
    files.load()
    practice = in_practice(files)
    practice.settle({"claim_ids": [CLAIM]})
    assert unsent(practice) == [(CLAIM, 1, WRITE_OFF), (CLAIM, 3, -5_00)]
    files.append("postings.csv", *ADJUSTED)

    assert files.load().recognized.postings == 1

    assert unsent(practice) == [(CLAIM, 3, -5_00)]


def beside(act: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start `act` in a thread that must wait for a lock. Return the thread, and a list for its result or error."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(act())
        except Exception as error:  # noqa: BLE001  the test compares it
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(1)
    assert found == [], "it waits"
    return thread, found


def test_a_file_that_is_sent_during_an_import_waits_for_it(files: FilesOfPractice, practice: GivenPractice) -> None:
    files.append("postings.csv", *ADJUSTED)

    with transaction(files.sessions) as session:
        import_csv(session, files.path, practice_name=PRACTICE, now=NOW)
        thread, found = beside(lambda: practice.act(sent_files.send, "Standard", key="one"))
    thread.join()

    assert [type(one) for one in found] == [NothingToSend]


def test_an_import_waits_for_a_file_that_is_being_sent(files: FilesOfPractice, practice: GivenPractice) -> None:
    files.append("postings.csv", *ADJUSTED)

    with transaction(files.sessions) as session:
        sent_files.send(session, "Standard", key="one", by=practice.biller, now=NOW)
        thread, found = beside(files.load)
    thread.join()

    assert [one.recognized for one in found] == [(1, 12_00, 1)]
    assert unsent(practice) == []


def test_a_check_recognizes_write_offs_and_stores_nothing(files: FilesOfPractice, practice: GivenPractice) -> None:
    files.append("postings.csv", *ADJUSTED)

    with files.sessions() as session:
        checked = import_csv(
            session, files.path, practice_name=PRACTICE, now=NOW, options=ImportOptions(check_only=True)
        )
        assert session.scalars(select(RecognizedPosting)).all() == []

    assert checked.recognized == (1, 12_00, 1)


def test_a_second_equal_adjustment_is_a_new_posting(files: FilesOfPractice, practice: GivenPractice) -> None:
    files.append("postings.csv", *ADJUSTED)
    files.load()
    files.append("postings.csv", "PM-3", *ADJUSTED[1:])

    done = files.load()

    assert (done.recognized.postings, done.added["postings"]) == (0, 1)
    assert done.on_existing.moved.reversed_cents == 12_00, "the line was adjusted to zero without the write-off"
    assert standing(files) == ("Settled", 0, 0)


def test_a_payment_beside_the_returning_write_off_is_posted(files: FilesOfPractice, practice: GivenPractice) -> None:
    files.append("postings.csv", *ADJUSTED)
    files.append("postings.csv", *PAID)

    done = files.load()

    assert (done.recognized.postings, done.added["postings"]) == (1, 1)
    assert done.on_existing.moved.reversed_cents == 2_00
    assert standing(files) == ("Settled", 0, 0)


def test_a_payment_of_the_written_off_balance_is_never_taken_for_the_write_off(
    files: FilesOfPractice, practice: GivenPractice
) -> None:
    files.append("postings.csv", *PAID_IN_FULL)

    done = files.load()

    assert (done.recognized.postings, done.on_existing.moved.reversed_cents) == (0, 12_00)
    assert standing(files) == ("Settled", 0, 0)


def test_one_adjustment_for_all_lines_of_a_claim_is_recognized(files: FilesOfPractice) -> None:
    files.append("line_items.csv", CLAIM, "3", "99000", "5.00", "patient")
    files.load()
    practice = in_practice(files)
    practice.settle({"claim_ids": [CLAIM]})
    assert practice.write_offs(CLAIM) == [(1, "patient", WRITE_OFF), (3, "patient", -5_00)]
    files.append("postings.csv", "PM-1", CLAIM, "1", "insurance", "adjustment", "-17.00", "", "OA", "", "2026-11-20")

    done = files.load()

    assert (done.recognized, done.added["postings"]) == ((1, 17_00, 1), 0)
    assert unsent(practice) == []
    assert standing(files) == ("Settled", 0, 0)


def test_the_first_of_two_write_offs_of_a_line_may_come_back_alone(
    files: FilesOfPractice, practice: GivenPractice
) -> None:
    files.append("postings.csv", "PM-0", CLAIM, "1", "patient", "adjustment", "5.00", "", "OA", "", "2026-11-20")
    files.load()
    practice.settle({"claim_ids": [CLAIM]}, key="again")
    assert practice.write_offs(CLAIM) == [(1, "patient", WRITE_OFF), (1, "patient", -5_00)]
    files.append("postings.csv", *ADJUSTED)

    done = files.load()

    assert (done.recognized, done.added["postings"]) == ((1, 12_00, 1), 0)
    assert standing(files) == ("Settled", 0, 0)


def test_a_reversal_that_the_office_posted_is_recognized_too(files: FilesOfPractice) -> None:
    files.load()
    practice = in_practice(files)
    settled = settle(practice)
    files.append("postings.csv", *ADJUSTED)
    files.load()
    practice.reverse(settled, by=practice.person("approver@lakeside.example", Role.APPROVER))
    practice.run()
    files.append("postings.csv", "PM-3", *ADJUSTED[1:5], "12.00", *ADJUSTED[6:])

    done = files.load()

    assert (done.recognized, done.added["postings"]) == ((1, -12_00, 1), 0)
    assert standing(files)[1:] == (0, 12_00)


def test_an_office_that_undoes_the_write_off_and_posts_the_payment_has_no_credit(
    files: FilesOfPractice, practice: GivenPractice
) -> None:
    files.append("postings.csv", *ADJUSTED)
    files.load()
    files.append("postings.csv", *PAID_IN_FULL)
    files.append("postings.csv", "PM-3", *ADJUSTED[1:5], "12.00", *ADJUSTED[6:])

    files.load()

    assert standing(files) == ("Settled", 0, 0)


def test_a_recognized_posting_that_changes_is_listed_with_its_correction(
    files: FilesOfPractice, practice: GivenPractice
) -> None:
    files.append("postings.csv", *ADJUSTED)
    files.load()
    files.replace("postings.csv", "adjustment,-12.00,,OA,,2026-11-20", "adjustment,-10.00,,OA,,2026-11-20")
    found: list[Correction] = []
    with transaction(files.sessions) as session:
        import_csv(
            session, files.path, practice_name=PRACTICE, now=NOW, options=ImportOptions(each_correction=found.append)
        )

    assert [(one.posting_id, [each.amount_cents for each in one.postings]) for one in found] == [("PM-1", [2_00])]
