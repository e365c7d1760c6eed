"""A patient with several names in one file of the office: the newest is taken, and a warning names claims."""

import pytest
from sqlalchemy import select

from core.intake.mapping.mapping import Mapping
from core.models.claims import Claim
from core.models.practices import Patient
from tests.core.intake.mapping.conftest import COLUMNS, HEADER, OfficeFiles

BORN_HEADER = f"{HEADER},Birth Date"
BORN = Mapping.of({
    "columns": {**COLUMNS, "Birth Date": "birth_date"},
    "dates": {"service_date": "MM/DD/YYYY", "birth_date": "MM/DD/YYYY"},
})  # fmt: skip
OLD = "C1,P1,Ann Exmple,03/14/2026,Aetna,100.00,0.00,01/02/1980"
NEW = "C2,P1,Ann Example,03/15/2026,Aetna,20.00,5.00,01/02/1980"
TAKEN = "The name in the row with the latest date of service is used."
UNUSED = "The names in {} are not used. Correct them in your system."


@pytest.mark.parametrize("rows", [(OLD, NEW), (NEW, OLD)], ids=["last", "first"])
def test_the_name_with_the_latest_date_of_service_is_taken(office: OfficeFiles, rows: tuple[str, ...]) -> None:
    done = office.load(office.csv(*rows, "C3,P3,Bob Sample,03/15/2026,Aetna,1.00,0.00,", header=BORN_HEADER), BORN)

    assert (done.added["claims"], done.added["patients"]) == (3, 2)
    assert names(office) == {"P1": "Ann Example", "P3": "Bob Sample"}
    assert f"1 patient has more than one name in the file. {TAKEN} {UNUSED.format('claim C1')}" in done.warnings


def test_on_the_same_date_of_service_the_last_row_counts(office: OfficeFiles) -> None:
    office.load(office.csv(NEW.replace("C2", "C0"), OLD.replace("03/14", "03/15"), header=BORN_HEADER), BORN)

    assert names(office) == {"P1": "Ann Exmple"}


def test_the_warning_names_the_first_claims_and_no_patient(office: OfficeFiles) -> None:
    numbers = range(1, 6)
    rows = [
        *(f"C{number},P{number},Ann Exmple {number},03/14/2026,Aetna,1.00,0.00,01/02/1980" for number in numbers),
        *(f"D{number},P{number},Ann Example {number},03/15/2026,Aetna,1.00,0.00,01/02/1980" for number in numbers),
    ]

    warning = office.load(office.csv(*rows, header=BORN_HEADER), BORN).warnings[-1]

    assert warning == (
        f"5 patients have more than one name in the file. {TAKEN} {UNUSED.format('claims C1, C2, C3, C4 and C5')}"
    )


def test_a_new_name_says_whether_it_changes_the_name_here(office: OfficeFiles) -> None:
    """P1's new name is in the older row, so it is not used. P2's is in the newer row."""
    second = (
        "C3,P2,Bob Sample,03/14/2026,Aetna,1.00,0.00,01/02/1981",
        "C4,P2,Bob Sample,03/15/2026,Aetna,1.00,0.00,01/02/1981",
    )
    office.load(office.csv(OLD, NEW, *second, header=BORN_HEADER), BORN)
    changed = OLD.replace("Exmple", "Exmple-Hill"), NEW, second[0], second[1].replace("Sample", "Sample-Hill")

    done = office.load(office.csv(*changed, header=BORN_HEADER), BORN)

    assert done.warnings[-1] == (
        f"2 patients have more than one name in the file. {TAKEN} For 1 patient, it is new here; the list of changes "
        f"has both names. {UNUSED.format('claim C1')}"
    )
    assert done.differences.counts == {"patient name": 1}


def test_different_birth_dates_are_an_error_that_names_the_field(office: OfficeFiles) -> None:
    path = office.csv(OLD, NEW.replace("01/02/1980", "01/03/1980"), header=BORN_HEADER)

    (fault,) = office.faults(path, BORN)

    assert "column Patient #" in fault
    assert "a different patient name and date of birth; correct the wrong row (also in line 2)" in fault


def test_a_birth_date_in_the_future_is_refused_without_the_date(office: OfficeFiles) -> None:
    (fault,) = office.faults(office.csv(OLD.replace("01/02/1980", "11/24/2026"), header=BORN_HEADER), BORN)

    assert fault == (
        "ar.csv, line 2, column Birth Date, value (hidden): the date of birth is in the future; the latest allowed "
        "date is 2026-11-23"
    )


def test_the_same_birth_date_does_not_stop_two_spellings(office: OfficeFiles) -> None:
    path = office.csv(
        OLD.replace("Ann Exmple", '"Exmple, Ann"'), NEW.replace("Ann Example", '"Example, Ann"'), header=BORN_HEADER
    )

    assert office.load(path, BORN).added["claims"] == 2
    assert names(office) == {"P1": "Example, Ann"}


@pytest.mark.parametrize(
    "other", [NEW.replace("Ann", "Bob"), NEW.replace("01/02/1980", "")], ids=["another first name", "no birth date"]
)
def test_two_people_who_share_an_account_number_are_an_error(office: OfficeFiles, other: str) -> None:
    first = OLD if "1980" in other else OLD.replace("01/02/1980", "")

    (fault,) = office.faults(office.csv(first, other, header=BORN_HEADER), BORN)

    assert "another row has the same ID but a different patient name" in fault
    assert "Ann" not in fault


def test_a_claim_with_an_older_spelling_is_the_patients_too(office: OfficeFiles) -> None:
    office.load(office.csv(OLD, NEW, header=BORN_HEADER), BORN)

    with office.sessions() as session:
        claims = select(Claim.external_id, Patient.name).join(Patient, Patient.id == Claim.patient_id)
        assert dict(session.execute(claims).all()) == {"C1": "Ann Example", "C2": "Ann Example"}


def names(office: OfficeFiles) -> dict[str, str]:
    with office.sessions() as session:
        return dict(session.execute(select(Patient.external_id, Patient.name)).all())
