"""Postings imported to existing claims: all or none, once, never into a closed month, never a false credit."""

import datetime as dt
from pathlib import Path

import pytest

from core.access.permissions import Actor
from core.books import closing
from core.claims import export
from core.db.engine import transaction
from core.enums.people import Role
from core.errors import NotAllowed, NotFound
from core.intake.csv.csv_import import import_csv
from core.intake.csv.csv_template import template_files
from core.intake.csv.postings_import import ImportedPostings, import_postings
from core.intake.parsing.faults import ImportRefused
from core.ledger import manual_postings
from tests.factories import NOW, GivenPractice, Line

HEAD = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"


def _post(practice: GivenPractice, folder: Path, *rows: str, by: Actor | None = None) -> ImportedPostings:
    path = folder / "march.csv"
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return practice.act(import_postings, path, practice_name="Lakeside", by=by)


def _faults(practice: GivenPractice, folder: Path, *rows: str) -> list[str]:
    with pytest.raises(ImportRefused) as refused:
        _post(practice, folder, *rows)
    return [str(fault) for fault in refused.value.faults]


def _close(practice: GivenPractice, admin: Actor, month: dt.date) -> None:
    practice.act(closing.close, month, by=admin)


def test_payments_adjustments_transfers_and_refunds_change_the_balances(
    practice: GivenPractice, tmp_path: Path
) -> None:
    practice.claim("1", Line(100_00, 0), Line(0, 50_00))

    done = _post(
        practice, tmp_path,
        "a,1,1,insurance,payment,-60.00,primary,,,2026-11-20",
        "b,1,1,insurance,adjustment,-10.00,,CO,45,2026-11-20",
        "c,1,1,insurance,transfer,-30.00,,,,2026-11-20",
        "d,1,1,patient,transfer,30.00,,,,2026-11-20",
        "e,1,2,patient,payment,-50.00,patient,,,2026-11-21",
        "f,1,2,patient,refund,5.00,patient,,,2026-11-22",
    )  # fmt: skip

    claim = practice.read("1")
    assert (done.added, done.moved.late) == (6, 0)
    assert (claim.insurance_due, claim.patient_due, claim.version) == (0, 35_00, 2)
    assert (claim.primary_paid, claim.adjustment, claim.patient_paid) == (60_00, 10_00, 45_00)
    assert practice.violations() == []


def test_a_refund_that_leaves_a_balance_reopens_the_claim_despite_a_credit_on_another_line(
    practice: GivenPractice, tmp_path: Path
) -> None:
    practice.claim("1", Line(0, 100_00), Line(0, 0))
    practice.settle()
    _post(practice, tmp_path, "a,1,2,patient,payment,-60.00,patient,,,2026-11-20")

    _post(practice, tmp_path, "b,1,1,patient,refund,50.00,patient,,,2026-11-21")

    assert (practice.read("1").billing_status, practice.read("1").patient_due) == ("Balance Due", -10_00)
    assert practice.violations() == []


def test_importing_a_file_again_posts_only_its_new_rows(practice: GivenPractice, tmp_path: Path) -> None:
    practice.claim("1", Line(0, 50_00))
    first = "a,1,1,patient,payment,-10.00,patient,,,2026-11-20"
    _post(practice, tmp_path, first)

    again = _post(practice, tmp_path, first)
    longer = _post(practice, tmp_path, first, "b,1,1,patient,payment,-5.00,patient,,,2026-11-20")

    assert (again.added, again.already_there) == (0, 1)
    assert (longer.added, longer.already_there) == (1, 1)
    assert practice.read("1").patient_due == 35_00


def test_every_faulty_row_is_named_with_its_remedy_and_nothing_is_posted(
    practice: GivenPractice, tmp_path: Path
) -> None:
    practice.claim("1", Line(0, 50_00))
    good = "a,1,1,patient,payment,-10.00,patient,,,2026-11-20"

    faults = _faults(
        practice, tmp_path, good, "b,2,1,patient,payment,-1.00,patient,,,2026-11-20",
        "c,1,7,patient,payment,-1.00,patient,,,2026-11-20", "a,1,1,patient,payment,-2.00,patient,,,2026-11-20",
    )  # fmt: skip
    assert [fault.split(", ")[1] for fault in faults] == ["line 3", "line 4", "line 5"]
    assert "the practice does not have this claim" in faults[0]
    assert "the claim does not have this line" in faults[1]
    assert "give each posting its own ID (also in line 2)" in faults[2]
    assert "future" in _faults(practice, tmp_path, "d,1,1,patient,payment,-1.00,patient,,,2026-11-24")[0]
    assert "add up to 0.00" in _faults(practice, tmp_path, "e,1,1,patient,transfer,-1.00,,,,2026-11-20")[0]
    assert practice.read("1").version == 1


