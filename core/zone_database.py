"""Choose the time zone database of this process: the system's or the tzdata wheel's, whichever is newer.

Python's zoneinfo prefers the system's, however old. In a zone that has changed its clocks since then, a scheduled run
would start at the wrong hour and a late-evening posting would get the wrong date.
"""

import datetime as dt
import importlib
import re
import zoneinfo
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

MINIMUM_RELEASE: Final = "2026f"  # the newest release that changed future times; pyproject.toml requires its wheel
CHANGED_ZONES: Final = "Alberta, British Columbia, Cuba, Manitoba and Morocco"  # since 2026b, up to `MINIMUM_RELEASE`
_VERSION_FILES: Final = ("tzdata.zi", "+VERSION")  # on Linux and the BSDs; on macOS
_RELEASE: Final = re.compile(r"\d{4}[a-z]+")  # a wheel once reported "2026b-dirty"


_SOURCES: Final = {"wheel": "tzdata wheel", "system": "operating system"}


class ZoneDatabase(NamedTuple):
    """A compiled time zone database. Releases compare as text: 2025b < 2026a < 2026z < 2026za."""

    directory: str
    version: str  # for example 2026f; empty if unknown
    source: str  # wheel or system

    @property
    def words(self) -> str:
        """Return the version and source, for people."""
        return f"{self.version or 'unknown version'} ({_SOURCES[self.source]})"

    def as_json(self) -> dict[str, Any]:
        """Return the version and source, for programs."""
        return {"version": self.version or None, "source": self.source}


@cache
def current_database() -> ZoneDatabase:
    """Switch this process to the newest database, once. Return it."""
    return use_newest(zoneinfo.TZPATH)


def use_newest(system: Sequence[str], *, package: str = "tzdata") -> ZoneDatabase:
    """Add the wheel of `package` to zoneinfo's search path, and sort it by version, newest first. Return the first.

    Older databases stay behind the newest for names that only they have. One without a version goes last, because
    nothing shows that it is newer than the wheel. If two are equal, the wheel comes first, because it was tested.
    """
    databases = [
        *_find_in_wheel(package),
        *(ZoneDatabase(directory, _version_in(Path(directory)), "system") for directory in system),
    ]
    databases.sort(key=lambda one: one.version, reverse=True)  # stable
    zoneinfo.reset_tzpath([one.directory for one in databases])
    zoneinfo.ZoneInfo.clear_cache()  # a library may have read a zone from the old path
    return databases[0] if databases else ZoneDatabase("", "", "system")


def warnings(used: ZoneDatabase, *, now: dt.datetime) -> list[str]:
    """Return what is known to be wrong with this database, without using the network."""
    cure = "Install a newer tzdata wheel or system package, and restart every process."
    if used.version < MINIMUM_RELEASE:
        says = f"is {used.version}, which" if used.version else "does not say its version, so it"
        lacks = f"lacks later clock changes in {CHANGED_ZONES} ({MINIMUM_RELEASE} has them)"
        return [f"The time zone database {says} {'' if used.version else 'possibly '}{lacks}. {cure}"]
    if int(used.version[:4]) + 1 < now.year:  # released in that year, so at least a year ago
        return [f"The time zone database ({used.version}) is over a year old and may lack recent clock changes. {cure}"]
    return []


def log_at_start(*, now: dt.datetime) -> None:
    """Log which database this process uses, and what is wrong with it."""
    # Imported here, because every process imports this module, and most commands log nothing.
    import structlog

    used, log = current_database(), structlog.get_logger(__name__)
    log.info("time_zone_database", **used.as_json())
    for sentence in warnings(used, now=now):
        log.warning("time_zone_database_old", version=used.version, words=sentence)


def _find_in_wheel(package: str) -> list[ZoneDatabase]:
    try:
        wheel = importlib.import_module(package)
    except ImportError:
        return []
    directory = Path(wheel.__path__[0]).absolute() / "zoneinfo"
    version = _release(getattr(wheel, "IANA_VERSION", "")) or _version_in(directory)
    return [ZoneDatabase(str(directory), version, "wheel")]


def _version_in(directory: Path) -> str:
    for name in _VERSION_FILES:
        try:
            with (directory / name).open(encoding="ascii", errors="replace") as file:
                version = _release(file.readline(100))
        except OSError:
            continue
        if version:
            return version
    return ""


def _release(text: str) -> str:
    found = _RELEASE.search(text)
    return found[0] if found else ""
