"""The findings of the weekly review.

A finding is no proof of a fault. It belongs to the week of its later event.
"""

import datetime as dt
from enum import StrEnum
from typing import Final, NamedTuple

FINDINGS_SHOWN: Final = 200  # of each kind on the page, before a reader asks for all
CLAIMS_SHOWN_MAX: Final = 20  # of one finding


class FindingKind(StrEnum):
    """Why something is in the review."""

    CHANGED = "changed_near_write_off"
    LOOSENED = "loosened"
    ADJUSTED = "adjusted_over_limit"
    WITHOUT_LIMIT = "lowered_without_limit"
    YOUNG_APPROVER = "approved_by_new_account"
    UNPROTECTED = "protection_ended_before_write_off"
    ALONE = "ran_without_second_person"
    UNDER_LIMIT = "lowered_under_limit"  # last, because the others matter more


KIND_WORDS: Final = {
    FindingKind.CHANGED: "Changes within a day of a write-off by the same or a tied user",
    FindingKind.LOOSENED: "Other raised limits, loosened rules and changes that an auditor checks",
    FindingKind.ADJUSTED: "Postings, imports and jobs of a user that together exceed a limit",
    FindingKind.WITHOUT_LIMIT: "What each user without a limit for a job took off balances",
    FindingKind.YOUNG_APPROVER: "Approvals by new accounts, or where one user may have both accounts",
    FindingKind.UNPROTECTED: "Legal holds and exclusions that ended within 7 days before a write-off",
    FindingKind.ALONE: "Without a second person: over a limit, overridden rules and cost sharing",
    FindingKind.UNDER_LIMIT: "Under the limit: sums of each user, and imports of new claims",
}


class Week(NamedTuple):
    """A week from Monday through Sunday in the practice's time zone."""

    first_day: dt.date
    begins: dt.datetime
    ends: dt.datetime

    @property
    def last_day(self) -> dt.date:
        """Return its Sunday."""
        return self.first_day + dt.timedelta(days=6)


class Finding(NamedTuple):
    """One thing to look at."""

    kind: FindingKind
    at: dt.datetime
    sentence: str
    user_ids: tuple[int, ...]
    job_ids: tuple[int, ...] = ()
    claims: tuple[str, ...] = ()  # the first ones, by the practice's own number
    claim_count: int = 0
    cents: int = 0  # if the largest come first


class Review(NamedTuple):
    """The findings of a week by kind, newest or largest first, the names of people, and the users who get it."""

    week: Week
    findings: dict[FindingKind, list[Finding]]
    names: dict[int, str]
    readers: tuple[int, ...]

    @property
    def total(self) -> int:
        """Return the number of findings, without the sums under the limit, which every week has."""
        return sum(len(found) for kind, found in self.findings.items() if kind is not FindingKind.UNDER_LIMIT)

    @property
    def under_limit_cents(self) -> int:
        """Return what users under the limit took off balances."""
        return sum(one.cents for one in self.findings[FindingKind.UNDER_LIMIT] if one.user_ids)
