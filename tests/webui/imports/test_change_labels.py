"""The words for what an import changes in existing records."""

import pytest

from webui.imports.change_labels import changed_value, counted_changes, field_label


@pytest.mark.parametrize(
    ("field", "label"),
    [
        ("first_edi_on", "First EDI"),
        ("denial_carc", "Denial code (CARC)"),
        ("primary_payer", "Ins 1"),
        ("billing_status", "Billing status"),
    ],
)
def test_a_field_has_the_label_that_other_pages_use(field: str, label: str) -> None:
    assert field_label(field) == label


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("payer_class", "workers_comp", "Workers' compensation"),
        ("hold", "legal_hold", "Legal hold"),
        ("allowed", "1110.00", "$1,110.00"),
        ("service_date", "2026-03-04", "03/04/2026"),
        ("name", "Sample, Petra", "Sample, Petra"),
    ],
)
def test_a_value_is_shown_in_words_dollars_or_as_a_date(field: str, value: str, shown: str) -> None:
    assert changed_value(value, field) == shown


def test_changes_are_counted_by_field() -> None:
    counts = {"patient birth date": 2, "payer payer class": 1, "claim service date": 1_200}

    assert counted_changes(counts) == "Patient date of birth 2, Payer class 1, Date of service 1,200"
