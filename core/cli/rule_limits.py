"""`settle rule-limit` and `rule-limits`: the limits in the rules, such as the small-balance limit."""

from typing import Any, Final

import click

from core import reading
from core.cli import options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.money import BadAmount, format_cents, parse_amount
from core.practices import practice_limit
from core.practices.practice_limit import PracticeLimit

_NAMES: Final = {
    "small-balance": practice_limit.SMALL_BALANCE,
    "recent-payment-days": practice_limit.RECENT_PAYMENT_DAYS,
    "appeal-window-days": practice_limit.APPEAL_WINDOW_DAYS,
    "statements": practice_limit.STATEMENTS,
    "statement-days": practice_limit.STATEMENT_DAYS,
}


def _list(seen: dict[str, Any]) -> str:
    return "\n".join(f"{name:<20} {_value(limit, seen[limit.column])}" for name, limit in _NAMES.items())


def _value(limit: PracticeLimit, number: int) -> str:
    if limit.is_amount:
        return format_cents(number)
    return f"{number:,}" if number else "off"


@user_command(_list, name="rule-limits")
def show_rule_limits(api: Api) -> Any:
    """Show the rule limits, such as the small-balance limit."""
    return api.get("/rule-limits")


@user_command(lambda seen: f"{_list(seen)}\nExisting previews keep their old limits.", name="rule-limit")
@click.argument("name", type=options.choice(_NAMES))
@click.argument("number")
def set_rule_limit(api: Api, name: str, number: str) -> Any:
    """Set a rule limit.

    small-balance is in dollars: the max write-off of a claim's insurance balance, and of its patient balance, for a
    small_balance reason. The others are whole numbers, and 0 turns that rule off.
    """
    limit = _NAMES[name]
    read = _cents(number) if limit.is_amount else reading.number(number)
    if read is None:
        raise practice_limit.BadLimit(f"{limit.words}: {limit.bounds}")
    return api.send("PATCH", "/rule-limits", body={limit.column: read})


def _cents(dollars: str) -> int:
    try:
        return parse_amount(dollars)
    except BadAmount as fault:
        raise click.BadParameter(f"{dollars[:40]!r}. {fault.message}", param_hint="'NUMBER'") from None


COMMANDS = [show_rule_limits, set_rule_limit]
