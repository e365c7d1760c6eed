"""An older export, imported with its corrections after a newer one, and the newer one again."""

from core.enums.practices import WriteOffSetting
from core.intake.loading.imported import Imported
from core.intake.mapping.mapping import NO_CLAIM_STATUS
from tests.core.intake.mapping.conftest import OfficeFiles
from tests.core.intake.mapping.test_second_file import PAID, PAID_HEADER, balances_of_all, in_practice, is_clear, load

# Charge, payer's payment, adjustment, balances of payer and patient, patient's payment: before and after a write-off.
EXPORTS = [
    ("100.00,70.00,10.00,0.00,6.00,14.00", "100.00,70.00,16.00,0.00,0.00,14.00"),
    ("100.00,60.00,10.00,0.00,6.00,24.00", "100.00,60.00,16.00,0.00,0.00,24.00"),
    ("100.00,0.00,0.00,0.00,6.00,94.00", "100.00,0.00,6.00,0.00,0.00,94.00"),
    ("100.00,70.00,10.00,0.00,16.00,4.00", "100.00,70.00,26.00,0.00,0.00,4.00"),
]


def test_the_newer_export_again_restores_the_books(office: OfficeFiles) -> None:
    def export(newer: int) -> Imported:
        rows = []
        for number, amounts in enumerate(EXPORTS):
            rows.append(f"INSURED-{number},P1,Example Ann,03/14/2026,Aetna,{amounts[newer]}")
            charge, paid, adjusted, insurance, patient, patient_paid = amounts[newer].split(",")
            patient_paid = f"{float(patient_paid) + float(paid):.2f}"
            own = f"{charge},0.00,{adjusted},{insurance},{patient},{patient_paid}"
            rows.append(f"SELF-PAY-{number},P1,Example Ann,03/14/2026,,{own}")
        return load(office, office.csv(*rows, header=PAID_HEADER), PAID, post_corrections=True)

    export(0)
    practice = in_practice(office)
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.settle()
    settled = balances_of_all(office)
    assert set(settled.values()) == {(0, 0)}
    export(1)
    assert balances_of_all(office) == settled
    export(0)
    export(1)
    assert balances_of_all(office) == settled
    assert is_clear(export(1))


def test_an_older_export_is_recognized_by_what_its_corrections_would_undo(office: OfficeFiles) -> None:
    def export(count: int, amounts: str) -> Imported:
        rows = [f"C{n},P{n},Example {n},03/14/2026,Aetna,{amounts}" for n in range(count)]
        return load(office, office.csv(*rows, header=PAID_HEADER), PAID)

    export(12, "100.00,70.00,10.00,20.00,0.00,0.00")
    practice = in_practice(office)
    practice.settle()
    assert export(12, "100.00,70.00,30.00,0.00,0.00,0.00").warnings == [NO_CLAIM_STATUS]

    older = export(12, "100.00,70.00,10.00,20.00,0.00,0.00")

    assert older.corrections.looks_older
    assert (
        "These files look older than an earlier import. Posting their corrections would undo 12 payments and "
        "adjustments and raise balances by $240.00. Upload the newest export instead."
    ) in older.warnings
    few = export(9, "100.00,70.00,10.00,20.00,0.00,0.00")
    assert (few.corrections.raising, few.corrections.looks_older) == (9, False), "the office may have voided these"
