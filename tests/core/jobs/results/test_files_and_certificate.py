"""What a finished job provides: three files, and a certificate that adds up."""

import csv
import io
import zipfile

import pytest

from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.jobs import JobFile
from core.enums.practices import WriteOffSetting
from core.jobs import commands
from core.jobs.execution import finish
from core.jobs.keys import JobKey
from core.jobs.results import certificates, files
from core.jobs.results.certificates import NotFinished
from core.models.practices import Patient
from tests.factories import NOW, GivenPractice, Line


def _csv(practice: GivenPractice, job: JobKey, file: JobFile) -> list[list[str]]:
    with practice.sessions() as session:
        whole = "".join(files.csv_file(session, job, file, now=NOW))
    assert whole.startswith("\ufeff"), "spreadsheets read the file as UTF-8 by its byte order mark"
    return list(csv.reader(io.StringIO(whole[1:], newline="")))


def test_the_three_files_name_every_claim_once(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 50))
    practice.claim("2", Line(100, 0), hold=Hold.LEGAL)
    practice.claim("3", Line(0, 5))
    practice.claim("4", Line(0, 7))
    practice.refuse_to_settle("3")
    job = practice.confirmed(chunk_claims=1, name="Monday")
    for _ in range(3):
        practice.settle_chunk(practice.take_chunk())
    with transaction(practice.sessions) as session:
        commands.cancel(session, job, by=practice.biller, now=NOW)
        finish.advance(session, job, now=NOW)

    settled, not_settled, not_processed = (_csv(practice, job, file) for file in JobFile)

    assert settled[1:] == [
        ["1", "The Patient", "05/07/2026", "1.00", "0.50", "", "", "Monday"],
        ["Total", "", "", "1.00", "0.50", "", "", ""],
    ]  # fmt: skip
    assert [row[0] for row in not_settled[1:-1]] == ["2", "3"]
    assert not_settled[1][3:8] == [
        "skipped",
        "on_hold",
        "On hold, or excluded from write-offs",
        "hold: legal hold",
        "After a change: release the hold or end the exclusion",
    ]
    assert not_settled[2][3:5] == ["failed", "database_refused"]
    assert not_processed[1:-1] == [["4", "The Patient", "05/07/2026", "0.00", "0.07", "Monday"]]


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\tx"])
def test_a_patients_name_is_never_exported_as_a_formula(practice: GivenPractice, name: str) -> None:
    with transaction(practice.sessions) as session:
        session.get_one(Patient, (practice.id, practice.ids["Patient"])).name = name
    practice.claim("=1+1", Line(100, 0))
    job = practice.settle()

    row = _csv(practice, job, JobFile.SETTLED)[1]
    with practice.sessions() as session:
        book = b"".join(files.xlsx_file(session, job, JobFile.SETTLED, now=NOW))

    assert row[0] == "'=1+1"
    assert row[1] == f"'{name}"
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "=1+1" in sheet


def test_a_certificate_adds_up_to_the_cent(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 50), Line(0, 25))
    practice.claim("2", Line(-100, 0))
    own = practice.provider("Own", write_off=WriteOffSetting.PATIENT)
    practice.claim("3", Line(40, 7), billing_provider_id=own)
    job = practice.settle(note="Year-end")

    found = practice.do(certificates.for_job, job)

    assert (found.total, found.settled, found.skipped, found.failed, found.not_processed) == (3, 2, 1, 0, 0)
    assert (found.receivable_before.total_cents, found.written_off.total_cents) == (222, 182)
    assert found.receivable_after.model_dump() == {"insurance_cents": 40, "patient_cents": 0, "total_cents": 40}
    assert [(g.name, g.insurance_cents, g.patient_cents) for g in found.by_provider] == [
        ("The Provider", 100, 75), ("Own", 0, 7)
    ]  # fmt: skip
    assert found.by_code == {"credit_insurance": 1}
    assert (found.confirmed_by, found.note, found.reason) == ("biller", "Year-end", "small_balance")
    assert found.provider_settings == {"Own": "patient"}
    assert found.reconciles


def test_the_hash_of_the_items_differs_for_different_frozen_selections(practice: GivenPractice) -> None:
    practice.claims(3)
    one, two = practice.preview(key="one"), practice.preview(key="two")
    practice.pay("C00002", 1)
    three = practice.preview(key="three")

    with practice.sessions() as session:
        first, second, other = (certificates.items_hash(session, job) for job in (one, two, three))

    assert first == second
    assert first != other


def test_a_reversal_has_its_own_certificate(practice: GivenPractice, approver: Actor) -> None:
    practice.claim("1", Line(100, 50))
    job = practice.settle()
    reversal = practice.reverse(job, by=approver)
    practice.run()

    found = practice.do(certificates.for_job, reversal)

    assert (found.receivable_before.total_cents, found.receivable_after.total_cents) == (0, 150)
    assert _csv(practice, reversal, JobFile.SETTLED)[0][3:5] == ["Insurance restored", "Patient restored"]
    assert found.reverses_job_id == str(job.job_id)
    assert found.reconciles


def test_an_unfinished_job_has_no_certificate(practice: GivenPractice) -> None:
    practice.claims(1)
    job = practice.preview()

    with pytest.raises(NotFinished), practice.sessions() as session:
        certificates.for_job(session, job)


def test_an_empty_result_file_has_a_header(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 1))
    job = practice.settle()

    assert _csv(practice, job, JobFile.NOT_SETTLED) == [list(files.COLUMN_HEADINGS[JobFile.NOT_SETTLED])]
