"""The rule limits that an administrator sets, such as the small-balance limit."""

from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.practices import limits, practice_queries
from core.practices.practice_limit import (
    APPEAL_WINDOW_DAYS,
    RECENT_PAYMENT_DAYS,
    SMALL_BALANCE,
    STATEMENT_DAYS,
    STATEMENTS,
)
from webui.api.blueprint import PRACTICE, api
from webui.api.models import Answer
from webui.api.request_parsing import Body
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor

_SMALL_BALANCE = (
    f"The most that a small_balance reason can write off per claim and responsibility, {SMALL_BALANCE.bounds}"
)
_RECENT_PAYMENT = f"Days for which a claim is skipped after a payment, {RECENT_PAYMENT_DAYS.bounds}; 0 means off"
_APPEAL = f"Days for which a claim is skipped after a denial, {APPEAL_WINDOW_DAYS.bounds}; 0 means off"
_STATEMENTS = f"A patient balance with fewer statements than this is skipped, {STATEMENTS.bounds}; 0 means off"
_STATEMENT_DAYS = f"Days for which a patient balance is skipped after a statement, {STATEMENT_DAYS.bounds}; 0 means off"


class RuleLimits(Answer):
    """The rule limits. A preview freezes them."""

    small_balance_max_cents: Annotated[int, Field(description=_SMALL_BALANCE)]
    recent_payment_days: Annotated[int, Field(description=_RECENT_PAYMENT)]
    appeal_window_days: Annotated[int, Field(description=_APPEAL)]
    statements_min: Annotated[int, Field(description=_STATEMENTS)]
    statement_days: Annotated[int, Field(description=_STATEMENT_DAYS)]


class SomeRuleLimits(Body):
    """The limits to change. A limit that is left out does not change."""

    small_balance_max_cents: Annotated[int, Field(description=_SMALL_BALANCE)] = 0
    recent_payment_days: Annotated[int, Field(description=_RECENT_PAYMENT)] = 0
    appeal_window_days: Annotated[int, Field(description=_APPEAL)] = 0
    statements_min: Annotated[int, Field(description=_STATEMENTS)] = 0
    statement_days: Annotated[int, Field(description=_STATEMENT_DAYS)] = 0


@api.get("/rule-limits", needs=Action.SEE_CLAIMS, tag=PRACTICE)
def show_rule_limits(session: Session) -> RuleLimits:
    """Show the rule limits, such as the small-balance limit."""
    return RuleLimits.model_validate(practice_queries.find(session, current_actor().practice_id))


@api.patch("/rule-limits", needs=Action.CHANGE_SETTING, tag=PRACTICE)
def change_rule_limits(body: SomeRuleLimits, session: Session) -> RuleLimits:
    """Change rule limits. Existing previews keep the old limits."""
    given = body.model_dump(exclude_unset=True)
    return RuleLimits.model_validate(limits.set_rule_limits(session, given, by=current_actor(), now=now()))
