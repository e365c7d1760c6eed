"""Scheduled runs by real workers: any process's tick starts one job per run, which settles, reports and mails once."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from core.db.engine import transaction
from core.enums.people import Role
from core.enums.schedules import RunOutcome
from core.jobs.keys import JobKey
from core.local import programs
from core.local.broker import Broker
from core.local.guardian import StopPolicy
from core.models.jobs import SettleJob
from core.models.schedules import ScheduleRun
from core.practices.create import DEFAULT_TIME_ZONE
from core.schedules import run_mail, schedule_commands
from core.schedules.run_mail import MailState, RunMail
from core.settings import QUEUE_CONTROL, TASK_TICK, Settings
from tests.acceptance.product import PATIENCE_SECONDS, Product, running_product, utc_now
from tests.core.schedules.conftest import a_request
from tests.core.schedules.mail_server import MailServer, Mood
from tests.factories import GivenPractice
from tests.forks import ForkingGuardian
from tests.servers import Databases
from tests.waiting import eventually

AGO = dt.timedelta(minutes=5)


@pytest.fixture(scope="module")
def post() -> Iterator[MailServer]:
    """Yield a running mail server."""
    server = MailServer()
    server.up()
    yield server
    server.down()


@pytest.fixture(scope="module")
def product(
    servers: tuple[Databases, Broker], post: MailServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """Yield workers that use the mail server."""
    databases, broker = servers
    mails = {"SMTP_URL": post.url, "MAIL_FROM": "settle@lakeside.example", "PUBLIC_URL": "http://127.0.0.1:8000"}
    folder = tmp_path_factory.mktemp("runs")
    with (
        databases.fresh() as url,
        running_product(folder=folder, database_url=url, broker_url=broker.url, **mails) as product,
    ):
        yield product


def due_now(practice: GivenPractice, *, name: str = "Small balances", **asked: object) -> int:
    """Create a schedule with a run that became due five minutes ago. Return its id."""
    at = utc_now() - AGO
    local = at.astimezone(ZoneInfo(DEFAULT_TIME_ZONE)).time().replace(second=0, microsecond=0)
    request = a_request(name=name, local_time=local.isoformat("minutes"), **asked)
    owner = practice.person(f"{name.replace(' ', '').lower()}@{practice.id}.example", Role.ADMIN)
    with transaction(practice.sessions) as session:
        made = schedule_commands.create(session, request, by=owner, now=at - dt.timedelta(hours=1))
        schedule_commands.start_settling(
            session, made.id, confirmation="CONFIRM", version=1, by=owner, now=at - dt.timedelta(hours=1)
        )
        return made.id


def runs_of(practice: GivenPractice) -> list[ScheduleRun]:
    with practice.sessions() as session:
        of_practice = select(ScheduleRun).where(ScheduleRun.practice_id == practice.id)
        return list(session.scalars(of_practice.order_by(ScheduleRun.id)))


def mail_of(practice: GivenPractice) -> RunMail:
    """Return the e-mail of the practice's first run."""
    with practice.sessions() as session:
        return run_mail.for_run(session, runs_of(practice)[0])


def jobs_of(practice: GivenPractice) -> list[JobKey]:
    with practice.sessions() as session:
        found = session.scalars(select(SettleJob.id).where(SettleJob.practice_id == practice.id))
        return [JobKey(practice.id, job_id) for job_id in found]


def tick(product: Product) -> None:
    product.workers.hint(TASK_TICK, queue=QUEUE_CONTROL)


def wait_for_a_run(practice: GivenPractice) -> ScheduleRun:
    (run,) = eventually(lambda: runs_of(practice), seconds=PATIENCE_SECONDS)
    return run


def test_a_tick_starts_a_due_run_which_settles_claims_and_mails_its_report(product: Product, post: MailServer) -> None:
    practice = product.practice(claims=5)
    to = "billing@lakeside.example"
    due_now(practice, mail_to=[to])

    tick(product)

    run = wait_for_a_run(practice)
    assert run.job_id is not None
    product.assert_all_settled(practice, JobKey(practice.id, run.job_id))
    tick(product)
    eventually(lambda: mail_of(practice).state is MailState.SENT, seconds=PATIENCE_SECONDS)
    (letter,) = (letter for letter in post.letters if letter.recipients == [f"<{to}>"])  # others get Monday's review
    assert f"http://127.0.0.1:8000/schedule-runs/{run.id}" in letter.message.get_content()


