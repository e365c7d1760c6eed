"""Run an alert rule of docs/alerts.yml on a real scrape.

Covers only the part of Prometheus's language that the rules use.
"""

import re
from pathlib import Path
from typing import Final

import yaml
from prometheus_client.parser import text_string_to_metric_families

_RULES: Final = Path(__file__).parents[1] / "docs" / "alerts.yml"
_HIGHEST: Final = re.compile(r"max\((settle_[a-z_]+)\)")
_KNOWN: Final = re.compile(r"[\d.\s=<>+]|and|or")  # what is left after each metric is replaced with a number


def severity(alert: str) -> str:
    """Return the rule's severity: page or ticket."""
    return str(_rule(alert)["labels"]["severity"])


def holds(alert: str, scraped: str) -> bool:
    """Return True if the rule's condition holds on this scrape. Prometheus itself checks how long it must hold."""
    values: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(scraped):
        for sample in family.samples:
            values.setdefault(sample.name, []).append(sample.value)
    asked = _HIGHEST.sub(lambda found: str(max(values[found[1]])), str(_rule(alert)["expr"]))
    assert not _KNOWN.sub("", asked), f"a test cannot run this rule yet: {asked}"
    return bool(eval(asked, {}))  # noqa: S307  only numbers and comparisons, as just asserted


def _rule(alert: str) -> dict[str, dict[str, str]]:
    (group,) = yaml.safe_load(_RULES.read_text())["groups"]
    (rule,) = [rule for rule in group["rules"] if rule["alert"] == alert]
    found: dict[str, dict[str, str]] = rule
    return found
