"""The same export a day later: what is new comes in, what changed is listed, and nothing posted is overwritten."""

import datetime as dt
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from core.access.permissions import Actor
from core.audit import import_changes, log
from core.books import closing
from core.books.invariants import violations
from core.claims import holds
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.errors import NotAllowed
from core.intake.csv.csv_import import import_csv
from core.intake.csv.postings_import import import_postings
from core.intake.loading.balance_reasons import NOT_CORRECTED, Reason
from core.intake.loading.imported import Imported, ImportOptions
from core.intake.loading.totals import ExpectedTotalDiffers
from core.intake.parsing.faults import ImportRefused
from core.models.claims import Claim, LineItem
from core.models.import_changes import ImportChange
from core.models.ledger import Posting
from core.models.practices import Patient, Payer
from core.practices.practice_queries import find_by_name
from tests.core.intake.conftest import PRACTICE, FilesOfPractice
from tests.factories import NOW, GivenPractice, add_user

PAID = ("6", "184146026", "1", "patient", "payment", "-2.00", "patient", "", "", "2025-05-01")


def read_claim(files: FilesOfPractice, number: str = "184146026") -> Claim:
    with files.sessions() as session:
        return session.scalars(select(Claim).where(Claim.external_id == number)).one()


def load(files: FilesOfPractice, by: Actor | None = None, **options: Any) -> Imported:
    with transaction(files.sessions) as session:
        return import_csv(session, files.path, practice_name=PRACTICE, now=NOW, by=by, options=ImportOptions(**options))


def a_user(files: FilesOfPractice, role: Role) -> Actor:
    with transaction(files.sessions) as session:
        return add_user(session, find_by_name(session, PRACTICE).id, f"{role}@lakeside.example", role)


def in_practice(files: FilesOfPractice) -> GivenPractice:
    """The practice that the files created, to settle in it."""
    biller = a_user(files, Role.BILLER)
    practice = GivenPractice(files.sessions, biller.practice_id, biller)
    practice.set_write_off(WriteOffSetting.BOTH)
    return practice


def is_sound(files: FilesOfPractice) -> bool:
    with files.sessions() as session:
        return violations(session) == []


def test_new_postings_lines_and_claims_come_in_beside_existing_ones(files: FilesOfPractice) -> None:
    files.load()
    files.append("postings.csv", *PAID)
    files.append("line_items.csv", "184146026", "3", "99000", "25.00", "patient")
    files.append("claims.csv", "N", "P-2", "MAIN", "9000000001", "", "", "2025-03-09", "", "Balance Due", *[""] * 14)
    files.append("line_items.csv", "N", "1", "99213", "10.00", "patient")

    done, again = files.load(), files.load()

    assert (done.added["claims"], done.added["lines"], done.added["postings"]) == (1, 2, 3)
    assert (done.on_existing.claims, done.on_existing.lines, done.on_existing.postings) == (1, 1, 2)
    claim = read_claim(files)
    assert (claim.patient_due, claim.patient_paid, claim.billed, claim.version) == (35_00, 12_00, 175_00, 2)
    assert read_claim(files, "184146027").version == 1, "an untouched claim keeps its version"
    assert again.nothing_new
    assert is_sound(files)


def test_a_payment_after_a_write_off_reverses_it_and_a_credit_is_left(files: FilesOfPractice) -> None:
    files.load()
    practice = in_practice(files)
    practice.settle({"claim_ids": ["184146026"]})
    assert practice.write_offs("184146026") == [(1, "patient", -12_00)]
    files.append("postings.csv", *PAID)

    done = files.load()

    assert (done.on_existing.moved.late, done.on_existing.moved.reversed_cents) == (1, 2_00)
    claim = read_claim(files)
    assert (claim.billing_status, claim.patient_due) == ("Settled", 0)
    assert done.differences.count == 0, "the status of a settled claim follows from the job"
    assert is_sound(files)


def test_a_claim_in_an_open_preview_is_skipped_if_a_posting_came_in(files: FilesOfPractice) -> None:
    files.load()
    practice = in_practice(files)
    job = practice.preview()
    files.append("postings.csv", *PAID)
    files.load()

    practice.confirm(job)
    practice.run()

    assert (read_claim(files).billing_status, practice.write_offs("184146026")) == ("Balance Due", [])
    assert is_sound(files)


