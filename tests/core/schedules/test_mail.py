"""The morning report by mail, against a real mail server: once, later where the server is down, and never a patient."""

import datetime as dt
import socket
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text

from core.db.engine import transaction
from core.jobs import commands as job_commands
from core.jobs.keys import JobKey
from core.models.people import AuditEntry
from core.models.schedules import MailState
from core.schedules import descriptions, mail, smtp
from core.settings import settings
from tests.core.schedules.conftest import FIRST_NIGHT, Night
from tests.core.schedules.mail_server import MailServer, Mood
from tests.waiting import eventually

TO = ("billing@lakeside.example", "office@lakeside.example")
SOON = dt.timedelta(minutes=1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server that is up, and named in the settings."""
    server = MailServer()
    monkeypatch.setenv("SETTLE_SMTP_URL", server.url)
    monkeypatch.setenv("SETTLE_MAIL_FROM", "settle@lakeside.example")
    monkeypatch.setenv("SETTLE_PUBLIC_URL", "https://settle.lakeside.example/")
    settings.cache_clear()
    server.up()
    yield server
    server.down()
    settings.cache_clear()


def send(night: Night, now: dt.datetime) -> int:
    """What a tick and the mail that it brings on do."""
    return mail.send_due(night.sessions, clock=lambda: now) if night.tick(now).has_mail else 0


def settled_night(night: Night, **asked: object) -> None:
    night.practice.claims(3)
    night.schedule(mail_to=TO, **asked)
    night.tick(FIRST_NIGHT)
    night.work(FIRST_NIGHT)


def test_the_report_of_a_settled_night_is_mailed_once_with_counts_and_links(night: Night, server: MailServer) -> None:
    settled_night(night)

    assert [send(night, FIRST_NIGHT + n * SOON) for n in range(3)] == [1, 0, 0]

    (letter,) = server.letters
    run = night.run()
    assert (run.mail_state, run.mail_sent_at) == (MailState.SENT, FIRST_NIGHT)
    assert (letter.sender, letter.recipients) == ("<settle@lakeside.example>", [f"<{to}>" for to in TO])
    assert letter.message["Subject"] == f"Schedule {run.schedule_id}, 11/24/2026: settled"
    said = letter.message.get_content().splitlines()
    assert said[0] == "3 claims settled, 0 skipped, 0 failed, 0 remaining."
    assert f"Report: https://settle.lakeside.example/schedule-runs/{run.id}" in said
    assert f"Job: https://settle.lakeside.example/jobs/{run.job_id}" in said


def test_a_mail_holds_nothing_of_a_patient_and_no_dollars(night: Night, server: MailServer) -> None:
    night.practice.claim("CANARY-1")
    settled_night(night, note="Canary note", name="Canary name", cents_max=100)

    send(night, FIRST_NIGHT)

    whole = server.letters[0].message.as_string()
    assert "waits for another person" in whole
    assert not any(secret in whole for secret in ("anary", "CANARY", "$", "Patient", "C00001", "15.00", "Lakeside"))


def test_while_its_job_runs_nothing_is_mailed(night: Night, server: MailServer) -> None:
    night.practice.claims(1)
    night.schedule(mail_to=TO)
    night.tick(FIRST_NIGHT)

    assert send(night, FIRST_NIGHT) == 0
    night.work(FIRST_NIGHT)
    assert send(night, FIRST_NIGHT + SOON) == 1
    assert len(server.letters) == 1


def test_a_job_that_waits_is_mailed_as_waiting_and_once_more_when_it_has_ended(
    night: Night, server: MailServer
) -> None:
    settled_night(night, claims_max=1)

    send(night, FIRST_NIGHT)
    job = night.job(night.run())
    with transaction(night.sessions) as session:
        key = JobKey(job.practice_id, job.id)
        job_commands.approve(session, key, confirmation="CONFIRM", by=night.approver, now=FIRST_NIGHT)
    send(night, FIRST_NIGHT + SOON)  # it runs: nothing has become of it yet
    night.work(FIRST_NIGHT)
    for n in (2, 3):
        send(night, FIRST_NIGHT + n * SOON)

    subjects = [letter.message["Subject"].partition(": ")[2] for letter in server.letters]
    assert subjects == ["waiting", "final result: settled"]
    first, last = server.letters
    assert "another mail says what became of it" in first.message.get_content()
    assert "This will change" not in last.message.get_content()
    assert first.message["Message-ID"] != last.message["Message-ID"]


def test_a_missed_night_and_one_of_nothing_are_mailed_too(night: Night, server: MailServer) -> None:
    night.schedule(mail_to=TO, late_minutes=60)
    night.tick(FIRST_NIGHT)
    late = FIRST_NIGHT + dt.timedelta(days=1, hours=2)

    assert send(night, late) == 2

    said = [letter.message.get_content() for letter in server.letters]
    assert [phrase in text for phrase, text in zip(("No claim matched", "Missed"), said, strict=True)] == [True, True]


def test_without_addresses_nothing_is_mailed(night: Night, server: MailServer) -> None:
    night.schedule()
    night.tick(FIRST_NIGHT)

    assert send(night, FIRST_NIGHT) == 0
    assert night.run().mail_state is MailState.NONE


def test_without_a_mail_server_nothing_waits_and_one_that_is_named_later_gets_what_is_not_too_old(
    night: Night, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.schedule(mail_to=TO)
    monkeypatch.delenv("SETTLE_SMTP_URL")
    settings.cache_clear()
    assert send(night, FIRST_NIGHT) == 0
    assert night.run().mail_state is MailState.NONE

    monkeypatch.setenv("SETTLE_SMTP_URL", server.url)
    settings.cache_clear()
    assert send(night, FIRST_NIGHT + dt.timedelta(hours=2)) == 1

    night.tick(FIRST_NIGHT + dt.timedelta(days=5))
    assert {run.mail_state for run in night.runs()[1:3]} == {MailState.NONE}


# A server in a bad mood


def test_a_server_that_is_down_then_up_gets_the_mail_when_it_is_up(night: Night, server: MailServer) -> None:
    settled_night(night)
    server.down()

    assert send(night, FIRST_NIGHT) == 0
    run = night.run()
    assert (run.mail_state, run.mail_tries) == (MailState.DUE, 1)
    assert run.mail_not_before == FIRST_NIGHT + mail.WAITS[0]
    server.up()
    assert send(night, FIRST_NIGHT + dt.timedelta(seconds=30)) == 0, "it is not asked every half minute"
    assert send(night, FIRST_NIGHT + mail.WAITS[0]) == 1

    assert len(server.letters) == 1


@pytest.mark.parametrize("mood", [Mood.REFUSES, Mood.BUSY])
def test_a_server_that_refuses_is_asked_ever_more_seldom_and_then_given_up_which_is_said(
    night: Night, server: MailServer, mood: Mood
) -> None:
    settled_night(night, weekdays=["tue"])
    server.mood = mood
    now = FIRST_NIGHT

    waits = iter(mail.WAITS)
    while night.run().mail_state is not MailState.GIVEN_UP:
        assert now <= FIRST_NIGHT + mail.MAIL_LIFE + mail.WAITS[-1]
        assert send(night, now) == 0
        now += next(waits, mail.WAITS[-1])
    server.mood = Mood.TAKES
    assert send(night, now) == 0

    run = night.run()
    assert now - FIRST_NIGHT >= mail.MAIL_LIFE
    assert run.mail_tries == server.visits > len(mail.WAITS)
    with night.sessions() as session:
        given_up = select(AuditEntry).where(AuditEntry.act == "schedule.mail_given_up")
        assert session.scalars(given_up).one().facts == {"run": run.id, "tries": run.mail_tries}


def test_an_address_that_is_put_off_gets_the_mail_later_and_the_others_get_it_once(
    night: Night, server: MailServer
) -> None:
    settled_night(night)
    server.defers = TO[1]

    assert send(night, FIRST_NIGHT) == 0
    run = night.run()
    assert (run.mail_state, run.mail_left) == (MailState.DUE, [TO[1]])
    assert descriptions.describe_mail(run).endswith("It was not taken for 1 of 2 addresses")
    server.defers = ""
    assert send(night, FIRST_NIGHT + mail.WAITS[0]) == 1

    assert [letter.recipients for letter in server.letters] == [[f"<{to}>"] for to in TO]
    assert [night.run().mail_state, night.run().mail_left] == [MailState.SENT, []]
    assert "not taken" not in descriptions.describe_mail(night.run())


def test_a_name_that_no_name_server_tells_holds_nobody_up(
    night: Night, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_night(night)
    released = threading.Event()
    monkeypatch.setattr(smtp, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait() and [])

    assert send(night, FIRST_NIGHT) == 0  # it would never come back

    released.set()
    assert (night.run().mail_state, server.visits) == (MailState.DUE, 0)


def test_a_handshake_that_never_ends_is_left_in_time(
    night: Night, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_night(night)
    server.mood = Mood.DRIPS_A_HANDSHAKE
    monkeypatch.setenv("SETTLE_SMTP_URL", server.url.replace("smtp:", "smtps:"))
    settings.cache_clear()
    monkeypatch.setattr(smtp, "WHOLE_SECONDS", 0.2)

    assert send(night, FIRST_NIGHT) == 0  # it would never come back

    assert (night.run().mail_state, server.visits) == (MailState.DUE, 1)


def test_one_mail_that_is_refused_does_not_keep_the_others_back(night: Night, server: MailServer) -> None:
    for number in range(2):
        night.schedule(name=f"Night {number}", mail_to=TO)
    night.tick(FIRST_NIGHT)
    server.mood = Mood.REFUSES

    send(night, FIRST_NIGHT)

    assert server.visits == 2


def test_a_server_that_is_away_is_asked_for_one_mail_of_a_round(night: Night, server: MailServer) -> None:
    for number in range(5):
        night.schedule(name=f"Night {number}", mail_to=TO)
    night.tick(FIRST_NIGHT)
    server.mood = Mood.BUSY

    send(night, FIRST_NIGHT)

    assert server.visits == 1


@pytest.mark.parametrize("mood", [Mood.HANGS, Mood.DRIPS])
def test_a_server_that_hangs_is_left_in_time_and_holds_up_neither_ticks_nor_locks(
    night: Night, server: MailServer, mood: Mood, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_night(night)
    server.mood = mood
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 60)  # so that whether it waits is decided by the test
    monkeypatch.setattr(smtp, "WHOLE_SECONDS", 60)
    has_mail = night.tick(FIRST_NIGHT).has_mail
    sending = threading.Thread(target=mail.send_due, args=[night.sessions], kwargs={"clock": lambda: FIRST_NIGHT})
    sending.start()
    eventually(lambda: server.visits == 1)

    assert has_mail
    with night.sessions() as session:
        open_ = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        )
        assert session.scalar(open_) == 0, "no transaction is open while it hangs"
    assert night.run().mail_state is MailState.SENDING
    night.practice.claims(1, first=4)
    night.tick(FIRST_NIGHT + dt.timedelta(days=1))
    assert len(night.runs()) == 2

    server.down()
    sending.join()
    assert night.runs()[0].mail_state is MailState.DUE


@pytest.mark.parametrize(("mood", "limit"), [(Mood.HANGS, "ANSWER_SECONDS"), (Mood.DRIPS, "WHOLE_SECONDS")])
def test_neither_silence_nor_a_drip_of_signs_lasts_for_ever(
    night: Night, server: MailServer, mood: Mood, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_night(night)
    server.mood = mood
    monkeypatch.setattr(smtp, limit, 0.2)

    assert send(night, FIRST_NIGHT) == 0  # it would never come back

    assert night.run().mail_state is MailState.DUE


def test_a_mail_of_which_nobody_knows_whether_it_was_taken_is_sent_again_under_the_same_id(
    night: Night, server: MailServer
) -> None:
    settled_night(night)
    server.mood = Mood.DIES_AFTER_TAKING
    assert send(night, FIRST_NIGHT) == 0
    server.mood = Mood.TAKES

    assert send(night, FIRST_NIGHT + mail.WAITS[0]) == 1

    first, second = server.letters
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.message["Message-ID"].endswith("@lakeside.example>")


def test_a_worker_that_dies_in_the_middle_leaves_the_mail_to_another_after_a_while(
    night: Night, server: MailServer
) -> None:
    settled_night(night)
    night.tick(FIRST_NIGHT)
    with transaction(night.sessions) as session:
        claim = mail._lease_mail(session, now=FIRST_NIGHT)
    assert claim is not None  # and now it is dead

    assert send(night, FIRST_NIGHT + SOON) == 0
    assert send(night, FIRST_NIGHT + mail.LEASE) == 1

    with transaction(night.sessions) as session:  # it was only slow, and comes back
        mail._finish(session, claim, mail._SendResult(claim.left), now=FIRST_NIGHT + mail.LEASE)
    assert night.run().mail_state is MailState.SENT
    assert len(server.letters) == 1


def test_four_workers_at_once_send_each_report_once(night: Night, server: MailServer) -> None:
    for number in range(6):
        night.schedule(name=f"Night {number}", mail_to=TO)
    night.tick(FIRST_NIGHT)
    threads = [
        threading.Thread(target=mail.send_due, args=[night.sessions], kwargs={"clock": lambda: FIRST_NIGHT})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = [letter.message["Message-ID"] for letter in server.letters]
    assert len(ids) == len(set(ids)) == 6
    assert {run.mail_state for run in night.runs()} == {MailState.SENT}


def test_a_user_and_password_of_the_url_sign_in(
    night: Night, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_night(night)
    monkeypatch.setenv("SETTLE_SMTP_URL", server.url.replace("//", "//me%40x:p%2Fw@"))
    settings.cache_clear()

    assert send(night, FIRST_NIGHT) == 1

    assert server.letters[0].signed_in_as == "AG1lQHgAcC93"  # \0me@x\0p/w
