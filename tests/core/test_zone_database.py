"""A process uses the newer of the system's and the wheel's time zone databases, whatever program starts it."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
import zoneinfo
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from core import zone_database
from core.zone_database import MINIMUM_RELEASE, ZoneDatabase
from tests.zone_files import NEW, OLD, a_database, a_wheel, using

REPOSITORY = Path(__file__).parents[2]
NOVEMBER = dt.datetime(2026, 11, 2, 2, 0)  # noqa: DTZ001  each test gives it a zone


def vancouver() -> str:
    return NOVEMBER.replace(tzinfo=zoneinfo.ZoneInfo("America/Vancouver")).isoformat()[-6:]


@pytest.mark.parametrize("file", ["tzdata.zi", "+VERSION"])
def test_a_wheel_newer_than_the_system_is_used(tmp_path: Path, file: str) -> None:
    old = a_database(tmp_path, OLD, version="2025b", file=file)
    with using(old) as used:
        assert (used.version, used.source, vancouver()) == (zone_database.current_database().version, "wheel", "-07:00")


@pytest.mark.parametrize("file", ["tzdata.zi", "+VERSION"])
def test_a_system_newer_than_the_wheel_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.syspath_prepend(str(a_wheel(tmp_path, OLD, version="2025b", package="old_tzdata")))
    new = a_database(tmp_path / "system", NEW, version="2030a", file=file)
    with using(new, package="old_tzdata") as used:
        assert (used, vancouver()) == (ZoneDatabase(new, "2030a", "system"), "-07:00")


@pytest.mark.parametrize("version", [None, "unknown"])
def test_a_system_without_a_version_is_not_preferred(tmp_path: Path, version: str | None) -> None:
    with using(a_database(tmp_path, OLD, version=version)) as used:
        assert (used.source, vancouver()) == ("wheel", "-07:00")


def test_the_newest_of_several_folders_is_used_and_the_others_supply_missing_zones(tmp_path: Path) -> None:
    old = a_database(tmp_path / "old", OLD | {"Mars/Phobos": "MRS3"}, version="2025z")
    new = a_database(tmp_path / "new", NEW, version="2030za")
    with using(old, new) as used:
        assert (used.version, vancouver()) == ("2030za", "-07:00")
        assert {"America/New_York", "Mars/Phobos"} <= zoneinfo.available_timezones()
        assert zoneinfo.ZoneInfo("Mars/Phobos").utcoffset(NOVEMBER) == dt.timedelta(hours=-3)


def test_a_zone_read_before_the_choice_is_read_again(tmp_path: Path) -> None:
    old = a_database(tmp_path, OLD, version="2025b")
    with using():
        zoneinfo.reset_tzpath([old])
        zoneinfo.ZoneInfo.clear_cache()
        assert vancouver() == "-08:00"
        zone_database.use_newest([old])
        assert vancouver() == "-07:00"


def _run_process(*program: str, **environment: str) -> str:
    argv = [sys.executable, *program]
    return subprocess.run(
        argv, check=True, capture_output=True, text=True, cwd=REPOSITORY, env={**os.environ, **environment}
    ).stdout


@pytest.mark.parametrize(
    "module",
    ["core.cli", "core.schedules.run_times", "core.zone_database", "webui.app", "worker.app", "worker.beat_schedule"],
)
def test_every_process_uses_the_newer_database_whatever_it_imports_first(tmp_path: Path, module: str) -> None:
    old = a_database(tmp_path, OLD, version="2025b")
    program = (
        "import datetime as dt, zoneinfo; zoneinfo.ZoneInfo('America/Vancouver')\n"
        f"import {module}\n"
        "print(dt.datetime(2026, 11, 2, tzinfo=zoneinfo.ZoneInfo('America/Vancouver')).isoformat())"
    )

    assert _run_process("-c", program, PYTHONTZPATH=old).strip() == "2026-11-02T00:00:00-07:00"


def test_a_process_with_an_older_wheel_uses_the_systems_database(tmp_path: Path) -> None:
    old, new = a_wheel(tmp_path, OLD, version="2025b"), a_database(tmp_path / "system", NEW, version="2030a")
    program = (
        "import datetime as dt, json, zoneinfo; from core import zone_database\n"
        "at = dt.datetime(2026, 11, 2, tzinfo=zoneinfo.ZoneInfo('America/Winnipeg'))\n"
        "print(json.dumps([zone_database.current_database().as_json(), at.isoformat()]))"
    )

    answer = json.loads(_run_process("-c", program, PYTHONTZPATH=new, PYTHONPATH=str(old)))

    assert answer == [{"version": "2030a", "source": "system"}, "2026-11-02T00:00:00-05:00"]


AT = dt.datetime(2026, 11, 23, 15, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("version", "at", "expected"),
    [
        (MINIMUM_RELEASE, AT, ""),
        ("2030a", AT, ""),
        (
            "2025b",
            AT,
            "The time zone database is 2025b, which lacks later clock changes in Alberta, British Columbia",
        ),
        ("", AT, "The time zone database does not say its version, so it possibly lacks later clock changes"),
        ("2030a", AT.replace(year=2031), ""),
        ("2030a", AT.replace(year=2032), "The time zone database (2030a) is over a year old"),
    ],
)
def test_a_database_known_to_be_too_old_is_a_warning(version: str, at: dt.datetime, expected: str) -> None:
    found = zone_database.warnings(ZoneDatabase("/anywhere", version, "system"), now=at)

    assert "".join(found).startswith(expected)
    assert len(found) == bool(expected)


def test_the_version_and_its_warnings_are_logged_at_start() -> None:
    structlog.reset_defaults()
    with capture_logs() as lines:
        zone_database.log_at_start(now=AT.replace(year=2100))

    assert [(line["event"], line["log_level"], line["version"]) for line in lines] == [
        ("time_zone_database", "info", zone_database.current_database().version),
        ("time_zone_database_old", "warning", zone_database.current_database().version),
    ]


def test_the_wheel_that_the_project_requires_is_the_needed_version() -> None:
    (year, number) = re.findall(r'"tzdata>=(\d+)\.(\d+)"', (REPOSITORY / "pyproject.toml").read_text())[0]

    assert f"{year}{'abcdefghijklmnopqrstuvwxyz'[int(number) - 1]}" == MINIMUM_RELEASE
    assert zone_database.current_database().version >= MINIMUM_RELEASE