def test_new_rows_on_existing_claims_obey_closed_months_today_and_the_users_limit(files: FilesOfPractice) -> None:
    files.load()
    practice = in_practice(files)
    admin = a_user(files, Role.ADMIN)
    practice.act(closing.close, dt.date(2025, 5, 1), by=admin)
    practice.limit_of(practice.biller, claim=1_00)
    files.append("postings.csv", *PAID)
    files.append("postings.csv", "7", *PAID[1:-1], "2026-11-24")
    files.append("postings.csv", "8", *PAID[1:4], "adjustment", "-2.00", "", "CO", "45", "2025-06-01")

    with pytest.raises(ImportRefused) as refused:
        load(files, by=practice.biller)

    faults = "\n".join(str(fault) for fault in refused.value.faults)
    assert 'value "2026-11-24": the date is in the future' in faults
    assert "adjustments within 30 days exceed your per-claim limit of $1.00" in faults
    assert "the month is closed; use 2025-06-01" in faults
    assert read_claim(files).version == 1


def test_a_user_without_permission_may_not_import(files: FilesOfPractice) -> None:
    files.load()

    with pytest.raises(NotAllowed):
        load(files, by=a_user(files, Role.OPS))
    files.load("Hillside")
    biller = a_user(files, Role.BILLER)
    with transaction(files.sessions) as session, pytest.raises(NotAllowed):
        import_csv(session, files.path, practice_name="Hillside", now=NOW, by=biller)


def change_everything(files: FilesOfPractice) -> None:
    files.replace("patients.csv", '"Sample, Petra",1980-02-28', '"Sample, Paula",1980-02-27')
    files.replace("payers.csv", "Medicare,medicare", "Medicare B,other")
    files.replace("offices.csv", "MAIN,", "MAIN,New ")
    files.replace("line_items.csv", "99213", "99215")
    files.replace("claims.csv", "Balance Due,10001,ERA Received,,,", "Internal Review,20001,ERA Denied,,,legal_hold")
    files.replace("claims.csv", "legal_hold,110.00", "legal_hold,111.10")


def test_differences_are_listed_and_stay_unless_they_are_asked_for(files: FilesOfPractice) -> None:
    files.load()
    change_everything(files)
    files.append("postings.csv", *PAID)

    done = files.load()

    assert done.added["postings"] == 1, "the rest comes in"
    assert done.differences.counts == {
        "claim allowed": 1, "claim billing status": 1, "claim hold": 1, "claim primary payer": 1,
        "claim primary status": 1, "line procedure code": 1, "office name": 1, "patient birth date": 1,
        "patient name": 1, "payer name": 1, "payer payer class": 1,
    }  # fmt: skip
    shown = {(one.record, one.field): (one.number, one.old, one.new) for one in done.differences.first}
    assert shown["claim", "billing_status"] == ("184146026", "Balance Due", "Internal Review")
    assert shown["claim", "hold"] == ("184146026", None, "legal_hold")
    assert shown["claim", "allowed"] == ("184146026", "110.00", "111.10")
    assert shown["line", "procedure_code"] == ("184146026 / 1", "99213", "99215")
    assert shown["patient", "name"] == ("P-1", "Sample, Petra", "Sample, Paula")
    assert "Petra" not in repr(done), "a result that is logged names no patient"
    assert "Petra" not in json.dumps(done.facts())
    assert (read_claim(files).billing_status, read_claim(files).hold) == ("Balance Due", None)


def test_changes_are_applied_once_and_audited_with_old_and_new(files: FilesOfPractice) -> None:
    files.load()
    change_everything(files)

    done, again = load(files, take_changes=True), load(files, take_changes=True)

    claim = read_claim(files)
    assert (claim.billing_status, claim.hold, claim.primary_status) == ("Internal Review", Hold.LEGAL, "ERA Denied")
    assert (claim.allowed, claim.version) == (111_10, 2)
    with files.sessions() as session:
        assert session.scalars(select(Patient.name).where(Patient.external_id == "P-1")).one() == "Sample, Paula"
        payer = session.scalars(select(Payer).where(Payer.external_id == "20001")).one()
        assert (payer.name, payer.payer_class, claim.primary_payer_id) == ("Medicare B", "other", payer.id)
        code = select(LineItem.procedure_code).where(LineItem.claim_id == claim.id, LineItem.number == 1)
        assert session.scalars(code).one() == "99215"
        kept = session.scalars(select(ImportChange).where(ImportChange.field == "name").order_by(ImportChange.id)).all()
        assert [(one.record, one.number, one.old, one.new) for one in kept][1] == (
            "patient", "P-1", "Sample, Petra", "Sample, Paula"
        )  # fmt: skip
        acts = log.acts(session, claim.practice_id, log.AuditFilter())
    taken = next(act for act in acts if act.act == "import.changes_taken")
    assert (taken.sentence, taken.facts["changes"]["patient name"]) == ("Applied changes from an import", 1)
    assert "Paula" not in json.dumps(taken.facts)
    with files.sessions() as session:
        listed = import_changes.list_changes(session, taken.number, by=a_user(files, Role.ADMIN))
        assert ("patient", "P-1", "name", "Sample, Petra", "Sample, Paula") in [one[1:] for one in listed]
        with pytest.raises(NotAllowed):
            import_changes.list_changes(session, taken.number, by=a_user(files, Role.BILLER))
    assert done.changes_taken
    assert again.nothing_new
    assert again.differences.count == 0
    assert is_sound(files)


