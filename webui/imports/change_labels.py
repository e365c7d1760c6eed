"""Labels of the fields that an import changes in existing records, and of their old and new values."""

from collections.abc import Mapping
from typing import Final

from flask import Flask

from core.enums.claims import Hold
from core.enums.practices import PayerClass
from core.intake.loading.differences import legal_hold_words
from core.money import format_cents, parse_plain_amount
from webui.shared.labels import day_text, words

_FIELD_LABELS: Final[Mapping[str, str]] = {
    "birth_date": "Date of birth",
    "payer_class": "Class",
    "primary_payer": "Ins 1",
    "primary_status": "Ins 1 status",
    "secondary_payer": "Ins 2",
    "secondary_status": "Ins 2 status",
    "service_date": "Date of service",
    "service_time": "Time of service",
    "allowed": "Allowed amount",
    "expected": "Expected reimbursement",
    "first_edi_on": "First EDI",
    "last_edi_on": "Last EDI",
    "last_statement_on": "Last statement",
    "denial_group": "Denial group code",
    "denial_carc": "Denial code (CARC)",
}
_VALUE_LABELS: Final[Mapping[str, Mapping[str, str]]] = {
    "hold": {hold.value: words(hold) for hold in Hold},
    "payer_class": {kind.value: words(kind) for kind in PayerClass},
}
_AMOUNTS: Final = ("allowed", "expected")
_OWN_RECORDS: Final = ("claim", "line")  # their fields need no name of the record in front


def register(app: Flask) -> None:
    """Give templates the filters."""
    for filter_ in (field_label, changed_value, counted_changes, legal_hold_words):
        app.add_template_filter(filter_)


def field_label(field: str) -> str:
    """Return the label of a field, such as "Ins 1 status" for `primary_status`."""
    return _FIELD_LABELS.get(field, field.replace("_", " ").capitalize())


def changed_value(value: str, field: str) -> str:
    """Return the old or new value of a field as pages show it."""
    if field in _AMOUNTS:
        return format_cents(parse_plain_amount(value))
    return _VALUE_LABELS.get(field, {}).get(value, day_text(value))


def counted_changes(counts: Mapping[str, int]) -> str:
    """Return how many changes there are in each field, such as "Patient name 2, Date of service 1"."""
    return ", ".join(f"{_field_of_record(name)} {count:,}" for name, count in counts.items())


def _field_of_record(name: str) -> str:
    """Return the label of a key such as "patient birth date", which begins with the kind of record."""
    record, _, field = name.partition(" ")
    label = field_label(field.replace(" ", "_"))
    return label if record in _OWN_RECORDS else f"{record.capitalize()} {label[:1].lower()}{label[1:]}"
