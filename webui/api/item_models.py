"""The claims of a job, as the API answers them."""

import datetime as dt
from typing import Annotated

from pydantic import Field

from core.jobs.models import Outcome, Verdict
from webui.api.models import Answer, Why, WhyWords


class Item(Answer):
    """One claim of a job: what the preview promised, and what became of it."""

    position: int
    claim_id: str
    patient: Annotated[str, Field(validation_alias="patient_name")]
    service_date: dt.date
    insurance_cents: Annotated[int, Field(description="Will be (or was) written off, by the preview")]
    patient_cents: int
    verdict: Verdict
    verdict_code: str | None
    outcome: Outcome | None
    code: str | None
    words: Annotated[str | None, Field(description="The sentence of the code")]
    why: Why
    why_words: WhyWords
    retryable: Annotated[bool, Field(description="It failed, and retry-failed of its job takes it as things stand")]
    insurance_due_cents: Annotated[int, Field(validation_alias="insurance_due", description="Due now")]
    patient_due_cents: Annotated[int, Field(validation_alias="patient_due")]


class ItemsPage(Answer):
    """Some items of a job, in its order."""

    items: list[Item]
    next_cursor: str | None
