"""Files that commands write, and details of lists."""

import csv
import datetime as dt
import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.audit import verify_package
from core.cli import months
from core.db.engine import Sessions
from core.enums.claims import Hold
from core.enums.people import Role
from core.schedules import tick
from tests.core.cli.conftest import Typed
from tests.factories import NOW, GivenPractice, Line, a_practice

EARLIER = {"not-processed": "not-reached"}  # its name in 0.1.0
BILLER, APPROVER, ADMIN = "biller@lakeside.example", "approver@lakeside.example", "admin@lakeside.example"


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """Create three claims, one of them on hold, and a job that has settled the other two."""
    given = a_practice(sessions)
    given.claim("A1", Line(1_000, 500))
    given.claim("A2", Line(0, 250))
    given.claim("A3", Line(100, 0), hold=Hold.LEGAL)
    given.person(APPROVER, Role.APPROVER)
    given.person(ADMIN, Role.ADMIN)
    given.settle()
    return given


@pytest.mark.parametrize("file", ["settled", "not-settled", "not-processed"])
def test_a_file_has_the_same_bytes_in_a_folder_and_at_the_terminal(
    typed: Typed, practice: GivenPractice, file: str
) -> None:
    written = typed("download", "1", file, by=BILLER)
    shown = typed("download", "1", file, "--output", "-")

    assert written.stdout == f"Wrote job-1-{file}.csv.\n"
    assert [path.name for path in Path().iterdir()] == [f"job-1-{file}.csv"]
    assert Path(f"job-1-{file}.csv").read_bytes() == shown.stdout_bytes
    rows = list(csv.DictReader(io.StringIO(shown.stdout_bytes.decode("utf-8-sig"))))
    assert shown.stdout_bytes == typed("download", "1", EARLIER.get(file, file), "--output", "-").stdout_bytes
    ids = {"settled": ["A1", "A2", "Total"], "not-settled": ["A3", "Total"]}
    assert [row["Claim ID"] for row in rows] == ids.get(file, [])


def test_a_workbook_is_written_and_an_unwritable_file_leaves_nothing(typed: Typed, practice: GivenPractice) -> None:
    typed("download", "1", "settled", "--format", "xlsx", "--output", "left.xlsx", by=BILLER)
    assert zipfile.is_zipfile("left.xlsx")
    for path in ("nowhere/x.csv", "left.xlsx/x.csv"):
        refused = typed("download", "1", "settled", "--output", path)
        assert (refused.exit_code, len(refused.stderr.splitlines())) == (1, 1)
    assert typed("download", "9", "settled").stderr == "There is no such job in this practice.\n"
    assert [path.name for path in Path().iterdir()] == ["left.xlsx"]


def test_the_ending_of_the_output_chooses_the_format(typed: Typed, practice: GivenPractice) -> None:
    assert typed("download", "1", "settled", "--output", "book.XLSX", by=BILLER).exit_code == 0
    assert Path("book.XLSX").read_bytes().startswith(b"PK")

    refused = typed("download", "1", "settled", "--format", "csv", "--output", "other.xlsx")

    assert refused.exit_code == 2
    assert "--output other.xlsx ends in .xlsx, but --format is csv. Change one of them." in refused.stderr
    assert not Path("other.xlsx").exists()


@pytest.mark.usefixtures("practice")
@pytest.mark.parametrize("act", ["show", "close"])
def test_a_month_in_another_form_is_refused_with_the_right_form(typed: Typed, act: str) -> None:
    refused = typed("month", act, "10/2026", by=BILLER)

    assert (refused.exit_code, refused.stderr) == (1, "Write the month as YYYY-MM, such as 2026-11.\n")


def test_the_certificate_shows_money_and_what_a_later_payment_changed(typed: Typed, practice: GivenPractice) -> None:
    practice.pay("A1", 2_00)
    practice.pay("A1", -1_00)

    words = typed("certificate", "1", by=APPROVER)
    facts = json.loads(typed("certificate", "1", "--json").stdout)

    shown = {line[2:22].strip(): line[22:] for line in words.stdout.splitlines()[1:]}
    assert shown["Written off"] == "$17.50 (insurance $10.00, patient $7.50)"
    assert shown["A/R before"] == "$17.50 (insurance $10.00, patient $7.50), on settled claims"
    assert (shown["Recovered later"], shown["Still written off"]) == ("$1.00 by 1 later payment", "$16.50")
    assert (facts["reconciles"], facts["items_sha256"], shown["Reconciles"]) == (True, shown["Fingerprint"], "yes")
    assert "Fingerprint" not in typed("certificate", "1", by=BILLER).stdout
    listed = typed("recoveries", "--month", "2026-11").stdout
    assert "patient: refund, takeback or void of $1.00 restored $1.00 in write-offs from job 1\n" in listed
    assert "patient: payment of $2.00 reversed $2.00 in write-offs from job 1\n" in listed
    assert "recovered $1.00" in typed("recoveries").stdout


