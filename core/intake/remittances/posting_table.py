"""The default action for each adjustment. A practice may change the action for a code: `posting_rules`."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from core.enums.ledger import GroupCode
from core.enums.remittances import RuleAction
from core.intake.remittances.answers import GivenAdjustment

Rules = Mapping[tuple[str, str], RuleAction]  # the practice's own, by group and reason

PRIOR_PAYER: Final = ("OA", "23")  # what the first payer paid and reduced
OVER_CHARGE: Final = ("OA", "94")
_OLD_SEQUESTRATION: Final = ("CO", "223")
SEQUESTRATION_HAS_ITS_CODE_FROM: Final = dt.date(2013, 6, 1)
# The codes that differ from the default of their group, and those that are often asked for. Only reductions that the
# practice accepts by contract or law are posted. Every other CO or PI stays open on the insurance.
DEFAULTS: Final = {
    ("CO", "45"): RuleAction.POST,
    ("CO", "253"): RuleAction.POST,
    _OLD_SEQUESTRATION: RuleAction.TRACK,  # posted for services before sequestration had its own code
    ("CO", "131"): RuleAction.POST,
    ("CO", "144"): RuleAction.POST,
    ("CO", "42"): RuleAction.TRACK,
    ("CO", "A2"): RuleAction.TRACK,
    ("PI", "45"): RuleAction.POST,
    ("PR", "1"): RuleAction.TRANSFER,
    ("PR", "2"): RuleAction.TRANSFER,
    ("PR", "3"): RuleAction.TRANSFER,
    ("PR", "100"): RuleAction.HOLD,  # the patient was paid, and the next payer must not pay it again
    ("OA", "18"): RuleAction.TRACK,
    PRIOR_PAYER: RuleAction.MEMO,
    OVER_CHARGE: RuleAction.TRACK,  # posted below zero, because the payer then allows more than the charge
}
GROUP_DEFAULTS: Final = {
    GroupCode.CONTRACTUAL: RuleAction.TRACK,
    GroupCode.PAYER_INITIATED: RuleAction.TRACK,
    GroupCode.PATIENT_RESPONSIBILITY: RuleAction.TRANSFER,
    GroupCode.OTHER: RuleAction.HOLD,
}

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
    if key == _OLD_SEQUESTRATION and service_on is not None and service_on < SEQUESTRATION_HAS_ITS_CODE_FROM:
        return RuleAction.POST
    if key == OVER_CHARGE and adjustment.cents < 0:
        return RuleAction.POST
    return default_action(*key)


def default_action(group: str, reason: str) -> RuleAction:
    """Return the default action for the code today. An unknown group stays open."""
    in_group = GROUP_DEFAULTS[GroupCode(group)] if group in set(GroupCode) else RuleAction.TRACK
    return DEFAULTS.get((group, reason), in_group)
