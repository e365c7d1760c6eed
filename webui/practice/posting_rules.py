"""The page of the posting rules: what is done with each adjustment of a remittance."""

from collections.abc import Mapping
from typing import Final

from flask import render_template, request
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.enums.ledger import GroupCode
from core.enums.remittances import RuleAction
from core.intake.remittances import posting_rules
from core.intake.remittances.posting_rules import BadPostingRule
from core.intake.remittances.posting_table import (
    ALLOWED_ACTIONS,
    GROUP_DEFAULTS,
    OVER_CHARGE,
    SEQUESTRATION_HAS_ITS_CODE_FROM,
)
from webui.shared import acts
from webui.shared.auth import Pages, current_actor

_DEFAULT: Final = "default"
ACTION_MEANS: Final = {
    RuleAction.POST: "Lowers the insurance balance.",
    RuleAction.TRACK: "Posts nothing. The amount stays on the insurance balance, and the claim shows the code.",
    RuleAction.TRANSFER: "Moves the amount to the patient. If another payer follows, it stays with the insurance.",
    RuleAction.HOLD: "Holds the whole answer until a user decides.",
    RuleAction.MEMO: "Posts nothing, because the first payer’s remittance posted it.",
}

blueprint = Pages("posting_rules", __name__, url_prefix="/posting-rules")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """Show the posting rules, and the forms to change them for users who may."""
    return _page()


@blueprint.post("", needs=Action.CHANGE_SETTING)
def change() -> Response | tuple[str, int]:
    """Set the action for a code. Faults appear at their fields."""
    group, reason = request.form.get("group_code", ""), request.form.get("reason_code", "").strip().upper()
    action = request.form.get("action", "")
    faults = {}
    if group not in set(GroupCode):
        faults["group_code"] = "Choose the group code."
    if action not in {_DEFAULT, *RuleAction}:
        faults["action"] = "Choose what to do with the adjustment."
    if faults:
        return _page(typed=request.form, faults=faults), BadPostingRule.http_status
    chosen = None if action == _DEFAULT else RuleAction(action)
    try:
        acts.run(posting_rules.set_rule, GroupCode(group), reason, chosen)
    except BadPostingRule as refusal:
        found = refusal.facts["faults"]
        faults = {"reason_code": found.get("reason", ""), "action": found.get("action", "")}
        return _page(typed=request.form, faults=faults), refusal.http_status
    return acts.redirect_with(f"Rule for {group}-{reason} saved. It applies to later postings.", "posting_rules.index")


def _page(*, typed: Mapping[str, str] | None = None, faults: Mapping[str, str] | None = None) -> str:
    rows = acts.read(posting_rules.list_table, current_actor().practice_id)
    return render_template(
        "posting_rules/index.html", rows=rows, group_defaults=GROUP_DEFAULTS, allowed=ALLOWED_ACTIONS,
        means=ACTION_MEANS, groups=list(GroupCode), default=_DEFAULT, typed=typed or {}, faults=faults or {},
        may_change=current_actor().may(Action.CHANGE_SETTING), old_sequestration=SEQUESTRATION_HAS_ITS_CODE_FROM,
        over_charge=OVER_CHARGE,
    )  # fmt: skip
