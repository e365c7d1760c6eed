"""PostgreSQL never converts between an instant and a local time: its time zone database may be older than ours."""

import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
SOURCES = sorted(
    path for package in ("core", "worker", "webui", "tests/benchmarks") for path in (HOUSE / package).rglob("*.py")
)
# A date is not an instant, but date_trunc and to_char make it one in the session's time zone, unless it is cast first.
CONVERSIONS = re.compile(
    r"""
      \bat\s+time\s+zone\b | \btimezone\s*\( | \bset\s+time\s+zone\b
    | \bcurrent_(date|time)\b | \blocal_?time(stamp)?\s*\(\) | \bLOCALTIME(STAMP)?\b
    | \bmake_timestamptz\b | \bto_timestamp\s*\(\s*'
    | (\w_at|\.at|\bnow\(\)|\w_timestamp(\(\))?)\s*::\s*(date|time|timestamp|text)\b
    | \bcast\(\s*[\w.]*(_at|\.at|now\(\))\s*(,|\s+as\s+)\s*(date|time|text|string)\b
    | (date_trunc|date_part)\s*\(\s*["']\w+["']\s*,
        (?!\s*[\w.]+::timestamp\b|\s*cast\(\w+,\s*DateTime\(timezone=False\)\))
    | \bto_char\s*\((?!\s*[\w.]+::timestamp\b)
    | \bextract\s*\(\s*["']?(?!epoch\b|day\s+from\s+month\b)\w+["']?(\s+from\b|\s*,)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def test_no_statement_converts_time_zones_in_postgresql() -> None:
    found = {str(path): CONVERSIONS.search(path.read_text()) for path in SOURCES}

    assert len(found) > 700
    assert {path: match[0] for path, match in found.items() if match} == {}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT posted_at AT TIME ZONE 'America/Vancouver'",
        "SELECT timezone('UTC', now())",
        "SELECT now()::date",
        "SELECT p.created_at::date FROM posting p",
        "SELECT p.created_at :: timestamp FROM posting p",
        "SELECT CURRENT_DATE",
        "SELECT localtimestamp()",
        "SELECT date_trunc('month', p.created_at)",
        "SELECT date_trunc('month', p.posted_on)",
        "SELECT to_char(p.created_at, 'YYYY-MM')",
        "SELECT extract(hour FROM p.created_at)",
        "SELECT CAST(p.created_at AS date)",
        "func.current_date()",
        'func.date_trunc("day", SettleJob.confirmed_at)',
        'extract("dow", SettleJob.confirmed_at)',
        "cast(SettleJob.confirmed_at, Date)",
        'func.timezone("UTC", SettleJob.confirmed_at)',
    ],
)
def test_the_rule_finds_a_conversion(statement: str) -> None:
    assert CONVERSIONS.search(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT extract(epoch FROM e.at)",
        "SELECT date_trunc('month', p.posted_on::timestamp)::date",
        "SELECT to_char(m.month::timestamp, 'YYYY-MM')",
        "CHECK (extract(day from month) = 1)",
        'extract("epoch", JobChunk.done_at)',
        "now.astimezone(ZoneInfo(practice.time_zone)).date()",
    ],
)
def test_the_rule_accepts_other_statements(statement: str) -> None:
    assert not CONVERSIONS.search(statement)