@pytest.mark.parametrize("act", ["confirm", "approve"])
def test_without_a_terminal_a_missing_confirmation_names_its_option(
    typed: Typed, practice: GivenPractice, act: str
) -> None:
    practice.preview(key="second")

    refused = typed(act, "2", by=APPROVER)

    assert refused.exit_code == 2
    assert "Add --confirmation CONFIRM, or run the command at a terminal." in refused.stderr


def test_a_job_that_did_not_end_has_no_certificate(typed: Typed, practice: GivenPractice) -> None:
    practice.preview(key="second")

    refused = typed("certificate", "2", by=BILLER)

    assert refused.stderr == "Only a completed or canceled job has a certificate.\n"


def test_credits_are_written_as_csv(typed: Typed, practice: GivenPractice) -> None:
    practice.claim("C1", Line(-10_00, 0))

    written = typed("credits", "--csv", by=BILLER)

    assert written.stdout_bytes.startswith("\ufeffClaim ID,Patient".encode())
    assert "1 credit, total $10.00." in typed("credits").stdout
    assert typed("credits", "--csv", "--json").exit_code == 2
    assert typed("credits", "--output", "credits.xlsx").stdout == "Wrote credits.xlsx.\n"
    assert zipfile.is_zipfile("credits.xlsx")
    assert typed("credits", "--output", "credits.csv").stdout == "Wrote credits.csv.\n"
    assert Path("credits.csv").read_text(encoding="utf-8-sig").startswith("Claim ID,")
    assert typed("credits", "--output", "credits.txt").exit_code == 2
    assert "whole cents" in typed("credits", "--at-least-cents", "1.5").stderr


def test_the_audit_is_filtered_exported_and_its_end_is_compared(
    typed: Typed, practice: GivenPractice, tmp_path: Path
) -> None:
    typed("hold", "A1", "hold", by=BILLER)
    typed("exclude", "payer", "1", "--why", "Secret", by=ADMIN)

    by_admin = json.loads(typed("audit", "--person", ADMIN, "--json").stdout)
    assert [act["act"] for act in by_admin["acts"]] == ["exclusion.made"]
    assert typed("audit", "--from", "2199-01-01").stdout.startswith("The last entry in the audit log is")
    assert len(typed("audit", "--limit", "1").stdout.splitlines()) == 2
    turned = typed("audit", "--from", "2026-01-02", "--to", "2026-01-01")
    assert (turned.exit_code, turned.stderr) == (1, "The last day is before the first day.\n")

    path = tmp_path / "audit.csv"
    written = typed("audit", "--csv", path)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert rows[-1]["Action code"] == "audit.exported"
    assert rows[-1]["Checksum"] in written.stdout
    assert "Secret" not in path.read_text(encoding="utf-8")
    zipped = tmp_path / "package.zip"
    assert typed("audit", "--package", zipped).stdout.startswith(f"Wrote {zipped}. The last entry in the audit log is ")
    assert not any(verify_package.prove(verify_package.Package(str(zipped)), []).values())

    head = json.loads(typed("audit", "--json").stdout)["head"]
    typed("release", "A1", by=BILLER)
    kept = f"{head['number']}:{head['digest']}"
    assert typed("verify", "--practice", "Lakeside", "--head", kept).exit_code == 0
    forged = typed("verify", "--practice", "Lakeside", "--head", f"{kept[:-1]}x")
    assert (forged.exit_code, "the_kept_head_is_in_the_chain" in forged.stdout) == (1, True)
    assert typed("verify", "--head", kept).exit_code == 2
    witness = tmp_path / "witness"
    assert [typed("verify", "--witness", witness).exit_code for _ in range(2)] == [0, 0]
    (line,) = witness.read_text(encoding="utf-8").splitlines()
    witness.write_text(line.replace(json.loads(line)["sha256"], "0" * 64), encoding="utf-8")
    assert "audit entry" in typed("verify", "--witness", witness, "--practice", "Lakeside").stdout
    witness.write_text("{}", encoding="utf-8")
    assert "Line 1 is not one that" in typed("verify", "--witness", witness).stderr


