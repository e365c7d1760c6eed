"""Reversal of a job, claim holds, and a job's files and certificate by command."""

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest

from core.db.engine import Sessions
from core.jobs import prepare
from core.jobs.keys import JobKey
from core.models.claims import SETTLED, Hold
from core.models.people import AuditEntry, Role
from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, Line, a_practice

BILLER, APPROVER, ADMIN = "biller@lakeside.example", "approver@lakeside.example", "admin@lakeside.example"
# The command uses the real clock, so the job that it confirms also runs by the real clock.


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """Create three claims, one of them on hold, a user of each role, and another practice."""
    given = a_practice(sessions)
    given.claim("A1", Line(1_000, 500))
    given.claim("A2", Line(0, 250))
    given.claim("A3", Line(100, 0), hold=Hold.LEGAL)
    given.person(APPROVER, Role.APPROVER)
    given.person(ADMIN, Role.ADMIN)
    a_practice(sessions, name="Other")
    return given


@pytest.fixture
def job(practice: GivenPractice) -> JobKey:
    """Return a job that has settled A1 and A2 and skipped A3."""
    return practice.settle()


# Reverse


def test_a_job_is_reversed_in_two_steps(typed: Typed, practice: GivenPractice, job: JobKey) -> None:
    previewed = typed("reverse", job.job_id, "--as", APPROVER, "--note", "Wrong month")
    assert previewed.exit_code == 0, previewed.output
    made = job.job_id + 1
    assert previewed.stdout.startswith(
        f"Job {made} reverses job {job.job_id}: 2 claims; 2 will return to an earlier status, reversing 3 write-offs "
        "totaling $17.50 (insurance $10.00, patient $7.50).\n"
    )
    assert "Note: Wrong month." in previewed.stdout
    assert practice.read("A1").billing_status == SETTLED

    confirmed = typed("confirm", made, "--as", APPROVER, "--confirmation", "CONFIRM")
    assert (confirmed.exit_code, confirmed.stdout) == (0, f"Job {made} is confirmed.\n")
    practice.run()

    first = practice.read("A1")
    assert (first.billing_status, first.insurance_due, first.patient_due) == ("Balance Due", 1_000, 500)
    assert practice.violations() == []


def test_some_claims_are_reversed_and_the_facts_are_available_as_json(
    typed: Typed, practice: GivenPractice, job: JobKey
) -> None:
    previewed = typed("reverse", job.job_id, "--as", ADMIN, "--claim", "A2", "--json")
    facts = json.loads(previewed.stdout)
    assert (facts["status"], facts["claims"], facts["patient_cents"]) == ("previewed", 1, 250)


def test_a_claim_changed_after_the_job_is_counted_by_its_code(
    typed: Typed, practice: GivenPractice, job: JobKey
) -> None:
    practice.change("A2", hold=Hold.HOLD)
    previewed = typed("reverse", job.job_id, "--as", APPROVER)
    assert "1 will return to an earlier status" in previewed.stdout
    assert "skip  touched_since: Changed after this job, other than by a payment" in previewed.stdout


def test_a_large_job_is_prepared_by_the_command_itself(
    typed: Typed, practice: GivenPractice, job: JobKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.reversal.create_reversal.PREVIEW_IN_REQUEST_CLAIMS_MAX", 0)
    tries: list[JobKey] = []
    earnest = prepare.prepare

    def late(session: object, key: JobKey, **more: object) -> bool:
        tries.append(key)
        return len(tries) > 1 and earnest(session, key, **more)  # type: ignore[arg-type]  # a worker was at it

    monkeypatch.setattr(prepare, "prepare", late)
    previewed = typed("reverse", job.job_id, "--as", APPROVER, "--json")
    assert json.loads(previewed.stdout)["status"] == "previewed"
    assert len(tries) == 2


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (("--as", BILLER), 1, "Your role (biller) does not allow this"),
        (("--as", "biller@other.example"), 1, "does not allow this"),
        (("--as", "stranger@example.org"), 1, "There is no active user stranger@example.org"),
        (("--as", APPROVER, "--claim", "A3"), 1, "did not settle: A3"),
        (("--as", APPROVER, "--claim", ""), 1, "did not settle"),
        ((), 2, "--as"),
    ],
)
def test_a_refused_reversal_is_one_clear_line(
    typed: Typed, job: JobKey, words: tuple[str, ...], code: int, shown: str
) -> None:
    refused = typed("reverse", job.job_id, *words)
    assert (refused.exit_code, refused.stdout) == (code, "")
    assert shown in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30])
def test_an_impossible_job_id_is_wrong_usage(typed: Typed, practice: GivenPractice, number: str) -> None:
    for command in ("reverse", "certificate", "pause"):
        assert typed(command, "--as", APPROVER, "--", number).exit_code == 2


def test_another_practices_job_is_not_found(typed: Typed, practice: GivenPractice, sessions: Sessions) -> None:
    job = practice.settle()
    stranger = GivenPractice(sessions, practice.id + 1, practice.biller).person("chief@other.example", Role.ADMIN)
    for words in (("reverse", job.job_id), ("certificate", job.job_id), ("download", job.job_id, "settled")):
        refused = typed(*words, "--as", stranger.email)
        assert (refused.exit_code, refused.stderr) == (1, "There is no such job in this practice.\n")
    assert list(Path().iterdir()) == []


def test_a_biller_does_not_confirm_a_reversal(typed: Typed, practice: GivenPractice, job: JobKey) -> None:
    typed("reverse", job.job_id, "--as", APPROVER)
    refused = typed("confirm", job.job_id + 1, "--as", BILLER, "--confirmation", "CONFIRM")
    assert (refused.exit_code, refused.stdout) == (1, "")


