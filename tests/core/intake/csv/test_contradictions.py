"""Two rows with one id and different values: the fault names the fields, and both rows, and no name of a patient."""

import pytest

from core.intake.parsing.faults import ImportRefused
from tests.core.intake.conftest import FilesOfPractice


@pytest.mark.parametrize(
    ("file", "row", "differs", "where"),
    [
        ("patients.csv", ("P-1", "Sample, Petro", "1980-02-28"), "patient name", "2"),
        ("patients.csv", ("P-1", "Sample, Petro", ""), "patient name and date of birth", "2"),
        ("payers.csv", ("20001", "Medicare", "other"), "payer class", '3; class "other" here, "medicare" there'),
        (
            "payers.csv",
            ("20001", "Medicare B", "other"),
            "payer name and class",
            '3; name "Medicare B" here, "Medicare" there; class "other" here, "medicare" there',
        ),
    ],
    ids=["name", "name and birth date", "class", "name and class"],
)
def test_a_row_that_contradicts_another_names_the_fields_that_differ(
    files: FilesOfPractice, file: str, row: tuple[str, ...], differs: str, where: str
) -> None:
    files.append(file, *row)

    (found,) = files.faults()

    cure = f"another row has the same ID but a different {differs}; correct the wrong row"
    assert found.endswith(f'value "{row[0]}": {cure} (also in line {where})')


def test_rows_that_differ_in_different_fields_are_different_faults(files: FilesOfPractice) -> None:
    files.append("patients.csv", "P-1", "Sample, Petro", "1980-02-28")
    files.append("patients.csv", "P-1", "Sample, Petra", "1981-02-28")
    files.append("patients.csv", "P-1", "Sample, Petra", "1980-02-28")

    with pytest.raises(ImportRefused) as refused:
        files.load()

    assert [(one.count, one.first[0].cure.partition(";")[0]) for one in refused.value.faults] == [
        (1, "another row has the same ID but a different patient name"),
        (1, "another row has the same ID but a different patient date of birth"),
        (1, "remove the duplicate row: every imported column is the same"),
    ]
    assert "Petr" not in str([one.facts() for one in refused.value.faults])
