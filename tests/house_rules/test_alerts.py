"""Alert rules and the dashboard ask only for what the product exports, and every alert says what to do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from core.settings import Settings
from tests.servers import Databases
from webui.app import create_app

DOCS = Path(__file__).parents[2] / "docs"
NAMES = re.compile(r"\bsettle_[a-z_]+\b")
SELECTOR = re.compile(r"\b(settle_[a-z_]+)\{([^}]*)\}")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")
SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}")
ALERTS = [
    "SettleDatabaseDown", "SettleBrokerDown", "SettleWorkWaitsWithoutBroker", "SettleNoWorker",
    "SettleJobStalled", "SettleJobHalted",
    "SettleFailuresHigh", "SettleHintsLost", "SettleScheduleMissed", "SettleTickLate", "SettleMetricsMissing",
    "SettleLedgerMismatch",
    "SettleApprovalWaits", "SettleMailFailing", "SettleFeedSlow",
]  # fmt: skip

Exported = dict[str, dict[str, set[str]]]  # the label values by label, by the name of a sample


class Asked(NamedTuple):
    """An expression, and the labels that its words show."""

    where: str
    expression: str
    shows: set[str]


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DOCS / "grafana.json").read_text())["panels"]
    return found


def all_asked() -> Iterator[Asked]:
    for rule in alerts():
        words = " ".join(map(str, rule["annotations"].values()))
        yield Asked(rule["alert"], rule["expr"], set(SHOWN.findall(words)))
    for panel in panels():
        for target in panel.get("targets", ()):
            yield Asked(panel["title"], target["expr"], set(SHOWN.findall(target["legendFormat"])))


@pytest.fixture(scope="module")
def exported(databases: Databases) -> Exported:
    """What a real scrape of an installation gives that has only been made."""
    with databases.fresh() as url:
        app = create_app(Settings.model_validate({"database_url": url, "broker_url": None}))
        text = app.test_client().get("/metrics").text
        app.extensions["settle"].engine.dispose()
    found: Exported = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


@pytest.mark.parametrize("asked", list(all_asked()), ids=lambda asked: asked.where)
def test_whatever_is_asked_for_is_exported_under_that_name_with_those_labels(asked: Asked, exported: Exported) -> None:
    names = set(NAMES.findall(asked.expression))
    assert names
    assert names <= exported.keys()
    labels_of_all = {label for name in names for label in exported[name]}
    grouped = {label.strip() for group in GROUPING.findall(asked.expression) for label in group.split(",")}
    assert grouped <= labels_of_all
    for name, selector in SELECTOR.findall(asked.expression):
        for label, operator, value in MATCHER.findall(selector):
            values = set(value.split("|")) if "~" in operator else {value}
            assert values <= exported[name][label], (name, label)
    assert asked.shows <= grouped


def test_each_rule_of_the_list_is_there_once_with_its_severity_and_its_words() -> None:
    assert [rule["alert"] for rule in alerts()] == ALERTS
    for rule in alerts():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "does"}
        assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_means_and_what_to_do(alert: str) -> None:
    assert f"\n### {alert}\n" in (DOCS / "operations.md").read_text()


def test_what_counts_for_ever_is_named_so_and_the_dashboard_asks_for_its_rate() -> None:
    for asked in all_asked():
        for name in NAMES.findall(asked.expression):
            counts = name.endswith(("_total", "_bucket"))
            assert counts == bool(re.search(rf"(rate|increase)\({name}\b", asked.expression)), asked


def test_panels_lie_beside_each_other_and_not_over() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