def test_claims_of_a_payer_with_a_new_class_get_a_new_version(files: FilesOfPractice) -> None:
    files.load()
    files.replace("payers.csv", "Medicare,medicare", "Medicare,commercial")

    load(files, take_changes=True)

    assert (read_claim(files, "184146027").version, read_claim(files).version) == (2, 1)


def test_a_hold_that_a_user_released_and_a_status_that_a_job_set_are_no_differences(files: FilesOfPractice) -> None:
    files.replace("claims.csv", "10001,none,", "10001,none,hold")
    files.load()
    practice = in_practice(files)
    practice.act(holds.set_hold, "184146027", None)
    practice.settle()

    done = load(files, take_changes=True)

    assert done.differences.count == 0
    assert done.nothing_new
    assert (read_claim(files, "184146027").hold, read_claim(files).billing_status) == (None, "Settled")


def test_only_a_user_who_may_end_a_legal_hold_applies_a_change_that_ends_one(files: FilesOfPractice) -> None:
    files.replace("claims.csv", "10001,none,", "10001,none,legal_hold")
    files.load()
    practice = in_practice(files)
    files.replace("claims.csv", "10001,none,legal_hold", "10001,none,")
    files.replace("patients.csv", "Sample, Petra", "Sample, Paula")

    done = load(files, by=practice.biller, take_changes=True)

    assert (done.differences.legal_holds, done.holds_kept) == (1, 1)
    assert read_claim(files, "184146027").hold is Hold.LEGAL
    assert practice.audited("import.changes_taken")[0].facts["changes"] == {"patient name": 1}, "the rest is applied"
    with files.sessions() as session:
        assert session.scalars(select(ImportChange.field)).all() == ["name"]
    only_holds = load(files, by=practice.biller, take_changes=True)
    assert (only_holds.changes_taken, only_holds.holds_kept, only_holds.nothing_new) == (False, 1, True)

    assert load(files, by=a_user(files, Role.ADMIN), take_changes=True).holds_kept == 0

    assert read_claim(files, "184146027").hold is None
    assert is_sound(files)


def test_a_claim_that_the_office_settled_stays_settled_when_it_still_owes(files: FilesOfPractice) -> None:
    files.replace("claims.csv", "Balance Due,10001", "Settled,10001")
    files.load()
    files.append("postings.csv", *PAID)

    done = files.load()

    assert (read_claim(files).billing_status, read_claim(files).reopened) == ("Settled", False)
    assert (done.differences.count, read_claim(files).patient_due) == (0, 10_00)
    assert is_sound(files)


def test_changed_and_missing_postings_are_listed_with_what_corrects_them(files: FilesOfPractice) -> None:
    files.load()
    files.replace("line_items.csv", "150.00", "151.00")
    files.replace("postings.csv", "-88.00", "-87.00")
    files.replace("postings.csv", "-40.00,,CO", "-40.00,,OA")
    files.replace("postings.csv", "5,184146026,1,patient,payment,-10.00,patient,,,2025-04-02\n", "")
    files.append("postings.csv", *PAID)

    done = files.load()

    assert (done.corrections.changed, done.corrections.missing, done.added["postings"]) == (3, 1, 1)
    fixes = {
        one.posting_id: [(fix.kind_in_file, fix.amount_cents, fix.group_code) for fix in one.postings]
        for one in done.corrections.first
    }
    assert fixes == {
        "charge:184146026:1": [("adjustment", 1_00, None)],
        "1": [("adjustment", 40_00, "CO"), ("adjustment", -40_00, "OA")],
        "2": [("refund", 1_00, None)],
        "5": [("refund", 10_00, None)],
    }
    assert done.differences.count == 0
    with files.sessions() as session:
        amounts = select(Posting.amount_cents).where(Posting.source_id == "2")
        assert session.scalars(amounts).one() == -88_00, "nothing posted is overwritten"


def test_an_import_posts_the_corrections_on_request_each_day(files: FilesOfPractice) -> None:
    files.load()
    practice = in_practice(files)
    before = read_claim(files).patient_due
    days = (("-10.00", "-8.00"), ("-8.00", "-9.50"))

    for old, new in days:
        files.replace("postings.csv", f"payment,{old}", f"payment,{new}")
        listed, done, again = (load(files, post_corrections=posts) for posts in (False, True, True))

        assert (done.corrections.changed, done.corrected) == (1, 1)
        assert (again.nothing_new, again.corrections.changed) == (True, 0)
        assert [one.agreement.different for one in (listed, done, again) if one.agreement] == [1, 0, 0]
    assert read_claim(files).patient_due == before + 50
    practice.settle({"claim_ids": ["184146026"]})
    assert load(files, post_corrections=True).recognized.postings == 0, "nothing came back"
    assert is_sound(files)


