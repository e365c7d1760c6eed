"""The run report by mail, against a real mail server: sent once, retried if the server is down, no patient data."""

import datetime as dt
import itertools
import sys
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text

from core.db.engine import transaction
from core.delivery import outbox, send as sending, smtp
from core.delivery.send import send_due
from core.enums.notices import OutboxState
from core.models.notices import OutboxMessage
from core.models.people import AuditEntry
from core.models.schedules import ScheduleRun
from core.schedules import run_mail
from core.schedules.run_mail import MAIL_EXPIRES_AFTER, MailState, RunMail
from core.settings import load_settings
from tests.at_once import raised_at_once
from tests.core.schedules.conftest import FIRST_RUN, ScheduledPractice
from tests.core.schedules.mail_server import MailServer, Mood
from tests.waiting import eventually

TO = ("billing@lakeside.example", "office@lakeside.example")
SOON = dt.timedelta(minutes=1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A running mail server that the settings name."""
    server = MailServer()
    monkeypatch.setenv("SETTLE_SMTP_URL", server.url)
    monkeypatch.setenv("SETTLE_MAIL_FROM", "settle@lakeside.example")
    monkeypatch.setenv("SETTLE_PUBLIC_URL", "https://settle.lakeside.example/")
    load_settings.cache_clear()
    server.up()
    yield server
    server.down()
    load_settings.cache_clear()


def send(scheduled: ScheduledPractice, now: dt.datetime) -> int:
    """Tick and send the mail that the tick makes due."""
    scheduled.tick(now)
    return send_due(scheduled.sessions, clock=lambda: now)


def mail_of(scheduled: ScheduledPractice, run: ScheduleRun | None = None) -> RunMail:
    """Return the e-mail of a run, by default of the only one."""
    with scheduled.sessions() as session:
        return run_mail.for_run(session, run or scheduled.run())


def states(scheduled: ScheduledPractice) -> list[MailState]:
    """Return the state of the e-mail of each run."""
    return [mail_of(scheduled, run).state for run in scheduled.runs()]


def message(scheduled: ScheduledPractice) -> OutboxMessage:
    """Return the only run report in the outbox."""
    with scheduled.sessions() as session:
        return session.scalars(select(OutboxMessage).where(OutboxMessage.run_id.is_not(None))).one()


def words_of(scheduled: ScheduledPractice) -> str:
    """Return what the page of the only run says about its e-mail."""
    return run_mail.describe(mail_of(scheduled), addresses=len(TO))


def settled_run(scheduled: ScheduledPractice, **options: object) -> None:
    scheduled.practice.claims(3)
    scheduled.schedule(mail_to=TO, **options)
    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)


def test_the_report_of_a_settled_run_is_mailed_once_with_counts_and_links(
    scheduled: ScheduledPractice, server: MailServer
) -> None:
    settled_run(scheduled)

    assert [send(scheduled, FIRST_RUN + n * SOON) for n in range(3)] == [1, 0, 0]

    (letter,) = server.letters
    run = scheduled.run()
    assert mail_of(scheduled)[:2] == (MailState.SENT, FIRST_RUN)
    assert (letter.sender, letter.recipients) == ("<settle@lakeside.example>", [f"<{to}>" for to in TO])
    assert letter.message["Subject"] == f"Schedule {run.schedule_id}, 11/24/2026: Settled"
    body = letter.message.get_content().splitlines()
    assert body[0] == "3 claims settled, 0 skipped, 0 failed, 0 remaining."
    assert f"Report: https://settle.lakeside.example/schedule-runs/{run.id}" in body
    assert f"Job: https://settle.lakeside.example/jobs/{run.job_id}" in body


def test_without_addresses_for_the_report_the_owner_is_mailed_when_the_job_ends(
    scheduled: ScheduledPractice, server: MailServer
) -> None:
    scheduled.practice.claims(3)
    scheduled.schedule(mail_to=())
    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)

    assert send(scheduled, FIRST_RUN + SOON) == 1

    assert server.letters[0].message["Subject"] == "Job 1 completed: 3 claims settled, 0 skipped, 0 failed"


def test_a_mail_contains_no_patient_data_and_no_dollars(scheduled: ScheduledPractice, server: MailServer) -> None:
    scheduled.practice.claim("CANARY-1")
    settled_run(scheduled, note="Canary note", name="Canary name", cents_max=100)

    send(scheduled, FIRST_RUN)

    whole = "".join(letter.message.as_string() for letter in server.letters)
    assert "needs another user's approval" in whole
    assert not any(secret in whole for secret in ("anary", "CANARY", "$", "Patient", "C00001", "15.00", "Lakeside"))


def test_no_report_is_mailed_while_the_job_runs(scheduled: ScheduledPractice, server: MailServer) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule(mail_to=TO)
    scheduled.tick(FIRST_RUN)

    assert send(scheduled, FIRST_RUN) == 0
    scheduled.work(FIRST_RUN)
    assert send(scheduled, FIRST_RUN + SOON) == 1
    assert len(server.letters) == 1


def test_a_job_awaiting_approval_is_mailed_as_waiting_and_again_when_it_ended(
    scheduled: ScheduledPractice, server: MailServer
) -> None:
    settled_run(scheduled, claims_max=1)

    send(scheduled, FIRST_RUN)
    scheduled.practice.approve(scheduled.job_key(), by=scheduled.approver, now=FIRST_RUN)
    send(scheduled, FIRST_RUN + SOON)  # the job runs: its final result is not known yet
    scheduled.work(FIRST_RUN)
    for n in (2, 3):
        send(scheduled, FIRST_RUN + n * SOON)

    reports = [letter for letter in server.letters if letter.recipients == [f"<{to}>" for to in TO]]
    subjects = [letter.message["Subject"].partition(": ")[2] for letter in reports]
    assert subjects == ["Awaiting approval", "final result: Settled"]
    first, last = reports
    assert "This is not final. Another e-mail will follow." in first.message.get_content()
    assert "This is not final" not in last.message.get_content()
    assert first.message["Message-ID"] != last.message["Message-ID"]


def test_missed_runs_and_runs_without_claims_are_mailed(scheduled: ScheduledPractice, server: MailServer) -> None:
    scheduled.schedule(mail_to=TO, late_minutes=60)
    scheduled.tick(FIRST_RUN)
    late = FIRST_RUN + dt.timedelta(days=1, hours=2)

    assert send(scheduled, late) == 2

    body = [letter.message.get_content() for letter in server.letters]
    assert [phrase in text for phrase, text in zip(("No claim matched", "Missed"), body, strict=True)] == [True, True]


def test_without_addresses_no_report_is_mailed(scheduled: ScheduledPractice, server: MailServer) -> None:
    scheduled.schedule()
    scheduled.tick(FIRST_RUN)

    assert send(scheduled, FIRST_RUN) == 0
    assert mail_of(scheduled).state is MailState.NONE


def test_without_a_mail_server_no_mail_waits_and_a_server_configured_later_gets_recent_reports(
    scheduled: ScheduledPractice, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled.schedule(mail_to=TO)
    monkeypatch.delenv("SETTLE_SMTP_URL")
    load_settings.cache_clear()
    assert send(scheduled, FIRST_RUN) == 0
    assert mail_of(scheduled).state is MailState.NONE

    monkeypatch.setenv("SETTLE_SMTP_URL", server.url)
    load_settings.cache_clear()
    assert send(scheduled, FIRST_RUN + dt.timedelta(hours=2)) == 1

    scheduled.tick(FIRST_RUN + dt.timedelta(days=5))
    assert states(scheduled)[1:3] == [MailState.NONE] * 2


# Misbehaving servers


def test_a_server_that_was_down_gets_the_mail_when_it_is_up(scheduled: ScheduledPractice, server: MailServer) -> None:
    settled_run(scheduled)
    server.down()

    assert send(scheduled, FIRST_RUN) == 0
    queued = message(scheduled)
    assert (queued.state, queued.tries) == (OutboxState.DUE, 1)
    assert queued.not_before == FIRST_RUN + outbox.RETRY_WAITS[0]
    server.up()
    assert send(scheduled, FIRST_RUN + dt.timedelta(seconds=30)) == 0, "it is not retried every half minute"
    assert send(scheduled, FIRST_RUN + outbox.RETRY_WAITS[0]) == 1

    assert len(server.letters) == 1


def test_a_refusing_or_busy_server_is_retried_at_growing_intervals_until_the_mail_is_discarded(
    scheduled: ScheduledPractice, server: MailServer
) -> None:
    settled_run(scheduled, weekdays=["tue"])
    moods = itertools.cycle([Mood.REFUSES, Mood.BUSY])
    now = FIRST_RUN

    waits = iter(outbox.RETRY_WAITS)
    while mail_of(scheduled).state is not MailState.GIVEN_UP:
        assert now <= FIRST_RUN + MAIL_EXPIRES_AFTER + outbox.RETRY_WAITS[-1]
        server.mood = next(moods)
        assert send(scheduled, now) == 0
        now += next(waits, outbox.RETRY_WAITS[-1])
    server.mood = Mood.TAKES
    assert send(scheduled, now) == 0

    run = scheduled.run()
    assert now - FIRST_RUN >= MAIL_EXPIRES_AFTER
    tries = mail_of(scheduled).tries
    assert tries == server.visits > len(outbox.RETRY_WAITS)
    with scheduled.sessions() as session:
        discarded = select(AuditEntry).where(AuditEntry.act == "schedule.mail_given_up")
        assert session.scalars(discarded).one().facts == {"run": run.id, "tries": tries}


def test_a_deferred_address_gets_the_mail_later_and_the_others_get_it_once(
    scheduled: ScheduledPractice, server: MailServer
) -> None:
    settled_run(scheduled)
    server.defers = TO[1]

    assert send(scheduled, FIRST_RUN) == 0
    assert (mail_of(scheduled).state, mail_of(scheduled).pending_to) == (MailState.DUE, [TO[1]])
    assert words_of(scheduled).endswith("1 of 2 addresses did not receive it")
    server.defers = ""
    assert send(scheduled, FIRST_RUN + outbox.RETRY_WAITS[0]) == 1

    assert [letter.recipients for letter in server.letters] == [[f"<{to}>"] for to in TO]
    assert [mail_of(scheduled).state, mail_of(scheduled).pending_to] == [MailState.SENT, []]
    assert "did not receive it" not in words_of(scheduled)


def test_a_name_lookup_that_hangs_does_not_block_the_sender(
    scheduled: ScheduledPractice, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_run(scheduled)
    hangs = "import runpy, socket, threading; socket.getaddrinfo = lambda *_, **__: threading.Event().wait()"
    program = (sys.executable, "-c", f"{hangs}; runpy.run_path({smtp.__file__!r}, run_name='__main__')")
    monkeypatch.setattr(smtp, "PROGRAM", program)
    monkeypatch.setattr(smtp, "TOTAL_SECONDS", 0.2)

    assert send(scheduled, FIRST_RUN) == 0  # without a timeout this would never return

    assert (mail_of(scheduled).state, server.visits) == (MailState.DUE, 0)


def test_a_handshake_that_never_ends_is_abandoned_in_time(
    scheduled: ScheduledPractice, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_run(scheduled)
    server.mood = Mood.DRIPS_A_HANDSHAKE
    monkeypatch.setenv("SETTLE_SMTP_URL", server.url.replace("smtp:", "smtps:"))
    load_settings.cache_clear()
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 0.2)

    assert send(scheduled, FIRST_RUN) == 0  # without a timeout this would never return

    assert (mail_of(scheduled).state, server.visits) == (MailState.DUE, 1)


def test_one_refused_mail_does_not_hold_back_the_others(scheduled: ScheduledPractice, server: MailServer) -> None:
    for number in range(2):
        scheduled.schedule(name=f"Schedule {number}", mail_to=TO)
    scheduled.tick(FIRST_RUN)
    server.mood = Mood.REFUSES

    send(scheduled, FIRST_RUN)

    assert server.visits == 2


def test_an_unavailable_server_is_tried_for_one_mail_per_round(
    scheduled: ScheduledPractice, server: MailServer
) -> None:
    for number in range(5):
        scheduled.schedule(name=f"Schedule {number}", mail_to=TO)
    scheduled.tick(FIRST_RUN)
    server.mood = Mood.BUSY

    send(scheduled, FIRST_RUN)

    assert server.visits == 1


@pytest.mark.parametrize("mood", [Mood.HANGS, Mood.DRIPS])
def test_a_hanging_server_blocks_neither_ticks_nor_transactions_and_is_abandoned_in_time(
    scheduled: ScheduledPractice, server: MailServer, mood: Mood, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_run(scheduled)
    server.mood = mood
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 60)  # so that the test decides when the wait ends
    monkeypatch.setattr(smtp, "TOTAL_SECONDS", 60)
    scheduled.tick(FIRST_RUN)
    sending = threading.Thread(target=send_due, args=[scheduled.sessions], kwargs={"clock": lambda: FIRST_RUN})
    sending.start()
    eventually(lambda: server.visits == 1)

    with scheduled.sessions() as session:
        open_transactions = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        )
        assert session.scalar(open_transactions) == 0, "no transaction is open while it hangs"
    assert mail_of(scheduled).state is MailState.SENDING
    scheduled.practice.claims(1, first=4)
    scheduled.tick(FIRST_RUN + dt.timedelta(days=1))
    assert len(scheduled.runs()) == 2

    server.down()
    sending.join()
    assert states(scheduled)[0] is MailState.DUE


@pytest.mark.parametrize(("mood", "limit"), [(Mood.HANGS, "ANSWER_SECONDS"), (Mood.DRIPS, "TOTAL_SECONDS")])
def test_neither_silence_nor_a_slow_drip_of_bytes_lasts_forever(
    scheduled: ScheduledPractice, server: MailServer, mood: Mood, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_run(scheduled)
    server.mood = mood
    monkeypatch.setattr(smtp, limit, 0.2)

    assert send(scheduled, FIRST_RUN) == 0  # without a timeout this would never return

    assert mail_of(scheduled).state is MailState.DUE


def test_a_mail_without_a_final_answer_is_sent_again_under_the_same_id(
    scheduled: ScheduledPractice, server: MailServer
) -> None:
    settled_run(scheduled)
    server.mood = Mood.DIES_AFTER_TAKING
    assert send(scheduled, FIRST_RUN) == 0
    server.mood = Mood.TAKES

    assert send(scheduled, FIRST_RUN + outbox.RETRY_WAITS[0]) == 1

    first, second = server.letters
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.message["Message-ID"].endswith("@lakeside.example>")


def test_another_worker_sends_the_mail_after_the_lease_of_a_dead_one_ends(
    scheduled: ScheduledPractice, server: MailServer
) -> None:
    settled_run(scheduled)
    scheduled.tick(FIRST_RUN)
    lease = scheduled.practice.do(outbox.lease_mail, now=FIRST_RUN)
    assert lease is not None  # the worker dies here

    assert send(scheduled, FIRST_RUN + SOON) == 0
    assert send(scheduled, FIRST_RUN + outbox.LEASE) == 1

    with transaction(scheduled.sessions) as session:  # the first worker was only slow, and finishes now
        sending._finish(session, lease, sending._Try(), clock=lambda: FIRST_RUN + outbox.LEASE)
    assert mail_of(scheduled).state is MailState.SENT
    assert len(server.letters) == 1


def test_four_concurrent_workers_send_each_report_once(scheduled: ScheduledPractice, server: MailServer) -> None:
    for number in range(6):
        scheduled.schedule(name=f"Schedule {number}", mail_to=TO)
    scheduled.tick(FIRST_RUN)

    assert raised_at_once(*[lambda: send_due(scheduled.sessions, clock=lambda: FIRST_RUN)] * 4) == []

    ids = [letter.message["Message-ID"] for letter in server.letters]
    assert len(ids) == len(set(ids)) == 6
    assert set(states(scheduled)) == {MailState.SENT}


def test_the_user_and_password_of_the_url_sign_in(
    scheduled: ScheduledPractice, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_run(scheduled)
    monkeypatch.setenv("SETTLE_SMTP_URL", server.url.replace("//", "//me%40x:p%2Fw@"))
    load_settings.cache_clear()

    assert send(scheduled, FIRST_RUN) == 1

    assert server.letters[0].signed_in_as == "AG1lQHgAcC93"  # \0me@x\0p/w