def test_equal_faults_are_grouped_into_one_line_beside_other_kinds(practice: GivenPractice, tmp_path: Path) -> None:
    practice.claim("007", Line(0, 50_00))
    unknown = [f"u{n},x{n},1,patient,payment,-1.00,patient,,,2026-11-20" for n in range(150)]

    faults = _faults(
        practice, tmp_path, *unknown, "a,7,1,patient,payment,-1.00,patient,,,2026-11-20",
        "b,007,2,patient,payment,-1.00,patient,,,2026-11-20", ",,,,,,,,,",
    )  # fmt: skip

    assert faults == [
        (
            'march.csv, column claim_id, 150 rows (line 2 "x0", line 3 "x1", line 4 "x2", …): the practice does not '
            "have this claim; import it first"
        ),
        (
            'march.csv, line 152, column claim_id, value "7": the practice does not have this claim; it exists with '
            "different leading zeros; spreadsheets drop them, so format the column as text before export"
        ),
        (
            'march.csv, line 153, column line, value "007 / 2": the claim does not have this line, and a postings '
            "import cannot add one"
        ),
    ]


def test_a_posting_id_already_used_for_another_posting_is_refused(practice: GivenPractice, tmp_path: Path) -> None:
    practice.claim("1", Line(0, 50_00))
    _post(practice, tmp_path, "a,1,1,patient,payment,-10.00,patient,,,2026-11-20")

    assert (
        "already imported with a different value"
        in _faults(practice, tmp_path, "a,1,1,patient,payment,-11.00,patient,,,2026-11-20")[0]
    )


def test_late_payments_of_one_file_reverse_the_write_off_one_after_the_other(
    practice: GivenPractice, tmp_path: Path
) -> None:
    practice.claim("1", Line(0, 100_00), Line(0, 20_00))
    practice.claim("2", Line(0, 100_00))
    practice.settle({"claim_ids": ["1"]})

    done = _post(
        practice, tmp_path,
        "a,1,1,patient,payment,-30.00,patient,,,2026-11-20",
        "b,1,1,patient,payment,-80.00,patient,,,2026-11-20",
        "c,1,2,patient,payment,-0.01,patient,,,2026-11-20",
        "d,2,1,patient,payment,-40.00,patient,,,2026-11-20",
    )  # fmt: skip

    assert (done.added, done.moved.late, done.moved.reversed_cents) == (4, 3, 100_01)
    assert (practice.read("1").patient_due, practice.read("1").has_credit_line) == (-10_00, True)
    assert practice.read("2").patient_due == 60_00
    assert practice.violations() == []


def test_an_adjustment_reverses_a_write_off_like_the_payment_beside_it(practice: GivenPractice, tmp_path: Path) -> None:
    practice.claim("1", Line(100_00, 0))
    practice.settle()

    done = _post(
        practice, tmp_path,
        "a,1,1,insurance,adjustment,-25.00,,CO,45,2026-11-20",
        "b,1,1,insurance,payment,-60.00,primary,,,2026-11-20",
    )  # fmt: skip

    assert (done.moved.late, done.moved.reversed_cents) == (2, 85_00)
    assert (practice.read("1").billing_status, practice.read("1").insurance_due) == ("Settled", 0)
    assert practice.violations() == []


def test_a_posting_into_a_closed_month_is_refused_by_row_with_the_remedy(
    practice: GivenPractice, admin: Actor, tmp_path: Path
) -> None:
    practice.claim("1", Line(0, 50_00))
    _close(practice, admin, dt.date(2026, 10, 1))

    faults = _faults(
        practice, tmp_path, "a,1,1,patient,payment,-1.00,patient,,,2026-10-31",
        "b,1,1,patient,payment,-1.00,patient,,,2026-11-01",
    )  # fmt: skip

    assert faults == [
        (
            'march.csv, line 2, column posting_date, value "2026-10-31": the month is closed; use 2026-11-01, the next '
            "open date, or ask an administrator to reopen the month"
        )
    ]
    assert _post(practice, tmp_path, "b,1,1,patient,payment,-1.00,patient,,,2026-11-01").added == 1
    assert practice.violations() == []


