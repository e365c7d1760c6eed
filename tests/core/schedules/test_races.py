"""Many ticks at once, two beats, a person and a tick: one job a night, every time."""

import datetime as dt
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import text

from core.db.engine import transaction
from core.errors import Refusal
from core.jobs import prepare
from core.jobs.keys import JobKey
from core.models.jobs import JobStatus
from core.models.people import Role
from core.models.schedules import ScheduleState
from core.schedules import commands
from tests.core.schedules.conftest import FIRST_NIGHT, MADE, Night, a_request

ROUNDS = 6
DAY = dt.timedelta(days=1)


def at_once(*acts: Callable[[], object]) -> list[BaseException]:
    """Run the acts in threads that start together; give what they raised."""
    barrier, raised = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        barrier.wait()
        try:
            act()
        except BaseException as error:  # noqa: BLE001  whatever it was is judged by the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_ticks_at_once_make_one_job_a_night_of_each_schedule(night: Night) -> None:
    night.practice.claims(3)
    for number in range(3):
        night.schedule(name=f"Night {number}", settles=False)

    for round_ in range(ROUNDS):
        moment = FIRST_NIGHT + round_ * DAY
        raised = at_once(*[lambda moment=moment: night.tick(moment)] * 4)  # type: ignore[misc]
        night.tick(moment)  # whatever the four left to each other

        assert raised == []
        assert len(night.runs()) == len(night.jobs()) == 3 * (round_ + 1)
    nights = [(run.schedule_id, run.local_date) for run in night.runs()]
    assert len(set(nights)) == len(nights)


def test_run_now_pressed_in_two_windows_at_once_runs_once(night: Night) -> None:
    night.practice.claims(2)
    schedule = night.schedule()

    for round_ in range(ROUNDS):
        raised = at_once(*[lambda key=f"round {round_}": night.run_now(schedule, key)] * 3)  # type: ignore[misc]

        assert raised == []
        assert len(night.runs()) == len(night.jobs()) == round_ + 1
    night.work(MADE)
    assert night.practice.violations() == []


def test_a_pause_and_a_tick_at_once_either_run_the_night_or_let_it_pass(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule(settles=False)

    for round_ in range(ROUNDS):
        moment, before = FIRST_NIGHT + round_ * DAY, len(night.runs())

        raised = at_once(
            lambda moment=moment: night.tick(moment),  # type: ignore[misc]
            lambda moment=moment: night.act(commands.pause, schedule, now=moment),  # type: ignore[misc]
        )

        assert raised == []
        assert night.read(schedule).state is ScheduleState.PAUSED
        after = len(night.runs())
        night.tick(moment)
        assert len(night.runs()) == after <= before + 1
        night.act(commands.resume, schedule, now=moment + dt.timedelta(hours=1))


def test_two_who_change_a_schedule_at_once_do_not_overwrite_each_other(night: Night) -> None:
    schedule = night.schedule(settles=False)
    version = night.read(schedule).version

    def change(note: str) -> None:
        with transaction(night.sessions) as session:
            request = a_request(note=note)
            commands.change(session, schedule, request, version=version, by=night.owner, now=MADE)

    raised = at_once(lambda: change("mine"), lambda: change("yours"))

    (stale,) = raised
    assert isinstance(stale, commands.StaleSchedule)
    assert isinstance(stale, Refusal)
    assert night.read(schedule).version == version + 1


def test_a_move_to_another_zone_and_ticks_at_once_leave_every_night_decided_once(night: Night) -> None:
    night.practice.claims(1)
    for number in range(3):
        night.schedule(name=f"Night {number}", settles=False)
    moment = FIRST_NIGHT

    raised = at_once(
        lambda: night.tick(moment), lambda: night.move_to("Asia/Tokyo", now=moment), lambda: night.tick(moment)
    )
    night.tick(moment)

    assert raised == []
    dates = [(run.schedule_id, str(run.local_date)) for run in night.runs()]
    assert len(dates) == len(set(dates)) == 3
    assert {date for _, date in dates} == {"2026-11-24"}


@pytest.mark.parametrize("cents_max", ["unlimited", 1])
@pytest.mark.parametrize("is_large", [False, True])
def test_two_owners_nights_at_once_never_take_the_same_claims(
    night: Night, cents_max: object, is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_large:
        monkeypatch.setattr("core.jobs.preview.create.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)
    night.practice.claims(20)
    schedules = {night.owner: night.schedule(name="One", cents_max=cents_max)}
    other = night.practice.person("other@lakeside.example", Role.ADMIN)
    with transaction(night.sessions) as session:
        made = commands.create(session, a_request(name="Two", cents_max=cents_max), by=other, now=MADE)
        commands.start_settling(session, made.id, confirmation="CONFIRM", version=1, by=other, now=MADE)
    schedules[other] = made.id

    def prepared(number: int) -> None:
        job = night.jobs()[number]
        with transaction(night.sessions) as session:
            prepare.prepare(session, JobKey(job.practice_id, job.id), now=FIRST_NIGHT)

    at_once(lambda: night.tick(FIRST_NIGHT), lambda: night.tick(FIRST_NIGHT))
    night.tick(FIRST_NIGHT)
    assert at_once(lambda: prepared(0), lambda: prepared(1)) == []
    for number in range(2):
        prepared(number)  # the one that was not its turn

    assert len(night.jobs()) == len(schedules)
    assert sorted((job.preview or {})["will_settle"] for job in night.jobs()) == [0, 20]
    statuses = {job.status for job in night.jobs()}
    assert statuses == {JobStatus.REPORTED, JobStatus.CONFIRMED if cents_max != 1 else JobStatus.AWAITING_APPROVAL}


def test_a_night_waits_for_another_that_is_being_frozen_and_then_sees_what_it_holds(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)
    night.practice.claims(3)
    night.schedule()
    night.tick(FIRST_NIGHT)
    job = night.job(night.run())

    with night.sessions() as at_it:
        at_it.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('nights', :id))"), {"id": job.practice_id})
        night.work(FIRST_NIGHT)
        assert night.job(night.run()).status is JobStatus.PREPARING
    night.work(FIRST_NIGHT)

    assert night.job(night.run()).status is JobStatus.COMPLETED


def test_two_schedules_on_the_same_claims_settle_each_claim_once(night: Night) -> None:
    night.practice.claims(4)
    for number in range(2):
        night.schedule(name=f"Night {number}")

    at_once(lambda: night.tick(FIRST_NIGHT), lambda: night.tick(FIRST_NIGHT))
    night.tick(FIRST_NIGHT)
    night.work(FIRST_NIGHT)

    assert all(job.status in (JobStatus.COMPLETED, JobStatus.REPORTED) for job in night.jobs())
    assert len(night.practice.write_offs("C00001")) == 2
    assert night.practice.violations() == []
