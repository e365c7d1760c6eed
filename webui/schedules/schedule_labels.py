"""Labels of the schedule pages: modes, states and results of runs."""

import datetime as dt
from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from flask import Flask

from core.clock_times import clock
from core.enums.schedules import ScheduleMode, ScheduleState
from core.models.schedules import Schedule
from core.schedules.descriptions import REPORT_WORDS, cents_cap, claims_cap, describe_reason, minutes
from core.schedules.run_times import RunTime
from webui.shared.labels import Pill, date

MODE: Final[Mapping[ScheduleMode, Pill]] = {
    ScheduleMode.REPORT: Pill("Report only", "eye", ""),
    ScheduleMode.SETTLE: Pill("Settles", "check", "run"),
}
STATE: Final[Mapping[ScheduleState, Pill]] = {
    ScheduleState.ACTIVE: Pill("Active", "play", "good"),
    ScheduleState.PAUSED: Pill("Paused", "pause", "warn"),
    ScheduleState.STOPPED: Pill("Stopped", "stop", "bad"),
}
# By `RunReport.state`.
REPORT: Final[Mapping[str, Pill]] = {
    state: Pill(REPORT_WORDS[state], icon, tone)
    for state, icon, tone in (
        ("preparing", "dots", "run"),
        ("waiting", "people", "warn"),
        ("running", "play", "run"),
        ("paused", "pause", "warn"),
        ("halted", "alert", "bad"),
        ("cancelled", "stop", ""),
        ("settled", "check", "good"),
        ("none_settled", "skip", "warn"),
        ("discarded", "cross", ""),
        ("expired", "clock", ""),
        ("rejected", "cross", "bad"),
        ("report", "eye", ""),
        ("nothing", "info", ""),
        ("held", "lock", "warn"),
        ("missed", "alert", "bad"),
        ("stopped", "stop", "bad"),
        ("failed", "alert", "bad"),
    )
}
# States in which dollars and claims are a projection, not a result.
PROJECTED_STATES: Final = frozenset({"preparing", "waiting", "rejected", "expired", "discarded", "report"})


def register(app: Flask) -> None:
    """Give templates the pills and their filters."""
    app.jinja_env.globals.update(SCHEDULE_MODE=MODE, SCHEDULE_STATE=STATE, REPORT_STATE=REPORT, WOULD=PROJECTED_STATES)
    app.add_template_filter(describe_reason, "because_words")
    for filter_ in (clock, minutes, claims_cap, cents_cap):
        app.add_template_filter(filter_)


def describe_next_run(schedule: Schedule, run_time: RunTime | None, time_zone: str) -> str:
    """Say when it runs next. If the clock changes that day, say what that does to the run."""
    if schedule.state is ScheduleState.PAUSED:
        return "Paused. It won’t run until someone resumes it."
    if schedule.state is ScheduleState.STOPPED:
        return "Stopped. It won’t run until someone resumes it."
    if run_time is None:
        return "No further run is scheduled."
    at = run_time.instant.astimezone(ZoneInfo(time_zone))
    sentence = f"{at:%A} {date(at.date())} at {clock(at.time())}"
    return (
        f"{sentence}. {change}"
        if (change := describe_clock_change(run_time, schedule.local_time, time_zone))
        else sentence
    )


def describe_clock_change(run_time: RunTime, local_time: dt.time, time_zone: str) -> str:
    """Say what a clock change on the run date does to the run, or nothing on other dates."""
    zone = ZoneInfo(time_zone)
    wanted, at = dt.datetime.combine(run_time.date, local_time), run_time.instant.astimezone(zone)
    if at.replace(tzinfo=None) != wanted:
        return f"Clocks go forward and skip {clock(local_time)}, so it runs at {clock(at.time())}."
    first, second = (wanted.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if first != second:
        return f"Clocks go back and repeat {clock(local_time)}, so it runs once, the first time."
    return ""
