"""Alert rules and the dashboard query only what the product exports, and each alert says what to do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from core.settings import Settings
from tests.roles import as_web
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
    "SettleJobStalled", "SettlePreviewTakesLong", "SettleJobHalted",
    "SettleFailuresHigh", "SettleHintsLost", "SettleScheduleMissed", "SettleTickLate", "SettleMetricsMissing",
    "SettleLedgerMismatch",
    "SettleApprovalWaits", "SettleMailFailing", "SettleFeedSlow",
]  # fmt: skip

Exported = dict[str, dict[str, set[str]]]  # the label values by label, by the name of a sample


class Query(NamedTuple):
    """A query expression, and the labels that its alert or panel shows."""

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


def all_queries() -> Iterator[Query]:
    for rule in alerts():
        words = " ".join(map(str, rule["annotations"].values()))
        yield Query(rule["alert"], rule["expr"], set(SHOWN.findall(words)))
    for panel in panels():
        for target in panel.get("targets", ()):
            yield Query(panel["title"], target["expr"], set(SHOWN.findall(target["legendFormat"])))


@pytest.fixture(scope="module")
def exported(databases: Databases) -> Exported:
    """Return what a real scrape of a new installation exports."""
    with databases.fresh() as url:
        app = create_app(Settings.model_validate({"database_url": as_web(url), "broker_url": None}))
        text = app.test_client().get("/metrics").text
        app.extensions["settle"].engine.dispose()
    found: Exported = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


@pytest.mark.parametrize("query", list(all_queries()), ids=lambda query: query.where)
def test_each_queried_metric_is_exported_with_those_labels(query: Query, exported: Exported) -> None:
    names = set(NAMES.findall(query.expression))
    assert names
    assert names <= exported.keys()
    labels_of_all = {label for name in names for label in exported[name]}
    grouped = {label.strip() for group in GROUPING.findall(query.expression) for label in group.split(",")}
    assert grouped <= labels_of_all
    for name, selector in SELECTOR.findall(query.expression):
        for label, operator, value in MATCHER.findall(selector):
            values = set(value.split("|")) if "~" in operator else {value}
            assert values <= exported[name][label], (name, label)
    assert query.shows <= grouped


def test_each_listed_alert_rule_exists_once_with_its_severity_and_text() -> None:
    assert [rule["alert"] for rule in alerts()] == ALERTS
    for rule in alerts():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "does"}
        assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_means_and_what_to_do(alert: str) -> None:
    assert f"\n### {alert}\n" in (DOCS / "operations.md").read_text()


def test_counters_are_named_total_and_the_dashboard_queries_their_rate() -> None:
    for query in all_queries():
        for name in NAMES.findall(query.expression):
            counts = name.endswith(("_total", "_bucket"))
            assert counts == bool(re.search(rf"(rate|increase)\({name}\b", query.expression)), query


def test_panels_do_not_overlap() -> None:
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