def test_without_beat_or_hints_one_workers_timer_starts_the_run(product: Product) -> None:
    practice = product.practice(claims=2)
    product.workers.control.stop()
    try:
        due_now(practice)

        run = wait_for_a_run(practice)

        assert run.job_id is not None
        product.assert_all_settled(practice, JobKey(practice.id, run.job_id))
    finally:
        product.workers.control.start_again()


@pytest.fixture
def two_beats(product: Product, tmp_path: Path) -> Iterator[list[Path]]:
    """Run two beats at once. Yield their logs."""
    given = {"DATABASE_URL": product.database_url, "BROKER_URL": product.broker_url}
    environment = {**os.environ, **{f"SETTLE_{name}": value for name, value in given.items()}}
    logs = [tmp_path / f"beat-{number}.log" for number in range(2)]
    with ForkingGuardian() as guardian:
        for log in logs:
            guardian.start(programs.beat(Settings()), log=log, env=environment, ending=StopPolicy())
        yield logs


def test_two_beats_and_twenty_more_ticks_create_one_job_per_run(product: Product, two_beats: list[Path]) -> None:
    practice = product.practice(claims=4)
    second = product.workers.another(QUEUE_CONTROL, name="second")
    second.start()
    try:
        schedules = {due_now(practice, name=f"Schedule {number}") for number in range(4)}

        for _ in range(20):
            tick(product)

        eventually(lambda: len(runs_of(practice)) == len(schedules), seconds=PATIENCE_SECONDS)
        for job in jobs_of(practice):
            product.wait_until_it_ends(practice, job)
        for log in two_beats:
            eventually(
                lambda log=log: f"Sending due task tick ({TASK_TICK})" in log.read_text(), seconds=PATIENCE_SECONDS
            )
    finally:
        second.kill()
    assert {run.schedule_id for run in runs_of(practice)} == schedules
    assert len(runs_of(practice)) == len(jobs_of(practice)) == len(schedules)
    assert practice.write_offs("C00001") == [(1, "insurance", -1_000), (1, "patient", -500)]
    assert practice.violations() == []


def test_a_worker_killed_mid_tick_leaves_nothing_and_the_next_tick_starts_the_run(
    product: Product,
) -> None:
    practice = product.practice(claims=3)
    due_now(practice)
    with product.hold("SELECT 1 FROM practice WHERE id = :practice FOR UPDATE", practice=practice.id) as hold:
        tick(product)
        hold.wait_for_a_worker()
        product.workers.control.kill()
        assert runs_of(practice) == []
    product.workers.control.start_again()

    tick(product)

    run = wait_for_a_run(practice)
    assert (run.outcome, len(jobs_of(practice))) == (RunOutcome.JOB, 1)
    product.assert_all_settled(practice, jobs_of(practice)[0])


def test_scheduled_runs_start_and_settle_while_the_mail_server_hangs(product: Product, post: MailServer) -> None:
    waiting = product.practice()
    due_now(waiting, mail_to=["billing@lakeside.example"], filter={"claim_id": "nowhere"})
    visits = post.visits
    post.mood = Mood.HANGS
    try:
        tick(product)
        eventually(lambda: post.visits > visits, seconds=PATIENCE_SECONDS)

        practice = product.practice(claims=3)
        due_now(practice)
        tick(product)
        run = wait_for_a_run(practice)
        assert run.job_id is not None
        product.assert_all_settled(practice, JobKey(practice.id, run.job_id))
        assert mail_of(waiting).state is not MailState.SENT
    finally:
        post.mood = Mood.TAKES
        post.released.set()

    # Notices of other practices are mailed too. If one of them hung, this report was not tried yet and is then sent.
    eventually(lambda: mail_of(waiting).state in (MailState.DUE, MailState.SENT), seconds=PATIENCE_SECONDS)
    assert mail_of(waiting).tries >= 1