def test_the_balances_after_an_import_are_compared_with_those_of_the_files(files: FilesOfPractice) -> None:
    first = files.load().agreement
    assert first is not None
    assert (first.different, first.cents) == (0, first.file_cents)
    files.replace("postings.csv", "-88.00", "-87.00")
    files.append("postings.csv", *PAID)

    done = load(files)

    assert done.agreement is not None
    reason = Reason(NOT_CORRECTED, -1_00)
    assert done.agreement.facts() == {
        "file_cents": done.in_file.total_cents,
        "cents": done.in_file.total_cents - 1_00,
        "different": 1,
        "first": [{"claim_id": "184146026", "file_cents": 11_00, "cents": 10_00, "reasons": [reason.facts()]}],
    }
    assert done.agreement.cents == sum(
        claim.insurance_due + claim.patient_due for claim in (read_claim(files), read_claim(files, "184146027"))
    )
    assert load(files, check_only=True).agreement is None, "nothing is imported yet"


def test_the_listed_corrections_can_be_posted_and_give_the_balance_of_the_file(files: FilesOfPractice) -> None:
    files.load()
    files.replace("postings.csv", "-88.00", "-87.00")
    rows: list[tuple[str, ...]] = []
    done = load(files, each_correction=lambda one: rows.extend(one.rows()))
    head = (files.path / "postings.csv").read_text(encoding="utf-8").splitlines()[0]
    file = files.path / "corrections.csv"
    file.write_text("\n".join([head, *map(",".join, rows), ""]), encoding="utf-8")

    with transaction(files.sessions) as session:
        import_postings(session, file, practice_name=PRACTICE, now=NOW)

    claim = read_claim(files)
    assert claim.insurance_due + claim.patient_due == 13_00
    again = files.load()
    assert (again.corrections.changed, again.corrections.missing) == (0, 0), "what was corrected is not listed again"
    files.replace("postings.csv", "-87.00", "-86.00")
    assert files.load().corrections.changed == 1, "another change is"
    assert done.in_file.total_cents == 13_00 + read_claim(files, "184146027").insurance_due
    assert is_sound(files)


def test_a_number_that_names_two_things_stops_the_import(files: FilesOfPractice) -> None:
    files.load()
    files.replace("claims.csv", "184146026,P-1", "184146026,P-2")
    files.replace("postings.csv", "2,184146026,1,insurance", "2,184146027,1,insurance")

    faults = files.faults()

    assert [fault.split(";")[0] for fault in faults] == [
        (
            'claims.csv, line 2, column patient_id, value "P-2": this claim ID belongs to another patient'
        ),
        (
            'postings.csv, line 3, column claim_id, value "184146027": this posting ID belongs to a posting on another '
            "claim"
        ),
    ]  # fmt: skip
    assert '(the practice has "P-1")' in faults[0]


def test_a_check_gives_the_totals_of_the_file_and_of_what_is_new_and_writes_nothing(files: FilesOfPractice) -> None:
    files.load()
    files.append("postings.csv", *PAID)

    done = load(files, check_only=True)

    assert (done.in_file.claims, done.in_file.lines, done.in_file.postings) == (2, 3, 8)
    assert (done.in_file.charges, done.in_file.insurance_payments) == ((2, 370_50), (1, 88_00))
    assert (done.in_file.patient_payments, done.in_file.adjustments) == ((2, 12_00), (1, 40_00))
    assert (done.in_file.insurance_balance_cents, done.in_file.patient_balance_cents) == (220_50, 10_00)
    assert (done.in_file.first_service_date, done.in_file.last_posting_date) == (
        dt.date(2025, 3, 4), dt.date(2025, 5, 1)
    )  # fmt: skip
    assert (done.new.claims, done.new.postings, done.new.total_cents) == (0, 1, -2_00)
    assert [(one.claim_id, one.patient_id, one.patient_due_cents) for one in done.first_claims] == [
        ("184146026", "P-1", 10_00), ("184146027", "P-2", 0)
    ]  # fmt: skip
    assert (done.first_claims[0].patient, done.summary) == ("Sample, Petra", None)
    with files.sessions() as session:
        assert session.scalars(select(func.count()).select_from(Posting)).one() == 7


def test_another_total_than_the_expected_one_is_refused_with_the_difference(files: FilesOfPractice) -> None:
    with pytest.raises(ExpectedTotalDiffers, match=r"is \$232\.50, not \$230\.00\. The difference is \$2\.50\."):
        load(files, expected_total_cents=230_00)

    assert load(files, expected_total_cents=232_50).added["claims"] == 2
