"""The rules as SQL: which one decides on a claim, and the facts that it used."""

from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, null

from core.policy.facts import Facts
from core.policy.rule import Rule, RuleAction


def first_match(facts: Facts, rules: list[Rule]) -> ColumnElement[str | None]:
    """Return the code of the first rule that matches, or NULL."""
    return _first_of([(rule.when(facts), literal(rule.code)) for rule in rules])


def rule_values(facts: Facts, rules: list[Rule]) -> ColumnElement[dict[str, Any] | None]:
    """Return the facts of the first matching rule as JSON by name, if it skips the claim, else NULL."""
    return _first_of([(rule.when(facts), _shown_facts(facts, rule)) for rule in rules])


def _first_of(found: list[tuple[ColumnElement[bool], ColumnElement[Any]]]) -> ColumnElement[Any]:
    # A CASE without a condition is an error.
    return case(*found, else_=null()) if found else null()


def _shown_facts(facts: Facts, rule: Rule) -> ColumnElement[Any]:
    if rule.action is not RuleAction.SKIP:
        return null()
    always = func.jsonb_build_object(*_names_and_values(facts, rule.shows))
    if not rule.also_shows:
        return always
    return always.op("||")(func.jsonb_strip_nulls(func.jsonb_build_object(*_names_and_values(facts, rule.also_shows))))


def _names_and_values(facts: Facts, names: tuple[str, ...]) -> list[ColumnElement[Any]]:
    return [part for name in names for part in (literal(name), facts.values[name])]
