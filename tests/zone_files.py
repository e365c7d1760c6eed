"""Small time zone databases for tests. Each zone is one rule that holds for all time."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core import zone_database
from core.zone_database import ZoneDatabase

# The rules in every release before 2026b. Morocco paused its summer time only during Ramadan, which is not in fall.
OLD = {
    "America/Vancouver": "PST8PDT,M3.2.0,M11.1.0",
    "America/Edmonton": "MST7MDT,M3.2.0,M11.1.0",
    "America/Winnipeg": "CST6CDT,M3.2.0,M11.1.0",
    "Africa/Casablanca": "<+01>-1",
}
# The rules from November 2026 on.
NEW = {
    "America/Vancouver": "MST7",
    "America/Edmonton": "CST6",
    "America/Winnipeg": "EST5",
    "Africa/Casablanca": "<+00>0",
}


def a_database(folder: Path, zones: dict[str, str], *, version: str | None, file: str = "tzdata.zi") -> str:
    """Write a database as an operating system stores it. Return its folder.

    `file` holds the version, unless `version` is None.
    """
    for name, rule in zones.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_zone(rule))
    if version is not None:
        text = version if file == "+VERSION" else f"# version {version}\n# This zic input file is in the public domain."
        (folder / file).write_text(f"{text}\n")
    return str(folder)


def a_wheel(folder: Path, zones: dict[str, str], *, version: str, package: str = "tzdata") -> Path:
    """Write a package like the tzdata wheel. Return the folder to add to Python's path."""
    a_database(folder / package / "zoneinfo", zones, version=version)
    (folder / package / "__init__.py").write_text(f'IANA_VERSION = "{version}"\n')
    (folder / package / "zones").write_text("".join(f"{name}\n" for name in zones))
    return folder


@contextmanager
def using(*system: str, package: str = "tzdata") -> Iterator[ZoneDatabase]:
    """Let this process choose between these folders and the wheel. Restore the choice afterwards."""
    before = zone_database.zoneinfo.TZPATH
    try:
        yield zone_database.use_newest(system, package=package)
    finally:
        zone_database.zoneinfo.reset_tzpath(before)
        zone_database.zoneinfo.ZoneInfo.clear_cache()


def _zone(rule: str) -> bytes:
    """Return a TZif file of version 2 without transitions, so that readers follow the rule in its footer."""
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)  # one kind of local time, four characters of names
    block = b"TZif2" + bytes(15) + counts + struct.pack(">lbb", 0, 0, 0) + b"STD\0"
    return block + block + f"\n{rule}\n".encode()
