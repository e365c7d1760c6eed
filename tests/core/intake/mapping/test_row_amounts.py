"""What is posted for a row: the sum of the postings is the file's balance for each responsibility, always."""

from typing import Any

import pytest
from hypothesis import given, strategies as st
from sqlalchemy import select

from core.intake.mapping.mapping import Mapping
from core.intake.mapping.row_amounts import Amounts, Untied, row_amounts
from core.intake.mapping.targets import Field
from core.intake.parsing.faults import ImportRefused
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.practices import Payer
from tests.core.intake.mapping.conftest import COLUMNS, HEADER, MAPPING, OfficeFiles

CENTS = st.integers(min_value=-500_000, max_value=500_000)
NOT_BELOW_ZERO = st.integers(min_value=0, max_value=500_000)
BALANCES = {"I": "insurance_balance", "P": "patient_balance"}
ALL = BALANCES | {"C": "charge", "A": "adjustment", "IP": "primary_paid", "SP": "secondary_paid", "PP": "patient_paid"}


def due(amounts: Amounts) -> tuple[int, int]:
    """Return the insurance and the patient balance after all postings, as the SQL of the stages posts them."""
    base = amounts.primary_paid + amounts.secondary_paid + amounts.adjusted + amounts.difference
    is_insurance = amounts.base == "insurance"
    insurance = amounts.insurance_charge - amounts.to_patient + (base if is_insurance else 0)
    patient = amounts.patient_charge + amounts.to_patient + amounts.patient_paid + (0 if is_insurance else base)
    return insurance, patient


@given(insurance=CENTS, patient=CENTS, has_payer=st.booleans())
def test_balances_only_tie(insurance: int, patient: int, has_payer: bool) -> None:
    values = {Field.INSURANCE_BALANCE: insurance, Field.PATIENT_BALANCE: patient}
    amounts = row_amounts(values.get, Mapping.of({"columns": BALANCES}), has_payer=has_payer)

    assert due(amounts) == (insurance, patient)
    assert amounts.insurance_charge >= 0
    assert amounts.patient_charge >= 0
    assert (amounts.adjusted, amounts.difference, amounts.to_patient) == (0, 0, 0)


@given(charge=NOT_BELOW_ZERO, paid=CENTS, by_patient=CENTS, adjusted=CENTS, to_patient=CENTS, below=st.booleans(),
       has_payer=st.booleans(), off=st.integers(min_value=-5, max_value=5))  # fmt: skip
def test_charges_payments_and_adjustments_tie_or_are_refused(
    charge: int, paid: int, by_patient: int, adjusted: int, to_patient: int, below: bool, has_payer: bool, off: int
) -> None:
    left = charge - paid - by_patient - adjusted + off
    sign = -1 if below else 1
    values: dict[Field, Any] = {
        Field.CHARGE: charge, Field.PRIMARY_PAID: sign * paid, Field.PATIENT_PAID: sign * by_patient,
        Field.ADJUSTMENT: sign * adjusted, Field.INSURANCE_BALANCE: left - to_patient,
        Field.PATIENT_BALANCE: to_patient,
    }  # fmt: skip
    options = {"payments_below_zero": below, "adjustments_below_zero": below}

    if off:
        with pytest.raises(Untied, match="post_difference"):
            row_amounts(values.get, Mapping.of({"columns": ALL, **options}), has_payer=has_payer)
    posting = Mapping.of({"columns": ALL, "post_difference": True, **options})
    amounts = row_amounts(values.get, posting, has_payer=has_payer)
    assert due(amounts) == (left - to_patient, to_patient)
    assert amounts.difference == off


def test_three_balances_that_do_not_add_up_are_refused() -> None:
    values = {Field.INSURANCE_BALANCE: 5, Field.PATIENT_BALANCE: 5, Field.TOTAL_BALANCE: 11}
    with pytest.raises(Untied, match="correct one of the three") as untied:
        row_amounts(values.get, Mapping.of({"columns": BALANCES | {"T": "total_balance"}}), has_payer=True)
    assert untied.value.note == "the two add up to 0.10, the total is 0.11"


