"""What a rule is: one row of the table of rules."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.enums.jobs import JobKind
from core.policy.facts import Condition, Facts


class Moment(StrEnum):
    """When a rule is checked."""

    FEED = "feed"
    PREVIEW = "preview"
    RUN = "run"


class RuleAction(StrEnum):
    """What happens to a claim that matches a rule."""

    SKIP = "skip"
    SETTLE = "settle"  # the status changes, and nothing is written off


FEED_AND_PREVIEW: Final = frozenset({Moment.FEED, Moment.PREVIEW})
PREVIEW_ONLY: Final = frozenset({Moment.PREVIEW})
EVERYWHERE: Final = frozenset(Moment)
PREVIEW_AND_RUN: Final = frozenset({Moment.PREVIEW, Moment.RUN})
RUN_ONLY: Final = frozenset({Moment.RUN})
SETTLE_JOBS: Final = frozenset({JobKind.SETTLE})
STATUS_JOBS: Final = frozenset({JobKind.STATUS})
REVERSE_JOBS: Final = frozenset({JobKind.REVERSE})
ALL_JOB_KINDS: Final = frozenset(JobKind)


@dataclass(frozen=True)
class Rule:
    """One row. `sentence` is for users, `code` is stable, `when` reads facts."""

    code: str
    sentence: str
    when: Callable[[Facts], Condition]
    action: RuleAction = RuleAction.SKIP
    at: frozenset[Moment] = FEED_AND_PREVIEW
    kinds: frozenset[JobKind] = SETTLE_JOBS
    shows: tuple[str, ...] = ()  # facts shown as the reason
    also_shows: tuple[str, ...] = ()  # more facts, shown if present
    number: str | None = None  # the practice's number for the rule; 0 turns it off
    change: str = ""  # what must change before a new job settles the claim; "" if nothing can
    for_schedules: bool = False  # only jobs of schedules apply it
