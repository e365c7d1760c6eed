"""Schedules on screen: created from the feed's filter, reporting first, run once, readable by all who see claims."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text, update

from core.access.permissions import Actor
from core.claims.claim_filter import ClaimFilter
from core.db.engine import transaction
from core.enums.claims import SETTLED
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.enums.schedules import RunOutcome, ScheduleMode, ScheduleState
from core.models.people import AuditEntry, User
from core.models.schedules import Schedule, ScheduleRun
from core.schedules import descriptions, estimates, reports, schedule_queries, tick
from tests.factories import NOW, GivenPractice, Line
from tests.webui.conftest import Browser, Clock
from webui.claims import filter_words
from webui.schedules import schedule_labels

OPEN = Callable[[Actor], Browser]
FORM: dict[str, Any] = {
    "name": "Small balances",
    "local_time": "2:30 AM",
    "weekdays": ["mon", "tue", "wed", "thu", "fri"],
    "late_minutes": "240",
    "total_due_max": "50.00",
    "reason": "small_balance",
    "note": "Not worth a stamp",
    "claims_max": "500",
    "cents_max": "5,000.00",
}


def new_schedule(admin: Browser, **fields: Any) -> str:
    """Create a schedule and return its page's path."""
    answer = admin.post("/schedules", on="/schedules/new", **{**FORM, **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def new_settling_schedule(admin: Browser, **fields: Any) -> str:
    """Create a schedule that settles and return its page's path."""
    page = new_schedule(admin, **fields)
    assert admin.post(f"{page}/settle", confirmation="CONFIRM", version="1").status_code == 303
    return page


def run_now_fields(admin: Browser, page: str) -> dict[str, str]:
    """Return the fields that "Run now" would send from the page as it is now."""
    (form,) = re.findall(r'<form[^>]*/run-now".*?</form>', admin.read(page), re.DOTALL)
    return dict(re.findall(r'name="(run_key|version)" value="([^"]+)"', form))


def press_run_now(admin: Browser, page: str) -> str:
    """Press "Run now" on the current page and return the path of the run's report."""
    answer = admin.post(f"{page}/run-now", **run_now_fields(admin, page))
    assert answer.status_code == 303
    return str(answer.location)


def schedules_of(practice: GivenPractice) -> list[Schedule]:
    with practice.sessions() as session:
        return list(schedule_queries.list_schedules(session, practice.id))


def runs_of(practice: GivenPractice) -> list[ScheduleRun]:
    with practice.sessions() as session:
        return list(schedule_queries.list_runs(session, practice.id, limit=100))


# ---- Create a schedule


def test_the_feed_offers_administrators_a_schedule_of_its_filter(admin: Browser, biller: Browser) -> None:
    filtered = "/claims?office=1&total_due_max=50.00&billing_status=Balance+Due"

    (link,) = [link for link in admin.links(filtered) if "/schedules/new" in link]
    assert not [link for link in admin.links("/claims") if "/schedules/new" in link], "a schedule needs a filter"
    assert not [link for link in biller.links(filtered) if "/schedules/new" in link]

    form = admin.read(link.replace("&amp;", "&"))
    assert 'name="total_due_max" value="50.00"' in form
    assert re.search(r'value="Balance Due" checked', form)
    assert re.search(r'<option value="1"\s+selected>The Office', form)


def test_a_schedules_page_shows_its_rule_its_next_run_and_an_estimate(practice: GivenPractice, admin: Browser) -> None:
    practice.claims(3)
    practice.claim("HELD", Line(1_000), hold="hold")

    shown = admin.says(new_schedule(admin) + "/tonight")

    assert (
        "Every Monday through Friday at 2:30 AM (America/New York), this schedule only reports what it would settle"
        in shown
    )
    assert "Next run: Tuesday 11/24/2026 at 2:30 AM" in shown
    assert "Total balance: max $50.00" in shown
    assert "Estimate for the next run Claims that match 4 Would settle 3 Skipped 1" in shown
    assert "Insurance write-off $30.00 Patient write-off $15.00" in shown
    assert "On hold, or excluded from write-offs" in shown
    assert "Report only" in shown
    assert [schedule.mode for schedule in schedules_of(practice)] == [ScheduleMode.REPORT]
    assert practice.violations() == []


def test_a_schedules_page_loads_first_and_requests_the_estimate_separately(
    practice: GivenPractice, admin: Browser
) -> None:
    practice.claims(3)
    page = new_schedule(admin)

    answer = admin.get(page)
    fragment = admin.get(f"{page}/tonight", **{"HX-Request": "true"})

    assert f'hx-get="{page}/tonight"' in answer.text
    assert f'href="{page}/tonight#tonight"' in answer.text
    assert "Would settle" not in answer.text
    assert "<html" not in fragment.text
    assert "Would settle <b>3</b>" in fragment.text


def test_an_estimate_that_takes_too_long_does_not_keep_the_page_from_loading(
    practice: GivenPractice, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.claims(1)
    page = new_schedule(admin)
    monkeypatch.setattr(estimates, "_estimate", lambda session, *_: session.execute(text("SELECT pg_sleep(60)")))
    monkeypatch.setattr(estimates, "ESTIMATE_SECONDS", 1)

    shown = admin.says(f"{page}/tonight")

    assert "The estimate is taking too long. A run in report-only mode gives the same figures." in shown
    assert "Every Monday through Friday" in shown


def test_the_estimate_of_a_new_schedule_saves_nothing(practice: GivenPractice, admin: Browser) -> None:
    practice.claims(2)

    answer = admin.post("/schedules", on="/schedules/new", **FORM, act="look")

    assert answer.status_code == 200
    assert "Estimate for the next run" in answer.text
    assert "Every Monday through Friday at 2:30 AM" in answer.text
    assert 'value="Small balances"' in answer.text
    assert schedules_of(practice) == []


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("name", "", "Enter a name of up to 60 characters."),
        ("local_time", "25:00", "Enter a time, such as 2:30 AM."),
        ("local_time", "half past two", "Enter a time, such as 2:30 AM."),
        ("local_time", "13:30 PM", "Enter a time, such as 2:30 AM."),
        ("weekdays", [], "Choose at least one day of the week."),
        ("late_minutes", "0", "Enter a number of minutes from 1 to 1,380"),
        ("total_due_max", "", "because a schedule can’t include every claim"),
        ("total_due_max", "fifty", "Fix the highlighted filter fields."),
        ("reason", "", "Choose a reason for the write-off."),
        ("claims_max", "", "or “unlimited”"),
        ("claims_max", "0", "or “unlimited”"),
        ("claims_max", "many", "or “unlimited”"),
        ("cents_max", "", "or “unlimited”"),
        ("cents_max", "12.345", "or “unlimited”"),
        ("cents_max", "-1", "or “unlimited”"),
        ("mail_to", "not an address", "Enter up to 20 addresses such as name@example.org"),
        ("note", "x" * 501, "Shorten the note to 500 characters."),
    ],
)
def test_an_error_is_shown_at_its_field_and_keeps_what_was_typed(
    practice: GivenPractice, admin: Browser, field: str, typed: Any, message: str
) -> None:
    fields = {**FORM, "name": "Kept as typed", field: typed}
    answer = admin.post("/schedules", on="/schedules/new", **fields)

    assert answer.status_code == 422
    assert message in answer.text
    assert f'id="{"filter" if field == "total_due_max" else field}-fault"' in answer.text
    for name, value in fields.items():
        if isinstance(value, str) and value and name != "reason":
            assert f'value="{value}"' in answer.text, name
    assert schedules_of(practice) == []


@pytest.mark.parametrize(
    ("typed", "normalized"),
    [
        ("2:30 AM", "2:30 AM"),
        ("02:30", "2:30 AM"),
        ("12:05 am", "12:05 AM"),
        ("14:30", "2:30 PM"),
        ("12:00 PM", "12:00 PM"),
    ],
)
def test_a_time_can_be_typed_with_12_or_24_hours(admin: Browser, typed: str, normalized: str) -> None:
    assert f"at {normalized} (America/New York)" in admin.says(new_schedule(admin, local_time=typed))


def test_a_cap_without_limit_takes_the_word_unlimited(practice: GivenPractice, admin: Browser) -> None:
    page = new_schedule(admin, claims_max="Unlimited", cents_max="unlimited")

    assert "unlimited claims" in admin.says(page)
    assert 'name="cents_max" type="text" value="unlimited"' in admin.read(f"{page}/change")


def test_two_schedules_cannot_have_the_same_name(practice: GivenPractice, admin: Browser) -> None:
    new_schedule(admin)
    answer = admin.post("/schedules", on="/schedules/new", **FORM)

    assert answer.status_code == 409
    assert re.search(r'id="name-fault">.*?Another schedule already has this name', answer.text, re.DOTALL)
    assert len(schedules_of(practice)) == 1


def test_a_filter_that_matches_no_claims_is_shown_and_its_run_changes_nothing(
    practice: GivenPractice, admin: Browser
) -> None:
    page = new_schedule(admin, claim_id="NO-SUCH-CLAIM")
    assert "No claim matches the filter right now." in admin.says(f"{page}/tonight")

    report = press_run_now(admin, page)

    assert "No claim matched." in admin.says(report)
    assert "Nothing to do" in admin.says("/schedule-runs")


# ---- Next run


@pytest.mark.parametrize(
    ("now", "local_time", "shown"),
    [
        (
            dt.datetime(2027, 3, 13, 17, 0, tzinfo=dt.UTC),
            "2:30 AM",
            "at 3:00 AM. Clocks go forward and skip 2:30 AM, so it runs at 3:00 AM.",
        ),
        (
            dt.datetime(2027, 11, 6, 16, 0, tzinfo=dt.UTC),
            "1:30 AM",
            "at 1:30 AM. Clocks go back and repeat 1:30 AM, so it runs once, the first time.",
        ),
    ],
)
def test_a_run_at_a_daylight_saving_change_is_explained(
    admin: Browser, clock: Clock, browser_of: OPEN, now: dt.datetime, local_time: str, shown: str
) -> None:
    clock.at = now
    assert admin.actor is not None
    later = browser_of(admin.actor)

    page = new_schedule(later, weekdays=["sun"], local_time=local_time)

    assert shown in later.says(page)


def test_a_changed_time_zone_moves_the_next_run(practice: GivenPractice, admin: Browser) -> None:
    page = new_schedule(admin)

    assert admin.post("/settings/time-zone", time_zone="Pacific/Honolulu").status_code == 303

    assert "at 2:30 AM (Pacific/Honolulu)" in admin.says(page)
    with practice.sessions() as session:
        assert "time_zone.changed" in [entry.act for entry in session.query(AuditEntry)]


@pytest.mark.parametrize(
    ("zone", "group"), [("Pacific/Guam", "United States"), ("Asia/Manila", "Asia"), ("UTC", "Other")]
)
def test_the_practices_zone_is_listed_in_its_part_of_the_world(admin: Browser, zone: str, group: str) -> None:
    admin.post("/settings/time-zone", time_zone=zone)

    before = admin.get("/settings").text.partition(f'<option value="{zone}" selected>')[0]

    assert before.rpartition('<optgroup label="')[2].startswith(f'{group}"')


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd"])
def test_an_unknown_time_zone_is_an_error_at_its_field(admin: Browser, zone: str) -> None:
    answer = admin.post("/settings/time-zone", time_zone=zone)

    assert answer.status_code == 422
    assert 'id="time_zone-fault"' in answer.text
    assert '<option value="America/New_York" selected>' in answer.text


# ---- Change a schedule


def test_a_change_of_an_outdated_version_is_refused_and_keeps_what_was_typed(
    practice: GivenPractice, admin: Browser, browser_of: OPEN
) -> None:
    page = new_schedule(admin)
    other = browser_of(practice.person("r.okafor@lakeside.example", Role.ADMIN))
    assert other.post(f"{page}/change", **{**FORM, "claims_max": "7"}, version="1").status_code == 303

    stale = admin.post(f"{page}/change", **{**FORM, "note": "My own words"}, version="1")

    assert stale.status_code == 409
    assert "r.okafor changed this schedule on" in stale.text
    assert 'value="My own words"' in stale.text
    assert 'name="version" value="2"' in stale.text
    assert [(it.claims_max, it.note) for it in schedules_of(practice)] == [(7, "Not worth a stamp")]
    assert admin.post(f"{page}/change", **{**FORM, "note": "My own words"}, version="2").status_code == 303
    assert [(it.claims_max, it.note) for it in schedules_of(practice)] == [(500, "My own words")]


def test_the_change_form_shows_the_schedules_current_values(admin: Browser) -> None:
    page = new_schedule(admin, mail_to="office@lakeside.example, admin@lakeside.example", **{"from": "01/31/2026"})

    form = admin.read(f"{page}/change")

    for value in ("Small balances", "2:30 AM", "5000.00", "240", "01/31/2026", "50.00"):
        assert f'value="{value}"' in form, value
    assert "office@lakeside.example, admin@lakeside.example" in form
    assert form.count('name="weekdays"') == 7
    assert len(re.findall(r'name="weekdays" value="\w+" checked', form)) == 5


def test_changing_a_schedule_that_settles_requires_confirm_again(practice: GivenPractice, admin: Browser) -> None:
    page = new_settling_schedule(admin)

    refused = admin.post(f"{page}/change", **{**FORM, "claims_max": "9"}, version="2", confirmation="yes")

    assert refused.status_code == 422
    assert 'id="confirmation-fault"' in refused.text
    assert 'value="9"' in refused.text
    assert [it.claims_max for it in schedules_of(practice)] == [500]
    done = admin.post(f"{page}/change", **{**FORM, "claims_max": "9"}, version="2", confirmation="CONFIRM")
    assert done.status_code == 303
    assert [(it.claims_max, it.mode) for it in schedules_of(practice)] == [(9, ScheduleMode.SETTLE)]


@pytest.mark.parametrize("typed", ["", "confirm", "CONFIRM ", "CONFIRMED"])
def test_only_confirm_turns_settling_on(practice: GivenPractice, admin: Browser, typed: str) -> None:
    page = new_schedule(admin)

    answer = admin.post(f"{page}/settle", confirmation=typed, version="1")

    assert answer.status_code == 422
    assert 'id="confirmation-fault"' in answer.text
    assert schedules_of(practice)[0].mode is ScheduleMode.REPORT


def test_a_schedule_that_settles_can_be_returned_to_report_only(practice: GivenPractice, admin: Browser) -> None:
    page = new_settling_schedule(admin)
    assert "this schedule settles claims (reason: Small balance). Caps: 500 claims, $5,000.00." in admin.says(page)

    admin.post(f"{page}/report-only", version="1")
    assert "Another user has changed this schedule. Reload it first." in admin.says(page)
    assert schedules_of(practice)[0].mode is ScheduleMode.SETTLE

    admin.post(f"{page}/report-only", version="2")
    assert schedules_of(practice)[0].mode is ScheduleMode.REPORT


def test_settling_is_not_turned_on_for_a_schedule_that_another_user_changed(
    practice: GivenPractice, admin: Browser
) -> None:
    page = new_schedule(admin)
    admin.post(f"{page}/change", **{**FORM, "claims_max": "7"}, version="1")

    answer = admin.post(f"{page}/settle", confirmation="CONFIRM", version="1")

    assert answer.status_code == 409
    assert "Another user has changed this schedule. Reload it first." in answer.text
    assert schedules_of(practice)[0].mode is ScheduleMode.REPORT


def test_a_schedule_can_be_paused_resumed_and_deleted(practice: GivenPractice, admin: Browser) -> None:
    page = new_schedule(admin)

    admin.post(f"{page}/pause")
    assert "Paused. It won’t run until someone resumes it." in admin.says(page)
    assert schedules_of(practice)[0].state is ScheduleState.PAUSED

    admin.post(f"{page}/resume")
    assert "Next run: Tuesday 11/24/2026 at 2:30 AM" in admin.says(page)

    admin.post(f"{page}/delete")
    assert "Schedule “Small balances” deleted." in admin.says("/schedules")
    assert "No schedules yet." in admin.says("/schedules")
    assert admin.get(page).status_code == 404
    assert schedules_of(practice) == []


# ---- Runs and their reports


def test_run_now_on_an_outdated_report_only_page_does_not_settle(practice: GivenPractice, admin: Browser) -> None:
    practice.claims(1)
    page = new_schedule(admin)
    form = run_now_fields(admin, page)
    admin.post(f"{page}/settle", confirmation="CONFIRM", version="1")

    answer = admin.post(f"{page}/run-now", **form)

    assert "Another user has changed this schedule. Reload it first." in admin.says(answer.location)
    assert runs_of(practice) == []


def test_run_now_pressed_twice_makes_one_run_that_in_report_mode_changes_no_claim(
    practice: GivenPractice, admin: Browser
) -> None:
    practice.claims(3)
    page = new_schedule(admin)
    form = run_now_fields(admin, page)

    first, second = (admin.post(f"{page}/run-now", **form) for _ in range(2))

    assert first.location == second.location
    assert len(runs_of(practice)) == 1
    shown = admin.says(first.location)
    assert "This run would settle 3 claims and skip 0. It settled none because it was report-only." in shown
    assert "Would settle 3" in shown
    assert "Insurance write-off $30.00 Patient write-off $15.00" in shown
    assert {practice.read(f"C0000{n}").billing_status for n in (1, 2, 3)} == {"Balance Due"}
    job = re.search(r'href="(/jobs/\d+)"', admin.read(first.location))
    assert job
    assert "Created by the schedule Small balances" in admin.says(job[1])
    assert "Run report" in admin.says(job[1])


def test_the_report_of_a_settling_run_follows_its_job(practice: GivenPractice, admin: Browser) -> None:
    practice.claims(2)
    practice.claim("HELD", Line(1_000), hold="hold")
    page = new_settling_schedule(admin)

    report = press_run_now(admin, page)
    assert "Running" in admin.says(report)
    assert "data-moving" in admin.read(report)
    practice.run()

    shown = admin.says(report)
    assert "2 claims settled, 1 skipped, 0 failed, 0 remaining." in shown
    assert "What it did Claims 3 Settled 2 Skipped 1 Failed 0 Not processed 0" in shown
    assert "On hold, or excluded from write-offs" in shown
    assert "data-moving" not in admin.read(report)
    (held,) = [link for link in admin.links(report) if "code=on_hold" in link]
    assert "HELD" in admin.says(held.replace("&amp;", "&").partition("#")[0])
    assert practice.read("C00001").billing_status == SETTLED
    assert practice.violations() == []


def test_a_run_over_its_cap_waits_for_approval_and_its_report_shows_why(
    practice: GivenPractice, admin: Browser
) -> None:
    practice.claims(2)
    page = new_settling_schedule(admin, claims_max="1")
    assert "The run would need another user" in admin.says(f"{page}/tonight")

    shown = admin.says(press_run_now(admin, page))

    assert "Awaiting approval" in shown
    assert "Over the schedule’s claim cap" in shown
    assert practice.read("C00001").billing_status == "Balance Due"


def test_a_schedules_owner_cannot_approve_its_job_and_the_approver_sees_that_the_owner_left(
    practice: GivenPractice, admin: Browser, browser_of: OPEN
) -> None:
    practice.claims(2)
    report = press_run_now(admin, new_settling_schedule(admin, claims_max="1"))
    path = re.search(r'href="(/jobs/\d+)"', admin.read(report))
    assert path
    owner = schedules_of(practice)[0].created_by
    approver = practice.person("other@lakeside.example", Role.APPROVER)

    refused = admin.post(f"{path[1]}/approve", confirmation="CONFIRM")
    with transaction(practice.sessions) as session:
        session.execute(update(User).where(User.id == owner).values(active=False))

    assert refused.status_code == 403
    assert (
        "The account of admin was deactivated. If you approve this job, you alone are responsible for it."
        in browser_of(approver).says(path[1])
    )


def test_the_runs_of_a_deleted_schedule_can_still_be_read(practice: GivenPractice, admin: Browser) -> None:
    practice.claims(1)
    page = new_schedule(admin)
    report = press_run_now(admin, page)
    job = re.search(r'href="(/jobs/\d+)"', admin.read(report))
    assert job

    admin.post(f"{page}/delete")

    shown = admin.says(report)
    assert "This schedule was deleted." in shown
    assert "Small balances" in shown
    assert page not in admin.links(report)
    assert report in admin.links("/schedule-runs")
    assert "Created by the schedule Small balances" in admin.says(job[1])
    assert page not in admin.links(job[1])


def test_a_runs_report_keeps_the_filter_and_name_that_the_run_used(practice: GivenPractice, admin: Browser) -> None:
    practice.claims(1)
    page = new_schedule(admin)
    report = press_run_now(admin, page)

    admin.post(f"{page}/change", **{**FORM, "name": "Renamed", "total_due_max": "10.00"}, version="1")

    shown = admin.says(report)
    assert "Total balance: max $50.00" in shown
    assert "Renamed" not in shown


def test_a_schedule_stops_when_its_owner_leaves_and_the_user_who_resumes_it_owns_it(
    practice: GivenPractice, admin: Browser, browser_of: OPEN, clock: Clock
) -> None:
    leaving = practice.person("leaving@lakeside.example", Role.ADMIN)
    page = new_schedule(browser_of(leaving))
    with transaction(practice.sessions) as session:
        session.execute(update(User).where(User.id == leaving.user_id).values(active=False))
    clock.at = NOW + dt.timedelta(hours=17)
    tick.tick(practice.sessions, now=clock.at)
    assert admin.actor is not None
    later = browser_of(admin.actor)

    for place in (page, "/schedules"):
        shown = later.says(place)
        assert "Stopped" in shown
        assert "The owner’s account was deactivated" in shown
    assert "Run now" not in later.says(page)
    assert "The schedule stopped: The owner’s account was deactivated" in later.says(later.links(page)[-1])

    later.post(f"{page}/resume")
    assert "admin" in later.says("/schedules")
    assert schedules_of(practice)[0].state is ScheduleState.ACTIVE


def test_every_filter_field_and_every_run_state_has_a_label() -> None:
    keys = {field.alias or name for name, field in ClaimFilter.model_fields.items()}
    assert set(filter_words.FILTER_LABELS) == keys
    states = {*descriptions.STATE_LABELS.values(), *RunOutcome, reports.HELD, reports.NONE_SETTLED} - {RunOutcome.JOB}
    assert set(schedule_labels.REPORT) == {str(state) for state in states}


# ---- Permissions


def test_a_biller_can_read_schedules_and_reports_but_not_change_them(
    practice: GivenPractice, admin: Browser, biller: Browser
) -> None:
    practice.claims(1)
    page = new_schedule(admin)
    report = press_run_now(admin, page)

    assert "Only an administrator of the practice can change them" in biller.says("/schedules")
    assert "Next run: Tuesday 11/24/2026" in biller.says(page)
    assert "This run would settle 1 claim" in biller.says(report)
    assert biller.forms(page) == ["/search", "/sign-out"]


def test_a_schedule_says_before_settling_is_turned_on_that_nothing_would_be_written_off(
    practice: GivenPractice, admin: Browser
) -> None:
    page = new_schedule(admin)
    zero = "a run changes claims to Settled, but writes off $0.00"
    assert zero not in admin.says(page)

    practice.set_write_off(WriteOffSetting.NEITHER)
    assert zero in admin.says(page).partition("Turn on settling")[0]

    practice.sql("UPDATE practice SET write_off_chosen = false")
    shown = admin.says(page).partition("Turn on settling")[0]
    assert "Your practice has not chosen its Balance Writeoff setting yet" in shown
    assert zero not in shown


def test_the_report_of_a_run_without_a_chosen_setting_leads_an_administrator_to_it(
    practice: GivenPractice, admin: Browser
) -> None:
    practice.claim("1", Line(100, 0))
    new_settling_schedule(admin)
    practice.sql("UPDATE practice SET write_off = 'neither', write_off_chosen = false")
    tick.tick(practice.sessions, now=NOW + dt.timedelta(hours=17))  # 3 AM

    report = admin.read("/schedule-runs/1")

    assert "Failed: The practice has not chosen its Balance Writeoff setting." in report
    assert '<a href="/settings">Open Write-off settings</a>' in report


def test_an_approver_reads_beside_approve_that_the_setting_neither_writes_off_nothing(
    practice: GivenPractice, admin: Browser, browser_of: OPEN
) -> None:
    practice.claims(2)
    practice.set_write_off(WriteOffSetting.NEITHER)
    new_settling_schedule(admin, claims_max="1")
    tick.tick(practice.sessions, now=NOW + dt.timedelta(hours=17))  # 3 AM
    approver = browser_of(practice.person("approver@lakeside.example", Role.APPROVER))

    shown = approver.says("/jobs/1").partition("in capitals, to approve")[0]

    assert "Approving writes off $0.00, because the Balance Writeoff setting is Neither." in shown