def test_new_claims_with_postings_in_a_closed_month_are_refused_but_known_claims_are_not(
    practice: GivenPractice, admin: Actor, tmp_path: Path
) -> None:
    files = template_files()

    def write(**changed: str) -> None:
        for name, rows in files.items():
            text = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
            for old, new in changed.items():
                text = text.replace(old, new)
            (tmp_path / name).write_text(text + "\n", encoding="utf-8")

    def load() -> None:
        practice.do(import_csv, tmp_path, practice_name="Lakeside", now=NOW)

    write()
    load()
    _close(practice, admin, dt.date(2025, 3, 1))
    load()  # all of it is already there

    for name, rows in files.items():
        (tmp_path / name).write_text(
            "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows).replace("1841460", "9991460")
            .replace('"1","999', '"x1","999').replace('"2","999', '"x2","999').replace('"3","999', '"x3","999')
            .replace('"4","999', '"x4","999').replace('"5","999', '"x5","999') + "\n",
            encoding="utf-8",
        )  # fmt: skip
    with pytest.raises(ImportRefused) as refused:
        load()

    faults = [str(fault).partition("; use 2025-")[0] for fault in refused.value.faults]
    assert faults == [
        ('line_items.csv, column claim_id, 2 rows (line 2 "2025-03-04", line 4 "2025-03-04"): the month is closed'),
        (
            'postings.csv, column posting_date, 4 rows (line 2 "2025-03-20", line 3 "2025-03-20", line 4 "2025-03-20", '
            "…): the month is closed"
        ),
    ]
    assert practice.violations() == []


def test_a_user_without_permission_and_a_missing_practice_or_file_are_refused(
    practice: GivenPractice, tmp_path: Path
) -> None:
    practice.claim("1", Line(0, 50_00))
    row = "a,1,1,patient,payment,-1.00,patient,,,2026-11-20"
    with pytest.raises(NotAllowed):
        _post(practice, tmp_path, row, by=practice.person("approver@lakeside.example", Role.APPROVER))
    with pytest.raises(NotFound), transaction(practice.sessions) as session:
        import_postings(session, tmp_path / "march.csv", practice_name="Nowhere", now=NOW)
    with pytest.raises(ImportRefused), transaction(practice.sessions) as session:
        import_postings(session, tmp_path / "gone.csv", practice_name="Lakeside", now=NOW)
    assert practice.read("1").patient_due == 50_00


def _state(practice: GivenPractice, number: str) -> tuple[str, int, int]:
    """Return the billing status, the insurance balance, and the unreversed insurance write-off."""
    claim = practice.read(number)
    unreversed = practice.do(manual_postings.list_unreversed_write_offs, practice.id, claim.id)
    return claim.billing_status, claim.insurance_due, sum(one.cents for one in unreversed)


TAKEBACK = "{claim}r1,{claim},1,insurance,refund,5.00,primary,,,2026-11-20"
PAID_3 = "{claim}r2,{claim},1,insurance,payment,-3.00,primary,,,2026-11-20"
PAID_2 = "{claim}r3,{claim},1,insurance,payment,-2.00,primary,,,2026-11-20"


@pytest.mark.parametrize(
    "files",
    [
        [[TAKEBACK, PAID_3, PAID_2]],
        [[PAID_3, TAKEBACK, PAID_2]],
        [[PAID_3, PAID_2], [TAKEBACK]],
        [[TAKEBACK], [PAID_3], [PAID_2]],
    ],
)
def test_a_takeback_that_is_paid_again_leaves_the_claim_settled_in_any_order_and_split(
    practice: GivenPractice, tmp_path: Path, files: list[list[str]]
) -> None:
    practice.claim("1", Line(30_00, 0))
    practice.claim("nothing due", Line(0, 0))
    practice.claim("never settled", Line(30_00, 0))
    practice.settle({"claim_ids": ["1", "nothing due"]})
    for number in ("nothing due", "never settled"):
        practice.change(number, billing_status="Settled" if number == "nothing due" else "Bill Insurance")

    for rows in files:
        _post(practice, tmp_path, *(row.format(claim=claim) for row in rows for claim in
                                    ("1", "nothing due", "never settled")))  # fmt: skip

    assert _state(practice, "1") == ("Settled", 0, 30_00)
    assert _state(practice, "nothing due") == ("Settled", 0, 0)
    assert _state(practice, "never settled") == ("Bill Insurance", 30_00, 0)
    assert practice.violations() == []


def test_a_takeback_does_not_undo_the_reversal_of_a_whole_job(practice: GivenPractice, tmp_path: Path) -> None:
    practice.claim("1", Line(30_00, 0))
    job = practice.settle()
    _post(practice, tmp_path, "p,1,1,insurance,payment,-5.00,primary,,,2026-11-20")
    practice.reverse(job, by=practice.person("approver@lakeside.example", Role.APPROVER))
    practice.run()

    done = _post(practice, tmp_path, "r,1,1,insurance,refund,5.00,primary,,,2026-11-21")

    assert done.moved.restored_cents == 0
    assert _state(practice, "1") == ("Balance Due", 30_00, 0)
    assert practice.violations() == []


