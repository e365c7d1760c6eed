"""Posting rules: what is done with each adjustment of a remittance."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.enums.ledger import GroupCode
from core.enums.remittances import RuleAction
from core.errors import NotFound
from core.intake.remittances import posting_rules
from core.x12.code_labels import reason_label
from webui.api.blueprint import api
from webui.api.models import Answer
from webui.api.remittances import REMITTANCES
from webui.api.request_parsing import Body
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor


class RulePath(BaseModel):
    """The group and the reason code of an adjustment."""

    group: GroupCode
    reason: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Accept a known group. Raise `NotFound`."""
        if given["group"] not in set(GroupCode):
            raise NotFound("The group is not CO, OA, PI or PR.")
        return cls(group=GroupCode(given["group"]), reason=given["reason"])


class RuleChange(Body):
    """The action."""

    action: Annotated[str | None, Field(description="post, track, hold, transfer or memo; null means the default")]


class PostingRuleAnswer(Answer):
    """The action for an adjustment, and the default one."""

    group: GroupCode
    reason: str
    label: Annotated[str, Field(description="Our own short words; empty for a code without any")]
    action: RuleAction
    default: RuleAction
    is_own: Annotated[bool, Field(description="Whether the practice chose the action")]


class PostingRulesAnswer(Answer):
    """The posting table. Every other adjustment has the default action of its group."""

    rules: list[PostingRuleAnswer]


@api.get("/posting-rules", needs=Action.SEE_CLAIMS, tag=REMITTANCES)
def list_rules(session: Session) -> PostingRulesAnswer:
    """List the posting rules: what is done with each adjustment, and the default."""
    return _rules(session)


@api.put("/posting-rules/<group>/<reason>", needs=Action.CHANGE_SETTING, tag=REMITTANCES)
def change_rule(path: RulePath, body: RuleChange, session: Session) -> PostingRulesAnswer:
    """Change the action for an adjustment. It applies to later postings only."""
    if body.action not in {None, *RuleAction}:
        raise posting_rules.BadPostingRule("The action is not post, track, hold, transfer or memo.")
    action = None if body.action is None else RuleAction(body.action)
    posting_rules.set_rule(session, path.group, path.reason, action, by=current_actor(), now=now())
    return _rules(session)


def _rules(session: Session) -> PostingRulesAnswer:
    found = posting_rules.list_table(session, current_actor().practice_id)
    rules = [
        PostingRuleAnswer(
            group=row.group, reason=row.reason, label=reason_label(row.group, row.reason), action=row.action,
            default=row.default, is_own=row.own is not None,
        )
        for row in found
    ]  # fmt: skip
    return PostingRulesAnswer(rules=rules)