# Hold


def test_a_claim_is_put_on_hold_and_released(typed: Typed, practice: GivenPractice) -> None:
    held = typed("hold", "A1", "payment_plan", "--as", BILLER)
    assert (held.exit_code, held.stdout) == (0, "Claim A1 is on hold (payment_plan).\n")
    assert practice.read("A1").hold is Hold.PAYMENT_PLAN
    assert typed("hold", "A1", "none", "--as", BILLER).stdout == "Claim A1 is not on hold.\n"
    assert practice.read("A1").hold is None

    assert typed("hold", "A9", "hold", "--as", BILLER).stderr == "There is no claim A9 in this practice.\n"
    assert typed("hold", "A1", "hold", "--as", APPROVER).exit_code == 1
    assert typed("hold", "A1", "forever", "--as", BILLER).exit_code == 2


# Files


def test_the_files_of_a_job_are_written_to_the_current_folder(
    typed: Typed, practice: GivenPractice, job: JobKey
) -> None:
    written = typed("download", job.job_id, "settled", "--as", BILLER)
    assert (written.exit_code, written.stdout) == (0, f"Wrote job-{job.job_id}-settled.csv.\n")
    assert [path.name for path in Path().iterdir()] == [f"job-{job.job_id}-settled.csv"]
    rows = list(csv.DictReader(io.StringIO(Path(f"job-{job.job_id}-settled.csv").read_text(encoding="utf-8-sig"))))
    assert [(row["Claim ID"], row["Patient written off"]) for row in rows] == [("A1", "5.00"), ("A2", "2.50")]


def test_a_file_goes_to_the_terminal_or_to_a_workbook(
    typed: Typed, practice: GivenPractice, job: JobKey, sessions: Sessions
) -> None:
    shown = typed("download", job.job_id, "not-settled", "--as", APPROVER, "--output", "-")
    (row,) = csv.DictReader(io.StringIO(shown.stdout_bytes.decode("utf-8-sig")))
    assert (row["Claim ID"], row["Code"], row["Why"]) == ("A3", "on_hold", "hold: legal hold")

    typed("download", job.job_id, "not-reached", "--as", BILLER, "--format", "xlsx", "--output", "left.xlsx")
    assert zipfile.is_zipfile("left.xlsx")
    with sessions() as session:
        read = [entry.facts for entry in session.query(AuditEntry).filter_by(act="job.file_downloaded")]
    assert read == [{"file": "not-settled"}, {"file": "not-reached"}]


@pytest.mark.parametrize("file", ["settled", "not-settled", "not-reached"])
def test_a_file_has_the_same_bytes_in_a_folder_and_at_the_terminal(typed: Typed, job: JobKey, file: str) -> None:
    typed("download", job.job_id, file, "--as", BILLER, "--output", "it.csv")
    shown = typed("download", job.job_id, file, "--as", BILLER, "--output", "-")

    assert Path("it.csv").read_bytes() == shown.stdout_bytes
    assert shown.stdout_bytes.startswith("\ufeffClaim ID,".encode())


def test_an_unwritable_file_is_reported_in_one_line_and_leaves_nothing(
    typed: Typed, practice: GivenPractice, job: JobKey
) -> None:
    Path("a_file").touch()
    for path in ("nowhere/x.csv", "a_file/x.csv"):
        refused = typed("download", job.job_id, "settled", "--as", BILLER, "--output", path)
        assert refused.exit_code == 1
        assert len(refused.stderr.splitlines()) == 1
    assert typed("download", job.job_id, "everything", "--as", BILLER).exit_code == 2
    assert typed("download", job.job_id, "settled", "--as", BILLER, "--format", "pdf").exit_code == 2
    assert [path.name for path in Path().iterdir()] == ["a_file"]


def test_a_user_of_operations_cannot_read_a_jobs_files(typed: Typed, practice: GivenPractice, job: JobKey) -> None:
    practice.person("ops@lakeside.example", Role.OPS)
    for words in (("download", job.job_id, "settled"), ("certificate", job.job_id)):
        refused = typed(*words, "--as", "ops@lakeside.example")
        assert refused.exit_code == 1
        assert "Your role (operations)" in refused.stderr


# Certificate


def test_the_certificate_is_printed_and_available_as_json(typed: Typed, practice: GivenPractice, job: JobKey) -> None:
    words = typed("certificate", job.job_id, "--as", APPROVER)
    assert words.exit_code == 0
    lines = words.stdout.splitlines()
    assert lines[0] == (
        f"Job {job.job_id}, to Settled, is completed. 3 claims: 2 settled, 1 skipped, 0 failed, 0 not processed."
    )
    shown = {line[2:22].strip(): line[22:] for line in lines[1:]}
    assert shown["A/R before"] == "$17.50 (insurance $10.00, patient $7.50)"
    assert shown["Written off"] == shown["A/R before"]
    assert shown["A/R after"] == "$0.00 (insurance $0.00, patient $0.00)"
    assert shown["Reconciles"] == "yes"

    facts = json.loads(typed("certificate", job.job_id, "--as", APPROVER, "--json").stdout)
    assert (facts["reconciles"], facts["written_off"]["total_cents"]) == (True, 1_750)
    assert facts["items_sha256"] == shown["Fingerprint"]


def test_an_unfinished_job_has_no_certificate(typed: Typed, practice: GivenPractice) -> None:
    job = practice.preview()
    refused = typed("certificate", job.job_id, "--as", BILLER)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "This job has not ended. A certificate is only for a job that has ended.\n"