def test_all_pages_of_a_list_are_read(typed: Typed, practice: GivenPractice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.cli.client.PAGE_ROWS", 2)
    for number in ("A1", "A2"):
        typed("hold", number, "hold", by=BILLER)

    held = json.loads(typed("holds", "--json").stdout)

    assert ([row["claim_id"] for row in held["holds"]], held["next_cursor"]) == (["A1", "A2", "A3"], None)


def test_each_event_of_a_month_is_listed(typed: Typed, practice: GivenPractice) -> None:
    for _ in range(2):
        typed("month", "close", "2026-05", by=ADMIN)
        typed("month", "reopen", "2026-05", "--reason", "Late", by=ADMIN)

    shown = typed("month", "show", "2026-05").stdout.splitlines()

    assert [line.split("admin ")[1][:16] for line in shown[1:]] == ["reopened it: Lat", "closed it: 4 pos"] * 2
    assert typed("month", "close", "2026-13").stderr == "Write the month as YYYY-MM, such as 2026-11.\n"


def test_closing_a_month_names_the_previews_that_it_stops(typed: Typed, practice: GivenPractice) -> None:
    practice.preview(key="second")
    typed("month", "close", "2026-06", by=ADMIN)

    closed = typed("month", "close", "2026-11", by=ADMIN)

    assert (closed.exit_code, closed.stderr.splitlines()) == (
        0, ["Job 2 is waiting for CONFIRM and needs a new posting date.",
            "5 earlier months stay open: 2026-05, 2026-07 to 2026-10."],
    )  # fmt: skip


@pytest.mark.usefixtures("practice")
def test_closing_a_month_at_a_terminal_asks_first(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(months, "sys", at_a_terminal)

    refused = typed("month", "close", "2026-05", by=ADMIN, input="n\n")
    closed = typed("month", "close", "2026-05", by=ADMIN, input="y\n")

    assert refused.exit_code == 1
    assert "Nothing can be posted to May 2026 after the close. Close it?" in refused.stderr
    assert (closed.exit_code, closed.stdout.split()[:2]) == (0, ["2026-05", "closed"])


def test_a_month_is_shown_with_its_net_write_offs_by_reason_and_user(typed: Typed, practice: GivenPractice) -> None:
    practice.post("A2", 1_00, key="late")

    shown = typed("month", "show", "2026-11", by=BILLER).stdout.splitlines()

    later = "written off $7.50 (2), reversed $0.00 (0), recovered or adjusted later $1.00, net $6.50"
    assert shown == [
        "2026-11  open             6 postings",
        "  Write-offs by reason",
        "    Small balance, insurance: written off $10.00 (1), reversed $0.00 (0), net $10.00",
        f"    Small balance, patient: {later}",
        "  Write-offs by user",
        "    biller, insurance: written off $10.00 (1), reversed $0.00 (0), net $10.00",
        f"    biller, patient: {later}",
        "  Net written off: $16.50",
        "  If you close it: 6 earlier months stay open: 2026-05 to 2026-10.",
    ]


def test_administrators_see_the_limits_of_all_users(typed: Typed, practice: GivenPractice) -> None:
    practice.limit(claim=250_00)
    practice.limit_of(practice.biller, job=1_000_00)

    lines = typed("limits", by=ADMIN).stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["Lakeside", ADMIN, APPROVER, BILLER]
    assert [" ".join(lines[at].split()[1:]) for at in (0, 3)] == [
        "claim $250.00, job unlimited", "claim unlimited, job $1,000.00"
    ]  # fmt: skip
    assert "Enter an amount in dollars and cents, such as 1234.56, or “unlimited”" in typed("limit", "job", "").stderr
    assert typed("user", "deactivate", "stranger@example.org").stderr == "This user does not exist in this practice.\n"


def test_imported_postings_that_reverse_a_write_off_are_reported(
    typed: Typed, practice: GivenPractice, tmp_path: Path
) -> None:
    columns = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"
    file = tmp_path / "payments.csv"
    file.write_text(f"{columns}\na,A1,1,patient,payment,-4.00,patient,,,2026-11-20\n", encoding="utf-8")

    first = typed("import", "postings", file, "--practice", "Lakeside", "--as", BILLER)

    assert first.stdout.splitlines()[1:3] == [
        "Lakeside: added 1 posting.", "1 posting came in after a write-off and reversed $4.00 in write-offs."
    ]  # fmt: skip
    assert typed("verify").exit_code == 0


def test_the_aging_is_printed_and_written(typed: Typed, practice: GivenPractice) -> None:
    printed = typed("aging", by=BILLER).stdout

    assert "Insurance" in printed
    assert printed.splitlines()[-1] == "Net A/R $1.00"
    assert typed("aging", "--output", "aging.xlsx").stdout == "Wrote aging.xlsx.\n"
    assert zipfile.is_zipfile("aging.xlsx")
    assert typed("aging", "--output", "aging.txt").exit_code == 2


def test_the_list_of_runs_shows_the_run_date_in_us_form(typed: Typed, practice: GivenPractice) -> None:
    small = ("--filter", "total_due_max_cents=100000", "--reason", "small_balance")
    caps = ("--claims-max", "500", "--amount-max", "unlimited")
    typed("schedule", "add", "--name", "Small", "--at", "02:30", *small, *caps, by=ADMIN)
    tick.tick(practice.sessions, now=NOW + dt.timedelta(days=1))

    assert typed("schedule", "runs").stdout.startswith("     1  11/24/2026  schedule 1  ")