@pytest.mark.parametrize(("columns", "first"), [
    ({"Charge": "charge", "Paid": "primary_paid"}, "the columns add up to 200.00, the balances to 100.00"),
    ({"Total": "total_balance"}, "the two add up to 100.00, the total is 200.00"),
])  # fmt: skip
def test_a_thousand_rows_that_do_not_tie_are_one_fault(
    office: OfficeFiles, columns: dict[str, str], first: str
) -> None:
    rows = [f"C{n},P{n},Example Ann,03/14/2026,Aetna,{n}.00,0.00,{2 * n}.00,0.00" for n in range(100, 1_100)]
    names = [*columns, "Unused"][:2]
    mapping = Mapping.of(MAPPING.as_json() | {"columns": COLUMNS | columns})

    with pytest.raises(ImportRefused) as refused:
        office.load(office.csv(*rows, header=f"{HEADER},{','.join(names)}"), mapping)

    assert [fault.count for fault in refused.value.faults] == [1_000]
    notes = [place.note for place in refused.value.faults[0].places]
    assert notes[0] == first
    assert len(set(notes)) == 1_000


def test_payments_are_totaled_by_payer(office: OfficeFiles) -> None:
    columns = COLUMNS | {"Charge": "charge", "Paid 1": "primary_paid", "Ins 2": "secondary_payer",
                         "Paid 2": "secondary_paid"}  # fmt: skip
    rows = (
        "C1,P1,Example Ann,03/14/2026,Medicare,20.00,0.00,100.00,60.00,Aetna,20.00",
        "C2,P2,Example Bob,03/14/2026,Medicare,0.00,0.00,5.00,5.00,,",
    )
    header = f"{HEADER},Charge,Paid 1,Ins 2,Paid 2"

    done = office.load(office.csv(*rows, header=header), Mapping.of(MAPPING.as_json() | {"columns": columns}))

    by_payer = (done.in_file.primary_payments, done.in_file.secondary_payments)
    assert by_payer == ((2, 65_00), (1, 20_00))
    assert done.in_file.insurance_payments == (3, 85_00)
    assert (done.summary.primary_payments, done.summary.secondary_payments) == by_payer


def test_balances_only_are_charges_and_credits_are_payments_on_the_date_of_service(office: OfficeFiles) -> None:
    office.load(office.csv("C1,P1,Example Ann,03/14/2026,Medicare,80.00,-5.00"))

    with office.sessions() as session:
        posted = session.execute(
            select(Posting.kind, Posting.responsibility, Posting.amount_cents, Posting.paid_by, Posting.posted_on)
        ).all()
        claim = session.scalars(select(Claim)).one()
        payer = session.scalars(select(Payer)).one()
    assert sorted((kind, whose, cents, by, str(on)) for kind, whose, cents, by, on in posted) == [
        ("charge", "insurance", 80_00, None, "2026-03-14"),
        ("payment", "patient", -5_00, "patient", "2026-03-14"),
    ]
    assert (claim.billing_status, payer.payer_class) == ("Internal Review", "medicare"), "a credit is reviewed"


def test_a_patient_without_a_number_gets_one_that_does_not_show_the_name(office: OfficeFiles) -> None:
    header = HEADER.replace("Patient #,", "")
    office.load(
        office.csv("C1,Example Ann,03/14/2026,Aetna,1.00,0", "C2,Example  Ann,03/15/2026,,0,1.00", header=header)
    )

    with office.sessions() as session:
        patients = session.execute(select(Claim.patient_id, Claim.primary_payer_id).order_by(Claim.external_id)).all()
    assert patients[0][0] == patients[1][0]
    assert patients[1][1] is None
