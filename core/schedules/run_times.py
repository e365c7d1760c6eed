"""When a schedule's nights are: local dates and the instants at which they begin. No database, no clock."""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from core.schedules.requests import WEEKDAYS

_DAY: Final = dt.timedelta(days=1)
_SECOND: Final = dt.timedelta(seconds=1)
LOOK_AHEAD_DAYS: Final = 15  # a weekday comes within seven, unless its date is one that the zone skips


class Timed(Protocol):
    """As much of a schedule as says when."""

    local_time: dt.time
    weekdays: list[str]
    late_minutes: int
    counts_from: dt.datetime


class Night(NamedTuple):
    """One night: the date in the practice's zone, and when it begins."""

    date: dt.date
    instant: dt.datetime  # UTC


class Nights(NamedTuple):
    """What is to be decided now: at most one night that runs, and those that do not run any more."""

    due: Night | None
    missed: list[Night]


def instant(local_date: dt.date, local_time: dt.time, zone: ZoneInfo) -> dt.datetime:
    """When the clock shows that time on that date: the first time it does; where it never does, the first after it."""
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
    schedule: Timed, zone: ZoneInfo, now: dt.datetime, decided: Collection[dt.date] = ()
) -> tuple[dt.date, dt.datetime] | None:
    """The next night that begins after `now` and is not in `decided`; None where the schedule has no weekday."""
    after = max(now, schedule.counts_from)
    first = after.astimezone(zone).date() - _DAY
    for night in _nights(schedule, zone, first, first + LOOK_AHEAD_DAYS * _DAY):
        if night.instant > after and night.date not in decided:
            return night.date, night.instant
    return None


def first(schedule: Timed, zone: ZoneInfo) -> Night | None:
    """The first night that counts; None where the schedule has no weekday."""
    begin = schedule.counts_from.astimezone(zone).date() - _DAY
    ahead = _nights(schedule, zone, begin, begin + LOOK_AHEAD_DAYS * _DAY)
    return next((night for night in ahead if night.instant >= schedule.counts_from), None)


def nights(
    schedule: Timed, zone: ZoneInfo, now: dt.datetime, decided: Collection[dt.date], since: dt.date | None = None
) -> Nights:
    """What of the schedule's nights up to `now` is still to be decided.

    The newest runs, late too, until its deadline; all before it are missed. Dates before `since` are taken as decided.
    """
    begin = schedule.counts_from.astimezone(zone).date() - _DAY
    if since is not None:
        begin = max(begin, since)
    open_ = [
        night
        for night in _nights(schedule, zone, begin, now.astimezone(zone).date() + _DAY)
        if schedule.counts_from <= night.instant <= now and night.date not in decided
    ]
    if open_ and now - open_[-1].instant <= dt.timedelta(minutes=schedule.late_minutes):
        return Nights(open_[-1], open_[:-1])
    return Nights(None, open_)


def _nights(schedule: Timed, zone: ZoneInfo, first: dt.date, last: dt.date) -> Iterator[Night]:
    for days in range((last - first).days + 1):
        date = first + days * _DAY
        if WEEKDAYS[date.weekday()] in schedule.weekdays and _is_a_day(date, zone):
            yield Night(date, instant(date, schedule.local_time, zone))


def _is_a_day(date: dt.date, zone: ZoneInfo) -> bool:
    """Tell whether the zone has this date at all: Samoa had no 30 December 2011."""
    return instant(date, dt.time(), zone).astimezone(zone).date() == date
