"""The practice's own posting rules."""

import datetime as dt
import re
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.errors import BadInput
from core.intake.remittances.posting_table import ALLOWED_ACTIONS
from core.models.ledger import GroupCode
from core.models.remittances import PostingRule, RuleAction

_CODE: Final = re.compile(r"[A-Z]{0,2}[0-9]{1,3}", re.ASCII)


class BadPostingRule(BadInput):
    """This action is not allowed for this adjustment."""

    code = "bad_posting_rule"


def load_rules(session: Session, practice_id: int) -> dict[tuple[str, str], RuleAction]:
    """Return the practice's own actions by group and reason."""
    rows = session.scalars(select(PostingRule).where(PostingRule.practice_id == practice_id))
    return {(row.group_code.value, row.reason_code): row.action for row in rows}


def set_rule(
    session: Session, group: GroupCode, reason: str, action: RuleAction | None, *, by: Actor, now: dt.datetime
) -> None:
    """Set the practice's action for an adjustment, or use the default again. What was posted stays.

    Raise `NotAllowed` and `BadPostingRule`.
    """
    by.require(Action.CHANGE_SETTING)
    if not _CODE.fullmatch(reason):
        raise BadPostingRule("Write the reason code (CARC) as the payer does, such as 45.")
    if action is not None and action not in ALLOWED_ACTIONS[group]:
        allowed = ", ".join(ALLOWED_ACTIONS[group])
        raise BadPostingRule(f"An adjustment of group {group} cannot have the action {action}. Allowed: {allowed}.")
    key = {"practice_id": by.practice_id, "group_code": group, "reason_code": reason}
    before = session.scalars(select(PostingRule).filter_by(**key).with_for_update()).one_or_none()
    if action is (before.action if before else None):
        return
    was = before.action.value if before else None
    if action is None:
        session.execute(delete(PostingRule).filter_by(**key))
    else:
        values = {"action": action, "changed_by": by.user_id, "changed_at": now}
        made = insert(PostingRule).values(**key, **values)
        session.execute(made.on_conflict_do_update(index_elements=list(key), set_=values))
    facts = {"code": f"{group.value}-{reason}", "action": action and action.value, "action_before": was}
    audit.record(session, "posting_rule.changed", Subject.practice(by.practice_id), by=by, now=now, **facts)
