"""Invalid input is reported in the product's words, with the remedy and never with the value."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from core import reading
from core.enums.claims import ClaimType
from core.errors import BadInput
from core.jobs.preview.job_request import JobRequest
from core.ledger import entries


class Small(BaseModel, extra="forbid"):
    """A model with one field of each type that API clients send."""

    text: Annotated[str, Field(min_length=1, max_length=3)] = "x"
    many: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)] = ("x",)
    count: Annotated[int, Field(ge=1, le=5_000, strict=True)] = 1
    yes: Annotated[bool, Field(strict=True)] = True
    day: reading.Day | None = None
    kind: ClaimType = ClaimType.PROFESSIONAL
    word: Literal["this", "that"] = "this"
    inside: "Small | None" = None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"text": 1}, "text: write a string"),
        ({"text": ""}, "text: must not be empty"),
        ({"text": "long"}, "text: at most 3 characters"),
        ({"many": "x"}, "many: write a list"),
        ({"many": []}, "many: must not be empty"),
        ({"many": ["a", "b", "c"]}, "many: at most 2"),
        ({"many": ["a", 1]}, "many.1: write a string"),
        ({"count": "1"}, "count: write a whole number"),
        ({"count": 1.5}, "count: write a whole number"),
        ({"count": 0}, "count: must be at least 1"),
        ({"count": 5_001}, "count: must be at most 5,000"),
        ({"yes": "true"}, "yes: write true or false"),
        ({"day": 0}, "day: write the date as YYYY-MM-DD"),
        ({"day": "2026-02-30"}, "day: this date does not exist; write the date as YYYY-MM-DD"),
        ({"kind": "Dental"}, "kind: must be one of Professional, Institutional"),
        ({"word": "those"}, "word: must be one of this, that"),
        ({"color": "red"}, "color: is unknown"),
        ({"inside": 5}, "inside: write an object"),
        ({"inside": {"count": 0}, "day": 1}, "day: write the date as YYYY-MM-DD; inside.count: must be at least 1"),
    ],
)
def test_a_fault_names_the_field_and_the_remedy(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Small.model_validate(given)

    assert reading.join_faults(reading.faults_by_path(refused.value)) == expected


@pytest.mark.parametrize(
    ("entered", "number"),
    [
        ("0", 0), (" 1042 ", 1042), ("1,042", 1042), ("1,042,007", 1_042_007), ("007", 7),
        (str(2**63 - 1), 2**63 - 1), (str(2**63), None), ("9" * 5_000, None), ("", None), ("-1", None), ("+1", None),
        ("1.0", None), ("1_000", None), ("10,42", None), (",1", None), ("1 000", None), ("²", None), ("١", None),
    ],
)  # fmt: skip
def test_an_entered_number_is_whole_and_fits_its_column(entered: str, number: int | None) -> None:
    assert reading.number(entered) == number


def test_an_entered_number_respects_its_maximum() -> None:
    assert [reading.number(entered, most=50) for entered in ("50", "51")] == [50, None]


def test_an_unforeseen_error_is_reported_in_plain_words() -> None:
    assert reading.words({"type": "frozen_instance", "loc": (), "msg": "Instance is frozen", "input": "Ana"}) == (
        "is not valid"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"selection": {}}, 'selection: must be one of {"claim_ids": […]}, {"claim_numbers": […]}, {"filter"'),
        ({}, 'selection: must be one of {"claim_ids": […]}, {"claim_numbers": […]}, {"filter"'),
        ({"selection": {"claim_ids": "1"}}, "selection.claim_ids: write a list"),
        ({"selection": {"claim_ids": [1, "2"]}}, "selection.claim_ids.0: write a string"),
        ({"selection": {"filter": "x"}}, "selection.filter: write an object"),
        ({"selection": {"all": False}}, "selection.all: must be true"),
        ({"selection": {"all": 1}}, "selection.all: must be true"),
        ({"selection": {"all": 1.0}}, "selection.all: must be true"),
        ({"selection": {"all": "true"}}, "selection.all: must be true"),
        ({"selection": {"all": True}, "reason": ""}, "reason: must not be empty"),
        ({"selection": {"all": True}, "color": 1}, "color: is unknown"),
        ({"selection": {"all": True}, "include": ["on_hold"]}, "include.0: must be one of held_answer, in_process"),
        ({"selection": {"all": True}, "posting_date": 0}, "posting_date: write the date as YYYY-MM-DD"),
        ({"selection": {"filter": {"from": 0}}}, "from: write the date as YYYY-MM-DD"),
    ],
)
def test_an_invalid_job_request_is_refused_in_the_products_words(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(BadInput) as refused:
        JobRequest.of(given)

    assert refused.value.message.startswith(expected)


_PAYMENT = {"kind": "payment", "line": 1, "amount_cents": 500, "responsibility": "patient", "paid_by": "patient"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"kind": "gift"}, "kind: must be one of payment, adjustment, transfer"),
        ({"kind": None}, "kind: must be one of payment, adjustment, transfer"),
        ({"amount_cents": "5.00"}, "amount_cents: write whole cents, such as 5000 for $50.00"),
        ({"amount_cents": 0}, "amount_cents: must be at least 1"),
        ({"line": True}, "line: write a whole number, such as 1"),
        ({"posted_on": "11/23/2026"}, "posted_on: write the date as YYYY-MM-DD"),
        ({"paid_by": "unknown"}, "paid_by: must be one of primary, secondary, patient"),
        ({"memo": "x"}, "memo: is unknown"),
        ({"kind": "adjustment", "paid_by": ..., "group_code": "CO", "reason_code": "X"}, "reason_code: write the CARC"),
    ],
)
def test_an_invalid_entry_is_refused_in_the_products_words(given: dict[str, Any], expected: str) -> None:
    entry = {key: value for key, value in {**_PAYMENT, **given}.items() if value is not ...}
    with pytest.raises(entries.BadEntry) as refused:
        entries.parse_entry(entry)

    assert refused.value.message.startswith(expected)
    assert refused.value.facts["faults"].keys() == {expected.split(":", maxsplit=1)[0]}
