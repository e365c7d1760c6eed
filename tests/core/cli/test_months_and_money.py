"""`settle month`, `credits`, `recoveries` and `import postings`, as typed."""

import json
from pathlib import Path

import pytest

from core.db.engine import Sessions
from core.models.people import Role
from core.models.practices import PayerClass
from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, Line, a_practice

HEAD = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"
BILLER, ADMIN = "biller@lakeside.example", "admin@lakeside.example"


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    made = a_practice(sessions)
    made.person(ADMIN, Role.ADMIN)
    return made


def test_a_month_is_closed_listed_and_reopened(practice: GivenPractice, typed: Typed) -> None:
    practice.claim("C1", Line(0, 100_00))

    closed = typed("month", "close", "2026-05", "--as", ADMIN, "--json")
    listed = json.loads(typed("month", "list", "--as", BILLER, "--json").stdout)

    assert (closed.exit_code, json.loads(closed.stdout)["totals"]["charge"]["patient"]["cents"]) == (0, 100_00)
    assert {"2026-05": "closed", "2026-06": "open"}.items() <= {one["month"]: one["state"] for one in listed}.items()
    assert "closed           1 postings" in typed("month", "list", "--as", BILLER).stdout
    assert typed("month", "reopen", "2026-05", "--as", ADMIN).exit_code == 2
    assert typed("month", "reopen", "2026-05", "--as", BILLER, "--reason", "x").exit_code == 1
    assert (
        "reopened: A late file" in typed("month", "reopen", "2026-05", "--as", ADMIN, "--reason", "A late file").stdout
    )
    typed("month", "close", "2026-05", "--as", ADMIN)
    typed("month", "reopen", "2026-05", "--as", ADMIN, "--reason", "Another")
    shown = typed("month", "show", "2026-05", "--as", BILLER).stdout.splitlines()
    assert [line.split("admin ")[1][:15] for line in shown[1:]] == [
        "reopened it: An", "closed it: 1 po", "reopened it: A ", "closed it: 1 po"
    ]  # fmt: skip
    history = json.loads(typed("month", "show", "2026-05", "--as", BILLER, "--json").stdout)["history"]
    assert [(act["state"], act["reason"]) for act in history[:2]] == [("open", "Another"), ("closed", "")]
    assert typed("month", "close", "2026-13", "--as", ADMIN).stderr.startswith("Write the month as YYYY-MM")
    assert typed("verify").exit_code == 0


def test_closing_a_month_names_the_previews_that_it_stops(practice: GivenPractice, typed: Typed) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.preview()

    shown = typed("month", "show", "2026-11", "--as", BILLER)
    closed = typed("month", "close", "2026-11", "--as", ADMIN)

    stops = f"Job {job.job_id} is waiting for CONFIRM and needs a new posting date."
    assert f"If you close it: {stops}" in shown.stdout
    assert (closed.exit_code, closed.stderr) == (0, f"{stops}\n")
    assert "Closing it" not in typed("month", "show", "2026-11", "--as", BILLER).stdout


def test_credits_are_listed_and_written_as_csv(practice: GivenPractice, typed: Typed) -> None:
    practice.claim("C1", Line(-10_00, 5_00), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))
    practice.claim("C2", Line(0, -1_00))

    assert "2 credits, total $11.00." in typed("credits", "--as", BILLER).stdout
    assert "refund due to M by" in typed("credits", "--as", BILLER, "--responsibility", "insurance").stdout
    found = json.loads(typed("credits", "--as", BILLER, "--payer-class", "medicare", "--json").stdout)
    assert [(one["claim_id"], one["credit_cents"]) for one in found] == [("C1", 10_00)]
    assert typed("credits", "--as", BILLER, "--csv").stdout_bytes.startswith("\ufeffClaim ID,Patient".encode())
    assert typed("credits", "--as", BILLER, "--csv", "--json").exit_code == 2
    assert "whole cents" in typed("credits", "--as", BILLER, "--at-least-cents", "1.5").stderr


def test_postings_are_imported_from_a_file_and_late_payments_are_reported(
    practice: GivenPractice, typed: Typed, tmp_path: Path
) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.settle()
    file = tmp_path / "payments.csv"
    file.write_text(f"{HEAD}\na,C1,1,patient,payment,-40.00,patient,,,2026-11-20\n", encoding="utf-8")

    first = typed("import", "postings", file, "--practice", "Lakeside", "--as", BILLER)
    again = typed("import", "postings", file, "--practice", "Lakeside")

    assert first.stdout.splitlines()[:3] == [
        "Rows read: payments.csv 1.",
        "Lakeside: added 1 posting.",
        "1 posting arrived after a write-off: $40.00 of write-offs was reversed.",
    ]
    assert again.stdout.splitlines()[1:] == ["Nothing new: Lakeside already has all 1 posting."]
    assert "recovered $40.00" in typed("recoveries", "--as", BILLER).stdout
    certificate = typed("certificate", job.job_id, "--as", BILLER).stdout
    assert "  Recovered later     $40.00 by 1 later payment\n  Still written off   $60.00\n" in certificate
    assert f"of job {job.job_id}" in typed("recoveries", "--as", BILLER, "--month", "2026-11").stdout
    (month,) = json.loads(typed("recoveries", "--as", BILLER, "--json").stdout)
    assert (month["payments"], month["recovered_cents"]) == (1, 40_00)
    file.write_text(f"{HEAD}\nb,C9,1,patient,payment,-40.00,patient,,,2026-11-20\n", encoding="utf-8")
    refused = typed("import", "postings", file, "--practice", "Lakeside")
    assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (1, "Nothing was imported: 1 error.")
    assert typed("verify").exit_code == 0


def test_a_refunded_payment_is_listed_as_a_restored_write_off(typed: Typed, practice: GivenPractice) -> None:
    practice.claim("C1", Line(0, 100_00))
    job = practice.settle()
    practice.pay("C1", 40_00)
    practice.pay("C1", -10_00)

    listed = typed("recoveries", "--as", BILLER, "--month", "2026-11").stdout

    assert f"patient: refund or takeback of $10.00 restored $10.00 of write-offs of job {job.job_id}\n" in listed
    assert f"patient: payment of $40.00 reversed $40.00 of write-offs of job {job.job_id}\n" in listed
    assert "recovered $30.00" in typed("recoveries", "--as", BILLER).stdout
