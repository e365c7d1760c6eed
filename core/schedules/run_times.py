"""When a schedule runs: local dates and the instants at which runs start. No database and no clock."""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from core.schedules.requests import WEEKDAYS

_DAY: Final = dt.timedelta(days=1)
_SECOND: Final = dt.timedelta(seconds=1)
LOOK_AHEAD_DAYS: Final = 15  # a weekday comes within seven days, unless the zone skips its date


class Timetable(Protocol):
    """The part of a schedule that says when it runs."""

    local_time: dt.time
    weekdays: list[str]
    grace_minutes: int
    active_since: dt.datetime


class RunTime(NamedTuple):
    """One run: the date in the practice's time zone, and the instant at which it starts."""

    date: dt.date
    instant: dt.datetime  # UTC


class PendingRuns(NamedTuple):
    """The runs to decide now: at most one that starts, and those that are missed."""

    due: RunTime | None
    missed: list[RunTime]


def instant(local_date: dt.date, local_time: dt.time, zone: ZoneInfo) -> dt.datetime:
    """Return when the clock first shows that time on that date, or the first instant after a gap that skips it."""
    wanted = dt.datetime.combine(local_date, local_time)
    # PEP 495: in a gap, fold=1 gives an instant before the change and fold=0 one after it.
    late, early = (wanted.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if late.astimezone(zone).replace(tzinfo=None) == wanted:
        return late
    while late - early > _SECOND:
        between = early + (late - early) // 2
        if between.astimezone(zone).replace(tzinfo=None) < wanted:
            early = between
        else:
            late = between
    return late.replace(microsecond=0)


def next_due(
    schedule: Timetable, zone: ZoneInfo, now: dt.datetime, decided: Collection[dt.date] = ()
) -> tuple[dt.date, dt.datetime] | None:
    """Return the next run that starts after `now` and is not in `decided`, or None without a weekday."""
    after = max(now, schedule.active_since)
    first = after.astimezone(zone).date() - _DAY
    for run_time in _run_times(schedule, zone, first, first + LOOK_AHEAD_DAYS * _DAY):
        if run_time.instant > after and run_time.date not in decided:
            return run_time.date, run_time.instant
    return None


def first(schedule: Timetable, zone: ZoneInfo) -> RunTime | None:
    """Return the first run that counts, or None without a weekday."""
    begin = schedule.active_since.astimezone(zone).date() - _DAY
    ahead = _run_times(schedule, zone, begin, begin + LOOK_AHEAD_DAYS * _DAY)
    return next((run_time for run_time in ahead if run_time.instant >= schedule.active_since), None)


def pending_runs(
    schedule: Timetable, zone: ZoneInfo, now: dt.datetime, decided: Collection[dt.date], since: dt.date | None = None
) -> PendingRuns:
    """Return the schedule's undecided runs up to `now`.

    The newest one starts, even late, until its deadline. All before it are missed. Dates before `since` count as
    decided.
    """
    begin = schedule.active_since.astimezone(zone).date() - _DAY
    if since is not None:
        begin = max(begin, since)
    open_ = [
        run_time
        for run_time in _run_times(schedule, zone, begin, now.astimezone(zone).date() + _DAY)
        if schedule.active_since <= run_time.instant <= now and run_time.date not in decided
    ]
    if open_ and now - open_[-1].instant <= dt.timedelta(minutes=schedule.grace_minutes):
        return PendingRuns(open_[-1], open_[:-1])
    return PendingRuns(None, open_)


def _run_times(schedule: Timetable, zone: ZoneInfo, first: dt.date, last: dt.date) -> Iterator[RunTime]:
    for days in range((last - first).days + 1):
        date = first + days * _DAY
        if WEEKDAYS[date.weekday()] in schedule.weekdays and _zone_has_date(date, zone):
            yield RunTime(date, instant(date, schedule.local_time, zone))


def _zone_has_date(date: dt.date, zone: ZoneInfo) -> bool:
    """Return whether the zone has this date: Samoa had no December 30, 2011."""
    return instant(date, dt.time(), zone).astimezone(zone).date() == date
