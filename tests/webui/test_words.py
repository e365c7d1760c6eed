"""Every value has a label, and dates, times and numbers have the US format."""

import datetime as dt
from enum import StrEnum

import pytest

from core.enums.claims import ClaimStatus, ClaimType, Hold
from core.enums.job_items import Outcome, Verdict
from core.enums.jobs import JobKind, JobStatus
from core.enums.ledger import GroupCode, PaidBy, PostingKind, Responsibility, WriteOffReason
from core.enums.people import Role
from core.enums.practices import PayerClass, WriteOffSetting
from core.jobs import codes
from webui.shared import apostrophes, labels

KINDS = [
    ClaimStatus, ClaimType, GroupCode, Hold, JobKind, JobStatus, Outcome, PaidBy, PayerClass, PostingKind,
    Responsibility, Role, Verdict, WriteOffReason, WriteOffSetting,
]  # fmt: skip


@pytest.mark.parametrize(
    "value", [value for kind in KINDS for value in kind], ids=lambda value: f"{type(value).__name__}.{value.name}"
)
def test_every_value_has_a_label(value: StrEnum) -> None:
    words = labels.words(value)

    assert words
    assert "_" not in words


def test_equal_values_of_two_types_have_their_own_labels() -> None:
    assert labels.words(PaidBy.PATIENT) == "Patient"
    assert labels.words(Responsibility.PATIENT) == "Patient"


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_command_calls_a_status_what_a_page_calls_it(status: JobStatus) -> None:
    word = labels.JOB_STATUS[status].word

    assert codes.status_words(status) == f"{word[0].lower()}{word[1:]}"


@pytest.mark.parametrize("setting", list(WriteOffSetting))
def test_every_setting_has_a_description(setting: WriteOffSetting) -> None:
    assert labels.SETTING_DESCRIPTIONS[setting]


@pytest.mark.parametrize("pill", [*labels.JOB_STATUS.values(), *labels.OUTCOME.values(), *labels.VERDICT.values()])
def test_every_status_has_a_word_and_an_icon_besides_its_color(pill: labels.Pill) -> None:
    assert pill.word
    assert pill.icon


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "unknown"), (0, "0 seconds"), (1, "1 second"), (59.4, "59 seconds"), (60, "1 minute"), (119, "1 minute"),
        (3_600, "1 hour"), (3_660, "1 hour 1 minute"), (7_559, "2 hours 5 minutes"),
    ],
)  # fmt: skip
def test_a_duration_is_shown_in_words(seconds: float | None, words: str) -> None:
    assert labels.duration(seconds) == words


def test_only_the_text_of_a_page_gets_curly_apostrophes() -> None:
    """A form would send a changed value, and a name is a name."""
    kept = '<input value="a payer&#39;s note"> <textarea>\nit&#39;s</textarea> &#39;s&#39; O&#39;Neil'

    assert apostrophes.curled(f"{kept}&#39;s claim isn&#39;t held") == f"{kept}’s claim isn’t held"


def test_dates_times_and_numbers_have_the_us_format() -> None:
    assert labels.date(dt.date(2021, 8, 28)) == "08/28/2021"
    assert labels.clock_time(dt.time(8, 15)) == "8:15 AM"
    assert labels.clock_time(None) == ""
    assert labels.number(12_431) == "12,431"
    assert labels.money(-1_500) == "-$15.00"


@pytest.mark.parametrize(
    ("part", "whole", "percent"), [(0, 0, 0), (0, None, 0), (999, 1_000, 99), (1_000, 1_000, 100), (1, 3, 33)]
)
def test_100_percent_means_all(part: int, whole: int | None, percent: int) -> None:
    assert labels.percent(part, whole) == percent


def test_a_filter_becomes_the_feeds_address_with_the_fields_own_formats() -> None:
    given = {"billing_status": ["Balance Due", "Bill Insurance"], "total_due_max_cents": 5_000, "on_hold": False}

    assert labels.feed_address(given) == (
        "/claims?billing_status=Balance+Due&billing_status=Bill+Insurance&total_due_max=50.00&on_hold=false"
    )
