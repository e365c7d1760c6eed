"""The default action for each adjustment. A practice may change the action for a code: `posting_rules`."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from core.intake.remittances.answers import GivenAdjustment
from core.models.ledger import GroupCode
from core.models.remittances import RuleAction

Rules = Mapping[tuple[str, str], RuleAction]  # the practice's own, by group and reason

# Reductions that the practice accepts by contract or law. Every other CO or PI stays open on the insurance.
_POSTED: Final = {("CO", "45"), ("CO", "253"), ("CO", "131"), ("CO", "144"), ("PI", "45")}
_OLD_SEQUESTRATION: Final = ("CO", "223")
_SEQUESTRATION_HAS_ITS_CODE_FROM: Final = dt.date(2013, 6, 1)
PRIOR_PAYER: Final = ("OA", "23")  # what the first payer paid and reduced
_TRACKED_OTHER: Final = ("18", "94")
_PATIENT_WAS_PAID: Final = "100"  # the next payer must not pay it again

ALLOWED_ACTIONS: Final = {
    GroupCode.PATIENT_RESPONSIBILITY: (RuleAction.TRANSFER, RuleAction.TRACK, RuleAction.HOLD),
    **dict.fromkeys(
        (GroupCode.CONTRACTUAL, GroupCode.PAYER_INITIATED, GroupCode.OTHER),
        (RuleAction.POST, RuleAction.TRACK, RuleAction.HOLD, RuleAction.MEMO),
    ),
}


def action_for(adjustment: GivenAdjustment, rules: Rules, *, service_on: dt.date | None) -> RuleAction:
    """Return what to do with the adjustment."""
    key = (adjustment.group, adjustment.reason)
    if key in rules:
        return rules[key]
    if adjustment.group == GroupCode.PATIENT_RESPONSIBILITY:
        return RuleAction.HOLD if adjustment.reason == _PATIENT_WAS_PAID else RuleAction.TRANSFER
    if adjustment.group == GroupCode.OTHER:
        if key == PRIOR_PAYER:
            return RuleAction.MEMO
        return RuleAction.TRACK if adjustment.reason in _TRACKED_OTHER else RuleAction.HOLD
    if key in _POSTED:
        return RuleAction.POST
    is_before = service_on is not None and service_on < _SEQUESTRATION_HAS_ITS_CODE_FROM
    return RuleAction.POST if key == _OLD_SEQUESTRATION and is_before else RuleAction.TRACK