def test_a_takeback_writes_nothing_off_after_the_job_was_reversed_even_if_all_was_paid(
    practice: GivenPractice, tmp_path: Path
) -> None:
    practice.claim("1", Line(30_00, 0))
    practice.claim("2", Line(30_00, 0))
    job = practice.settle()
    _post(practice, tmp_path, "p,1,1,insurance,payment,-30.00,primary,,,2026-11-20")
    practice.reverse(job, by=practice.person("approver@lakeside.example", Role.APPROVER))
    practice.run()

    _post(practice, tmp_path, "r,1,1,insurance,refund,30.00,primary,,,2026-11-21")

    assert _state(practice, "1") == ("Balance Due", 30_00, 0)
    assert practice.violations() == []


def test_a_payment_does_not_settle_a_claim_that_a_job_set_to_balance_due(
    practice: GivenPractice, tmp_path: Path
) -> None:
    practice.claim("1", Line(30_00, 0))
    practice.settle()
    _post(practice, tmp_path, TAKEBACK.format(claim="1"))
    for status in ("Internal Review", "Balance Due"):
        practice.settle(key=status, target_status=status, reason=None)

    _post(practice, tmp_path, PAID_3.format(claim="1"), PAID_2.format(claim="1"))

    assert _state(practice, "1") == ("Balance Due", 0, 30_00)
    assert practice.violations() == []


def test_an_id_escaped_by_an_export_is_read_without_its_apostrophe(practice: GivenPractice, tmp_path: Path) -> None:
    for number in ("-1001", "=2", "@3", "'-4", "plain"):
        practice.claim(number, Line(0, 10_00))
    escaped = {number: export.escape_formula(number) for number in ("-1001", "=2", "@3", "'-4", "plain")}

    done = _post(practice, tmp_path, *(
        f"{export.escape_formula(f'+{n}')},{written},1,patient,payment,-1.00,patient,,,2026-11-20"
        for n, written in enumerate(escaped.values())
    ))  # fmt: skip
    again = _post(practice, tmp_path, "+0,-1001,1,patient,payment,-1.00,patient,,,2026-11-20")

    assert (done.added, again.added, again.already_there) == (5, 0, 1)
    assert {practice.read(number).patient_due for number in escaped} == {9_00}
    assert "the practice does not have this claim" in _faults(
        practice, tmp_path, "z,'plain,1,patient,payment,-1.00,patient,,,2026-11-20"
    )[0], "an apostrophe that escapes nothing belongs to the id"  # fmt: skip


def test_an_id_with_its_own_apostrophe_matches_itself_first(practice: GivenPractice, tmp_path: Path) -> None:
    practice.claim("-1", Line(0, 10_00))
    practice.claim("'-1", Line(0, 10_00))

    _post(practice, tmp_path, "a,'-1,1,patient,payment,-1.00,patient,,,2026-11-20")
    _post(practice, tmp_path, "b,-1,1,patient,payment,-2.00,patient,,,2026-11-20")

    assert (practice.read("'-1").patient_due, practice.read("-1").patient_due) == (9_00, 8_00)


def test_adjustments_of_a_file_count_against_the_limit_of_the_user_who_posts_it(
    practice: GivenPractice, tmp_path: Path
) -> None:
    practice.claim("1", Line(200_00, 0))
    practice.limit_of(practice.biller, claim=50_00)
    rows = [f"{n},1,1,insurance,adjustment,-30.00,,CO,45,2026-11-20" for n in range(2)]

    with pytest.raises(ImportRefused) as refused:
        _post(practice, tmp_path, *rows, by=practice.biller)
    assert _post(practice, tmp_path, rows[0], by=practice.biller).added == 1
    raised = "r,1,1,insurance,adjustment,90.00,,CO,45,2026-11-20"
    assert _post(practice, tmp_path, raised, by=practice.biller).added == 1, "a higher balance needs no limit"
    with pytest.raises(ImportRefused):
        _post(practice, tmp_path, rows[1], by=practice.biller)
    assert _post(practice, tmp_path, rows[1]).added == 1, "without a user no user's limit applies"

    assert "adjustments within 30 days exceed your per-claim limit of $50.00" in str(refused.value.faults[0])
    assert "(adjustments of $60.00)" in str(refused.value.faults[0])
    assert practice.violations() == []
