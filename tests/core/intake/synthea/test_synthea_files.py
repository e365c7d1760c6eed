"""Synthea exports written by other versions or edited by users: no money is lost."""

from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from core.db.engine import Sessions, transaction
from core.intake.loading.imported import Imported
from core.intake.parsing.faults import ImportRefused
from core.intake.synthea.synthea_import import import_synthea
from core.models.claims import Claim
from core.models.ledger import Posting
from tests.factories import NOW

CLAIMS = (
    "Id,PATIENTID,PROVIDERID,SUPERVISINGPROVIDERID,HEALTHCARECLAIMTYPEID1,SERVICEDATE,PRIMARYPATIENTINSURANCEID,"
    "STATUS1,SECONDARYPATIENTINSURANCEID,STATUS2"
)
TRANSACTIONS = (
    "ID,CLAIMID,CHARGEID,TYPE,AMOUNT,METHOD,TRANSFERTYPE,PAYMENTS,ADJUSTMENTS,TRANSFERS,PLACEOFSERVICE,PROCEDURECODE,"
    "FROMDATE,NOTES"
)


class Export:
    """A small export: claims c1 and c2; c1 with a charge and a payment, c2 with a charge transferred to the patient."""

    def __init__(self, path: Path, sessions: Sessions) -> None:
        self.path = path
        self.sessions = sessions
        self.write("organizations.csv", "Id,NAME", "o1,Office")
        self.write("providers.csv", "Id,NAME,ADDRESS", "d1,Doc,1 Road")
        self.write("payers.csv", "Id,NAME", "y1,Plan")
        self.write("patients.csv", "Id,BIRTHDATE,FIRST,LAST,ADDRESS", "p1,1980-01-01,Ann,Sample,1 Road")
        self.claims("c1", "c2")
        self.transactions(
            row("t1", "c1", 1, "CHARGE", amount="100.00", owner="1"),
            row("t2", "c1", 2, "PAYMENT", method="ECHECK", paid="60.00"),
            row("t3", "c2", 3, "CHARGE", amount="80.00", owner="1"),
            row("t4", "c2", 4, "TRANSFEROUT", moved="80.00"),
            row("t5", "c2", 5, "TRANSFERIN", amount="80.00", owner="p", moved="80.00"),
        )

    def write(self, file: str, *lines: str) -> None:
        """Replace a file."""
        (self.path / file).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def claims(self, *ids: str) -> None:
        """Replace the claims."""
        self.write("claims.csv", CLAIMS, *(f"{claim},p1,d1,,1,2024-01-05T10:00:00Z,y1,CLOSED,0," for claim in ids))

    def transactions(self, *rows: str) -> None:
        """Replace the transactions."""
        self.write("claims_transactions.csv", TRANSACTIONS, *rows)

    def change(self, file: str, old: str, new: str) -> None:
        """Replace text in a file. The text must be there."""
        content = (self.path / file).read_text(encoding="utf-8")
        assert old in content
        (self.path / file).write_text(content.replace(old, new, 1), encoding="utf-8")

    def load(self, *, skip_empty_claims: bool = False) -> Imported:
        """Import the folder."""
        with transaction(self.sessions) as session:
            return import_synthea(
                session, self.path, practice_name="Synthea", skip_empty_claims=skip_empty_claims, now=NOW
            )

    def faults(self) -> list[str]:
        """Import the folder, which must be refused, and return its faults as sentences."""
        with pytest.raises(ImportRefused) as refused:
            self.load()
        return [str(fault) for fault in refused.value.faults]

    def balances(self) -> dict[str, tuple[int, int]]:
        """Return the insurance and patient balance of each claim."""
        with self.sessions() as session:
            rows = session.execute(select(Claim.external_id, Claim.insurance_due, Claim.patient_due)).all()
        return {claim: (insurance, patient) for claim, insurance, patient in rows}

    def source_ids(self) -> list[str | None]:
        """Return the external ids of all postings."""
        with self.sessions() as session:
            return list(session.scalars(select(Posting.source_id).order_by(Posting.source_id)))


def row(
    transaction_id: str, claim: str, number: int, kind: str, *, amount: str = "", method: str = "", owner: str = "",
    paid: str = "", adjusted: str = "", moved: str = "", notes: str = "Visit",
) -> str:  # fmt: skip
    """Return one row of claims_transactions.csv."""
    return (
        f"{transaction_id},{claim},{number},{kind},{amount},{method},{owner},{paid},{adjusted},{moved},o1,99213,"
        f"2024-01-05T10:00:00Z,{notes}"
    )


@pytest.fixture
def export(tmp_path: Path, sessions: Sessions) -> Export:
    return Export(tmp_path, sessions)


def test_a_stray_quote_in_an_unread_column_swallows_no_line(export: Export) -> None:
    export.transactions(
        row("t1", "c1", 1, "CHARGE", amount="100.00", owner="1", notes='"Visit'),
        row("t2", "c1", 2, "CHARGE", amount="55.00", owner="1"),
        row("t3", "c2", 3, "CHARGE", amount="45.00", owner="1", notes='Visit"'),
    )

    assert export.faults() == [
        (
            "claims_transactions.csv, line 2: a quote opens here and does not close on this line; remove "
            "the quote, double it, or write the value on one line"
        )
    ]


