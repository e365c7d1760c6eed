"""Warnings: a sentence for each part of the overview that needs attention."""

import datetime as dt
from typing import Final

from core import zone_database
from core.counting import counted
from core.watch.heartbeat import WORKER
from core.watch.overview import Overview

TICK_LATE_AFTER: Final = dt.timedelta(minutes=5)  # each worker and beat check every ten seconds


def warnings(seen: Overview) -> list[str]:
    """Return the sentences, most serious first, or none if all is well."""
    found = []
    if seen.mismatches:
        claims = counted(seen.mismatches, "claim doesn't match", "claims don't match")
        found.append(f"{claims} the ledger. Run settle verify.")
    if seen.processes is not None and not any(one.kind == WORKER and one.is_alive for one in seen.processes):
        found.append("No worker is running. Jobs wait until one starts.")
    if seen.jobs is not None and seen.jobs.stalled:
        jobs = counted(seen.jobs.stalled, "running job has", "running jobs have")
        found.append(f"{jobs} made no progress for a minute.")
    if seen.jobs is not None and seen.jobs.previews_waiting:
        previews = counted(seen.jobs.previews_waiting, "preview has", "previews have")
        found.append(f"{previews} waited for a minute without a worker.")
    if seen.ticks is not None and (seen.ticks.last_seconds or 0) > TICK_LATE_AFTER.total_seconds():
        found.append("The schedules have not been checked for five minutes. Scheduled runs may be late or missed.")
    if seen.runs is not None and seen.runs.missed:
        runs = counted(len(seen.runs.missed), "scheduled run was", "scheduled runs were")
        found.append(f"{runs} missed in the last 7 days.")
    found += _missing_time_stamps(seen)
    found += zone_database.warnings(seen.time_zones, now=seen.at)
    found += _different_zones(seen)
    if seen.is_slow:
        found.append(f"The database is slow: the queries for this page took {seen.asked_seconds:.1f} s.")
    if seen.is_partial:
        found.append("Some values are missing because the database was too slow or a query failed. See the log.")
    return found


def _missing_time_stamps(seen: Overview) -> list[str]:
    stamps, found = seen.time_stamps, []
    if stamps is not None and stamps.failing:
        entries = counted(stamps.failing, "audit entry waits", "audit entries wait")
        found.append(f"{entries} for a time stamp ({stamps.last_result}). Check SETTLE_TIMESTAMP_URL.")
    if stamps is not None and stamps.given_up:
        entries = counted(stamps.given_up, "audit entry", "audit entries")
        found.append(f"{entries} of the last 7 days got no time stamp within three days.")
    return found


def _different_zones(seen: Overview) -> list[str]:
    versions = sorted({one.time_zones for one in seen.processes or () if one.is_alive and one.time_zones})
    if len(versions) <= 1:
        return []
    used = ", ".join(versions)
    return [
        f"Processes use different time zone databases ({used}). Install one version everywhere and restart them all."
    ]
