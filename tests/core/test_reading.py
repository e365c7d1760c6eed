"""What does not fit is said in our words, with the cure, and never with the value."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from core import reading
from core.claims.models import ClaimType


class Small(BaseModel, extra="forbid"):
    """A model with a field of each kind that programs send."""

    text: Annotated[str, Field(min_length=1, max_length=3)] = "x"
    many: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)] = ("x",)
    count: Annotated[int, Field(ge=1, le=5_000, strict=True)] = 1
    yes: Annotated[bool, Field(strict=True)] = True
    day: reading.Day | None = None
    kind: ClaimType = ClaimType.PROFESSIONAL
    word: Literal["this", "that"] = "this"
    inside: "Small | None" = None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": 1}, "text: write a text"),
        ({"text": ""}, "text: must not be empty"),
        ({"text": "long"}, "text: at most 3 characters"),
        ({"many": "x"}, "many: write a list"),
        ({"many": []}, "many: must not be empty"),
        ({"many": ["a", "b", "c"]}, "many: at most 2"),
        ({"many": ["a", 1]}, "many.1: write a text"),
        ({"count": "1"}, "count: write a whole number"),
        ({"count": 1.5}, "count: write a whole number"),
        ({"count": 0}, "count: must be at least 1"),
        ({"count": 5_001}, "count: must be at most 5,000"),
        ({"yes": "true"}, "yes: write true or false"),
        ({"day": 0}, "day: write the date as YYYY-MM-DD"),
        ({"day": "2026-02-30"}, "day: no calendar has this day; write the date as YYYY-MM-DD"),
        ({"kind": "Dental"}, "kind: must be one of Professional, Institutional"),
        ({"word": "those"}, "word: must be one of this, that"),
        ({"colour": "red"}, "colour: is not known here"),
        ({"inside": 5}, "inside: write an object"),
        ({"inside": {"count": 0}, "day": 1}, "day: write the date as YYYY-MM-DD; inside.count: must be at least 1"),
    ],
)
def test_a_fault_says_the_place_and_the_cure(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Small.model_validate(given)

    assert reading.sentence(reading.faults(refused.value)) == said


def test_what_nobody_thought_of_is_still_said_plainly() -> None:
    assert reading.words({"type": "frozen_instance", "loc": (), "msg": "Instance is frozen", "input": "Ana"}) == (
        "is not as it must be"
    )