@pytest.mark.parametrize("file", ["organizations.csv", "providers.csv", "payers.csv", "patients.csv", "claims.csv"])
def test_a_value_that_spans_lines_is_refused_in_every_file(export: Export, file: str) -> None:
    lines = (export.path / file).read_text(encoding="utf-8").splitlines()
    export.write(file, f"{lines[0]},NOTE", f'{lines[1]},"of two', 'lines"', *(f"{line}," for line in lines[2:]))

    (fault,) = export.faults()

    assert fault.startswith(f"{file}, line 2: a quote opens here and does not close on this line")


def test_different_transactions_with_one_id_are_imported_and_recognized_again(export: Export) -> None:
    export.change("claims_transactions.csv", "t2,", "same,")
    export.change("claims_transactions.csv", "t5,", "same,")

    first, again = export.load(), export.load()

    assert (first.added["postings"], again.nothing_new) == (5, True)
    assert export.balances() == {"c1": (40_00, 0), "c2": (0, 80_00)}
    assert export.source_ids() == ["same", "same/c2/5", "t1", "t3", "t4"]


def test_one_id_in_three_claims_with_one_chargeid_is_imported_three_times(export: Export) -> None:
    claims = ("c1", "c2", "c3")
    export.claims(*claims)
    export.transactions(
        *(row(f"t{claim}", claim, 1, "CHARGE", amount="100.00", owner="1") for claim in claims),
        *(row("same", claim, 2, "PAYMENT", method="ECHECK", paid="60.00") for claim in claims),
    )

    first, again = export.load(), export.load()

    assert (first.added["postings"], again.nothing_new) == (6, True)
    assert export.balances() == dict.fromkeys(claims, (40_00, 0))


def test_transactions_with_one_id_are_imported_from_successive_files_in_any_order(export: Export) -> None:
    export.change("claims_transactions.csv", "t2,", "same,")
    export.change("claims_transactions.csv", "t5,", "same,")
    whole = (export.path / "claims_transactions.csv").read_text(encoding="utf-8").splitlines()
    export.claims("c2")
    export.transactions(*whole[3:])
    export.load()
    export.claims("c1")
    export.transactions(*whole[1:3])
    assert export.load().added["postings"] == 2

    export.claims("c1", "c2")
    export.transactions(*reversed(whole[1:]))

    assert export.load().nothing_new
    assert export.balances() == {"c1": (40_00, 0), "c2": (0, 80_00)}


def test_a_duplicated_row_is_named_as_equal(export: Export) -> None:
    rows = (export.path / "claims_transactions.csv").read_text(encoding="utf-8").splitlines()[1:]
    export.transactions(*rows[:2], rows[1], *rows[2:])

    assert export.faults() == [
        (
            'claims_transactions.csv, line 4, column CHARGEID, value "c1 / 2": remove the duplicate row: every '
            "imported column is the same (same as line 3)"
        )
    ]


def test_a_file_pasted_twice_is_recognized(export: Export) -> None:
    whole = (export.path / "claims_transactions.csv").read_text(encoding="utf-8")
    (export.path / "claims_transactions.csv").write_text(f"{whole}\ufeff{whole}", encoding="utf-8")

    assert export.faults() == [
        "claims_transactions.csv, line 7: the column names are repeated here; was the file pasted twice?"
    ]


def test_transactions_with_one_number_are_refused_because_their_order_is_unknown(export: Export) -> None:
    export.change("claims_transactions.csv", "t2,c1,2", "t2,c1,1")

    assert export.faults() == [
        (
            'claims_transactions.csv, line 3, column CHARGEID, value "c1 / 1": another transaction on the claim has '
            "the same number, so their order is unknown; export the files again (also in line 2)"
        )
    ]


def test_two_claims_with_one_id_are_refused_and_neither_is_dropped(export: Export) -> None:
    export.change("claims.csv", "c2,p1,d1,,1,2024-01-05", "c1,p1,d1,,1,2024-01-06")

    assert (
        'claims.csv, line 3, column Id, value "c1": another claim has the same ID, so rows that refer to it are '
        "ambiguous; give each claim its own ID (also in line 2)" in export.faults()
    )


def test_an_adjustment_by_the_system_lowers_the_balance_at_that_point(export: Export) -> None:
    export.transactions(
        row("t1", "c1", 1, "CHARGE", amount="100.00", owner="1"),
        row("t2", "c1", 2, "ADJUSTMENT", method="SYSTEM", adjusted="25.00"),
        row("t3", "c1", 3, "PAYMENT", method="ECHECK", paid="60.00"),
        row("t4", "c2", 4, "CHARGE", amount="80.00", owner="p", paid="0.00", adjusted="0.00"),
        row("t5", "c2", 5, "ADJUSTMENT", method="SYSTEM", adjusted="0.50", paid="0.00"),
        row("t6", "c2", 6, "ADJUSTMENT", method="SYSTEM", adjusted="0.00"),
    )

    done = export.load()

    assert done.added["postings"] == 5
    assert export.balances() == {"c1": (15_00, 0), "c2": (0, 79_50)}
    with export.sessions() as session:
        kinds = session.execute(
            select(text("kind::text"), func.sum(Posting.amount_cents)).select_from(Posting).group_by(text("kind"))
        )
        assert dict(map(tuple, kinds)) == {"charge": 180_00, "adjustment": -25_50, "payment": -60_00}


