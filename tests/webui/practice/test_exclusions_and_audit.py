"""The pages of holds and exclusions, and of the audit."""

import csv
import io
import re

import pytest
from sqlalchemy import insert, text

from core.access import audit, passwords, tokens, users
from core.enums.claims import Hold
from core.enums.people import Role
from core.models.import_changes import ImportChange
from tests.factories import NOW, GivenPractice, Line
from tests.webui.conftest import Browser

PAGE = "/exclusions"


def test_an_administrator_excludes_a_patient_and_ends_the_exclusion(
    practice: GivenPractice, admin: Browser, biller: Browser
) -> None:
    practice.claim("C1", Line(100, 50))

    created = admin.post(PAGE, on=PAGE, kind="patient", number="1", why="Court <order>", until="2026-11-30")

    assert created.status_code == 303
    shown = biller.read(PAGE)
    assert "Court <order>" in shown
    assert "11/30/2026" in shown
    assert "Exclude a patient or payer" not in shown, "only an administrator can exclude"
    claim = biller.says("/claims/C1")
    assert "The patient The Patient is excluded from write-offs through 11/30/2026 . Excluded by admin" in claim
    assert "On hold, or excluded from write-offs" in claim
    assert "C1" in biller.read("/claims?on_hold=true")

    assert admin.post(f"{PAGE}/1/end", on=PAGE).status_code == 303
    assert "No patient or payer is excluded from write-offs" in biller.says(PAGE)
    assert "Court <order>" in biller.read(f"{PAGE}?all=1")


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ({"kind": "patient", "number": "9", "why": "x"}, "no patient with this ID"),
        ({"kind": "", "number": "1", "why": "x"}, "Choose either a patient or a payer."),
        ({"kind": "payer", "number": "1", "why": ""}, "Enter a reason. It is the only record of why."),
        ({"kind": "payer", "number": "1", "why": "x", "until": "2026-11-22"}, "cannot be in the past"),
        ({"kind": "payer", "number": "1", "why": "x", "until": "soon"}, "Enter a date"),
        ({"kind": "payer", "number": "1", "why": "x", "until": "20261130"}, "Enter a date"),
        ({"kind": "payer", "number": "1", "why": "x", "until": "2026-W48-1"}, "Enter a date"),
    ],
)
def test_an_error_is_shown_at_its_field_and_keeps_what_was_typed(
    practice: GivenPractice, admin: Browser, typed: dict[str, str], fault: str
) -> None:
    answer = admin.post(PAGE, on=PAGE, **{**typed, "why": typed["why"] and "Typed words"})

    assert answer.status_code == 422
    assert fault in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert not typed["why"] or 'value="Typed words"' in answer.text


def test_a_patient_without_an_id_is_not_called_a_payer(admin: Browser) -> None:
    answer = admin.post(PAGE, on=PAGE, kind="patient", number=" ", why="x")

    assert answer.status_code == 422
    assert "Enter the ID." in answer.text
    assert "no payer with" not in answer.text


def test_excluding_a_payer_twice_is_refused(practice: GivenPractice, admin: Browser) -> None:
    admin.post(PAGE, on=PAGE, kind="payer", number="1", why="x")

    answer = admin.post(PAGE, on=PAGE, kind="payer", number="1", why="x")

    assert answer.status_code == 409
    assert "This patient or payer is already excluded. End that exclusion first to change it." in answer.text


def test_a_hold_shows_who_set_it_why_and_until_when(practice: GivenPractice, admin: Browser, biller: Browser) -> None:
    practice.claim("C1", Line(100, 50))
    page = "/claims/C1"

    answer = biller.post(f"{page}/hold", on=page, hold="legal_hold", why="Letter of <x>", until="2026-11-30")

    assert answer.status_code == 303
    for path in (page, PAGE, f"{PAGE}?hold=legal_hold"):
        shown = biller.read(path)
        assert "Letter of <x>" in shown
        assert "11/30/2026" in shown
    assert "No claims have this type of hold" in biller.says(f"{PAGE}?hold=appeal_open")
    assert "last day 11/30/2026, by biller: Letter of <x>" in biller.read("/claims")

    refused = admin.post(f"{page}/hold", on=page, hold="hold", why="Kept words", until="2026-11-01")
    assert refused.status_code == 422
    assert 'value="Kept words"' in refused.text
    assert "cannot be in the past" in refused.text

    biller.post(f"{page}/hold", on=page, hold="")
    assert practice.read("C1").hold is Hold.LEGAL
    assert "Only an administrator can change or release a legal hold." in biller.says(page)
    assert ">Release</button>" not in biller.read(PAGE)
    released = admin.post("/claims/C1/hold", on=PAGE, hold="", back="exclusions")
    assert released.headers["Location"].startswith(PAGE)
    assert practice.read("C1").hold is None


