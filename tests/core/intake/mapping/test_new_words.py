"""The values of a file that its mapping does not know."""

import pytest

from core.intake.mapping import new_words
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.new_words import find_new_words
from core.intake.mapping.targets import Field
from tests.core.intake.mapping.conftest import COLUMNS, HEADER, MAPPING, OfficeFiles
from tests.factories import TODAY

STATUS = Mapping.of(MAPPING.as_json() | {"columns": {**COLUMNS, "Claim Status": "primary_status"}})


def test_values_that_differ_only_in_letter_case_are_one_value(office: OfficeFiles) -> None:
    rows = [f"C{n},P1,Example Ann,03/14/2026,Aetna,1.00,0.00,{word}" for n, word in enumerate(("Odd", "odd", "ODD "))]

    found = find_new_words(office.csv(*rows, header=f"{HEADER},Claim Status"), STATUS, statuses=set(), today=TODAY)

    assert found == {Field.PRIMARY_STATUS: {"Odd": 3}}


def test_a_column_with_a_different_value_in_every_row_takes_linear_time(
    office: OfficeFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    monkeypatch.setattr(new_words, "_key", lambda word: compared.append(word) or word)
    rows = [f"C{n},P1,Example Ann,03/14/2026,Aetna,1.00,0.00,word {n}" for n in range(500)]

    find_new_words(office.csv(*rows, header=f"{HEADER},Claim Status"), STATUS, statuses=set(), today=TODAY)

    assert len(compared) <= 2 * len(rows)