def test_an_adjustment_without_amount_and_a_payment_by_the_system_are_refused(export: Export) -> None:
    export.transactions(
        row("t1", "c1", 1, "CHARGE", amount="100.00", owner="1"),
        row("t2", "c1", 2, "ADJUSTMENT", method="SYSTEM"),
        row("t3", "c2", 3, "CHARGE", amount="80.00", owner="p"),
        row("t4", "c2", 4, "PAYMENT", method="SYSTEM", paid="1.00"),
    )

    assert export.faults() == [
        "claims_transactions.csv, line 3, column ADJUSTMENTS: must not be empty in a row with TYPE ADJUSTMENT",
        ("claims_transactions.csv, line 5, column METHOD: SYSTEM is only for adjustments; enter the payment method"),
    ]


def test_claims_without_transactions_are_one_fault_that_names_the_option_to_skip_them(export: Export) -> None:
    export.claims("c1", "c2", *(f"e{number}" for number in range(150)))

    assert export.faults() == [
        (
            'claims.csv, column Id, 150 rows (line 4 "e0", line 5 "e1", line 6 "e2", …): this claim '
            "has no row in claims_transactions.csv; to skip claims without transactions, use that option "
            "(--skip-empty-claims)"
        )
    ]

    done, again = export.load(skip_empty_claims=True), export.load(skip_empty_claims=True)

    assert (done.added["claims"], done.left_out, again.nothing_new, again.left_out) == (2, 150, True, 150)
    assert done.rows_read["claims.csv"].read == 152


def test_a_transaction_of_a_missing_claim_is_a_fault_even_when_empty_claims_are_skipped(export: Export) -> None:
    export.claims("c1")

    with pytest.raises(ImportRefused) as refused:
        export.load(skip_empty_claims=True)

    assert "this line's claim is missing" in str(refused.value.faults[0])


def test_the_header_is_read_in_any_letter_case(export: Export) -> None:
    for file in export.path.iterdir():
        header, _, rows = file.read_text(encoding="utf-8").partition("\n")
        file.write_text(f"{header.lower()}\n{rows}", encoding="utf-8")

    assert export.load().added["claims"] == 2


def test_a_hidden_character_in_the_name_of_an_unread_column_does_no_harm(export: Export) -> None:
    export.change("payers.csv", "Id,NAME", "Id,NAME,HOME\u00a0PAGE")
    export.change("payers.csv", "Plan", "Plan,")

    assert export.load().added["payers"] == 1


def test_a_misspelled_column_gets_a_suggestion_and_is_the_only_fault(export: Export) -> None:
    export.change("claims.csv", "PATIENTID", "PATIENT_ID")

    assert export.faults() == [
        "claims.csv, line 1, column PATIENT_ID: not a column of this file; did you mean PATIENTID?"
    ]


def test_a_column_with_another_number_is_no_suggestion(export: Export) -> None:
    export.change("claims.csv", "HEALTHCARECLAIMTYPEID1", "HEALTHCARECLAIMTYPEID2")

    assert export.faults() == ["claims.csv, line 1, column HEALTHCARECLAIMTYPEID1: missing; add it to the first line"]


def test_missing_files_are_the_only_faults_reported(export: Export) -> None:
    (export.path / "organizations.csv").unlink()
    (export.path / "providers.csv").unlink()
    export.change("claims.csv", "2024-01-05T10:00:00Z", "yesterday")

    assert export.faults() == [
        "organizations.csv: the file is missing; add it to the other files",
        "providers.csv: the file is missing; add it to the other files",
    ]


def test_unneeded_files_may_be_in_any_state(export: Export) -> None:
    (export.path / "encounters.csv").write_bytes(b"\xff\xfe\x00")

    assert export.load().added["claims"] == 2


def test_names_and_birth_dates_never_appear_in_faults(export: Export) -> None:
    export.change("patients.csv", "1980-01-01,Ann,Sample", "1/1/1980,Ann\tB,Sample")

    assert not any("Ann" in fault or "1980" in fault for fault in export.faults())


def test_the_next_days_export_brings_a_new_payment_and_lists_the_status_that_follows(export: Export) -> None:
    export.load()
    with (export.path / "claims_transactions.csv").open("a", encoding="utf-8") as file:
        file.write(row("t6", "c1", 6, "PAYMENT", method="ECHECK", paid="40.00") + "\n")

    done, again = export.load(), export.load()

    assert export.balances() == {"c1": (0, 0), "c2": (0, 80_00)}
    assert (done.on_existing.claims, done.on_existing.postings) == (1, 1)
    assert [(one.number, one.old, one.new) for one in done.differences.first] == [("c1", "Balance Due", "Paid In Full")]
    assert again.nothing_new