def test_the_audit_shows_who_did_what_and_can_be_filtered(
    practice: GivenPractice, admin: Browser, biller: Browser
) -> None:
    practice.claims(2)
    biller.post("/claims/C00001/hold", on="/claims/C00001", hold="legal_hold", why="Secret words")
    job = practice.settle({"claim_ids": ["C00002"]})

    listed = admin.says("/audit")
    assert "Put claim C00001 on hold" in listed
    assert f"Completed job {job.job_id}" in listed
    assert "succeeded 1" in listed
    assert not re.search(r"\b[0-9a-f]{64}\b.*Each checksum", listed), "a job's checksum is only in the file"
    assert "Secret" not in listed
    assert "Confirmed job" not in admin.says("/audit?claim=C00001")
    assert f"Confirmed job {job.job_id}" in admin.says("/audit?claim=C00002")
    assert "No entries match" in admin.says("/audit?from=2026-11-24")
    assert "Put claim C00001 on hold" in admin.says(f"/audit?person={practice.biller.user_id}")
    assert "Looked at claim" not in listed
    biller.get("/claims/C00001")
    assert admin.says("/audit?claim=C00001").count("Looked at claim C00001") == 1
    assert "Looked at claim C00001" in admin.says(f"/audit?person={practice.biller.user_id}")


def test_the_audit_leads_to_the_old_and_new_values_of_the_changes_that_an_import_applied(
    practice: GivenPractice, admin: Browser
) -> None:
    with practice.sessions.begin() as session:
        subject = audit.Subject.practice(practice.id)
        entry = audit.record(
            session, "import.changes_taken", subject, by=practice.biller, now=NOW, changes={"patient name": 1},
            changes_sha256="ab" * 32,
        )  # fmt: skip
        values = {"practice_id": practice.id, "entry_id": entry, "record": "patient", "number": "P-1"}
        session.execute(insert(ImportChange).values(**values, field="name", old="Old, Ann", new="New, Ann"))

    listed = admin.read("/audit")
    address = re.search(r"/audit/\d+/changes", listed)
    assert address is not None
    assert "Applied changes from an import" in listed
    assert "ab" * 32 not in listed, "the checksum is only in the file"
    shown = admin.says(address[0])
    assert "Patient P-1 Name Old, Ann New, Ann" in shown
    assert admin.get("/audit/999/changes").status_code == 404


def test_the_audit_names_the_right_user_and_the_practices_own_patient_numbers(
    practice: GivenPractice, admin: Browser
) -> None:
    with practice.sessions() as session:
        cai = users.add_user(
            session, practice_id=practice.id, email="cai@x.example", name="Cai", role=Role.BILLER,
            password=passwords.generate_password(), now=NOW,
        )  # fmt: skip
        with pytest.raises(users.SignInFailed):
            users.sign_in(session, email=cai.email, password="wrong", now=NOW)
        session.execute(  # in the format of an earlier version
            text(
                "INSERT INTO audit_entry (practice_id, at, user_id, act, subject, facts) VALUES "
                "(:practice, now(), :user, 'user.sign_in_failed', :subject, '{}'), "
                "(:practice, now(), :user, 'exclusion.made', 'exclusion:1', jsonb_build_object('patient_id', 9001))"
            ),
            {"practice": practice.id, "user": cai.id, "subject": f"user:{cai.id}"},
        )
        session.execute(
            text(
                "INSERT INTO patient (practice_id, id, external_id, name) OVERRIDING SYSTEM VALUE "
                "VALUES (:practice, 9001, 'PT-100771', 'Ann')"
            ),
            {"practice": practice.id},
        )
        tokens.add_token(session, cai, NOW)
        session.commit()
    admin.post(PAGE, on=PAGE, kind="patient", number="PT-100771", why="Court order")
    admin.post(f"{PAGE}/1/end", on=PAGE)

    shown = admin.says("/audit")

    assert shown.count("Not signed in A sign-in as Cai failed") == 2
    assert "Cai A sign-in" not in shown
    assert "Command line Created token 1 for the API" in shown
    assert shown.count("Excluded patient PT-100771 from write-offs patient PT-100771") == 2
    assert "admin Ended the exclusion of patient PT-100771" in shown
    assert "9001" not in shown
    assert "internal number" not in shown
    rows = list(csv.DictReader(io.StringIO(admin.get("/audit/audit.csv").text.removeprefix("\ufeff"))))
    assert {row["User"] for row in rows if row["Action code"] == "user.sign_in_failed"} == {"Not signed in"}
    assert {row["E-mail"] for row in rows if row["Action code"] == "user.sign_in_failed"} == {""}


@pytest.mark.parametrize(
    "query",
    ["job=x", "job=12.0", "from=monday", "from=2026-W48-1", "to=20261130", "from=2026-11-02&to=2026-11-01",
     "person=Ann"],
)  # fmt: skip
def test_an_invalid_audit_filter_lists_no_entries(admin: Browser, query: str) -> None:
    answer = admin.get(f"/audit?{query}")

    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert "Fix the filter to see audit entries." in answer.text


def test_an_export_of_the_audit_is_recorded_in_the_audit(practice: GivenPractice, admin: Browser) -> None:
    practice.claims(1)
    practice.settle()

    answer = admin.get("/audit/audit.csv")

    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["Number"] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert rows[-1]["Action code"] == "audit.exported"
    assert "Exported the audit log" in admin.says("/audit")
