"""Rules that check one balance only, and that a job does not apply because it leaves this balance open."""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from core.enums.ledger import Responsibility
from core.enums.practices import WriteOffSetting

RULES_OF_BALANCE: Final = {
    Responsibility.INSURANCE: frozenset(
        {"in_process", "rejected", "not_submitted", "secondary_pending", "in_appeal_window"}
    ),
    Responsibility.PATIENT: frozenset(
        {"too_few_statements", "recent_statement", "medicare_cost_share", "cost_share_note"}
    ),
}


class NotApplied(NamedTuple):
    """Rules that a job does not apply, with the reason as a sentence."""

    sentence: str
    codes: list[str]


def rules_not_applied(on: Iterable[str], setting: str, provider_settings: Collection[str]) -> list[NotApplied]:
    """Return those of the rules `on` that cannot skip a claim of a job with these Balance Writeoff settings."""
    settings, codes = {setting, *provider_settings}, list(on)
    because = f"The Balance Writeoff setting is {setting.capitalize()}"
    if provider_settings:
        because = "The Balance Writeoff settings are " + " and ".join(sorted(one.capitalize() for one in settings))
    found = []
    for side, of_balance in RULES_OF_BALANCE.items():
        left = [code for code in codes if code in of_balance]
        if left and not settings & {side.value, WriteOffSetting.BOTH.value}:
            sentence = f"{because}, so these rules do not apply: the {side.value} balance stays open."
            found.append(NotApplied(sentence, left))
    return found
