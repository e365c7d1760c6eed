"""The practice's own posting rules."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final, NoReturn

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.enums.ledger import GroupCode
from core.enums.remittances import RuleAction
from core.errors import BadInput
from core.intake.remittances.posting_table import ALLOWED_ACTIONS, DEFAULTS, default_action
from core.models.people import User
from core.models.remittances import PostingRule
from core.practices import practice_queries

_CODE: Final = re.compile(r"[A-Z]{0,2}[0-9]{1,3}", re.ASCII)


class BadPostingRule(BadInput):
    """This action is not allowed for this adjustment."""


@dataclass(frozen=True)
class PostingRow:
    """A code of the posting table with the default action and the practice's own."""

    group: GroupCode
    reason: str
    default: RuleAction
    own: RuleAction | None = None
    changed_by: str | None = None  # the person's name
    changed_at: dt.datetime | None = None

    @property
    def action(self) -> RuleAction:
        """Return what is done with the code now."""
        return self.own or self.default


def load_rules(session: Session, practice_id: int) -> dict[tuple[str, str], RuleAction]:
    """Return the practice's own actions by group and reason."""
    rows = session.scalars(select(PostingRule).where(PostingRule.practice_id == practice_id))
    return {(row.group_code.value, row.reason_code): row.action for row in rows}


def list_table(session: Session, practice_id: int) -> list[PostingRow]:
    """Return the codes of the default table and those with the practice's own action, by group and code."""
    rows = [PostingRow(GroupCode(group), reason, action) for (group, reason), action in DEFAULTS.items()]
    found = {(row.group, row.reason): row for row in rows}
    own = session.execute(
        select(PostingRule, User.name)
        .outerjoin(User, User.id == PostingRule.changed_by)
        .where(PostingRule.practice_id == practice_id)
    )
    for rule, name in own:
        key = (rule.group_code, rule.reason_code)
        found[key] = PostingRow(*key, default_action(*key), rule.action, name, rule.changed_at)
    groups = list(GroupCode)
    return sorted(found.values(), key=lambda row: (groups.index(row.group), len(row.reason), row.reason))


def set_rule(
    session: Session, group: GroupCode, reason: str, action: RuleAction | None, *, by: Actor, now: dt.datetime
) -> None:
    """Set the practice's action for an adjustment, or use the default again. What was posted stays.

    Raise `NotAllowed` and `BadPostingRule`.
    """
    authorize.require_current_role(session, by, Action.CHANGE_SETTING)
    if not _CODE.fullmatch(reason):
        _refuse("reason", "Write the reason code (CARC) as the payer does, such as 45.")
    if action is not None and action not in ALLOWED_ACTIONS[group]:
        allowed = ", ".join(ALLOWED_ACTIONS[group])
        _refuse("action", f"An adjustment of group {group} cannot have the action {action}. Allowed: {allowed}.")
    practice_queries.lock_practice(session, by.practice_id)
    key = {"practice_id": by.practice_id, "group_code": group, "reason_code": reason}
    before = session.scalars(select(PostingRule).filter_by(**key)).one_or_none()
    if action is (before.action if before else None):
        return
    default = default_action(group, reason)
    was = before.action if before else default
    if action is None:
        session.execute(delete(PostingRule).filter_by(**key))
    else:
        values = {"action": action, "changed_by": by.user_id, "changed_at": now}
        made = insert(PostingRule).values(**key, **values)
        session.execute(made.on_conflict_do_update(index_elements=list(key), set_=values))
    facts = {"code": f"{group.value}-{reason}", "action_before": was.value, "action": (action or default).value}
    audit.record(session, "posting_rule.changed", Subject.practice(by.practice_id), by=by, now=now, **facts)


def _refuse(field: str, sentence: str) -> NoReturn:
    raise BadPostingRule(sentence, faults={field: sentence})
