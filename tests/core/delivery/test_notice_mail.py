"""Notices by e-mail, against a real mail server: once each, with counts and links, retried while the server is down."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from core.access import password_links, user_management
from core.access.permissions import Actor
from core.audit import log, regular_events
from core.delivery import outbox, send as sending
from core.delivery.send import send_due
from core.enums.notices import OutboxState
from core.enums.people import Role
from core.intake.watched_folders import look, setup
from core.models.notices import Notice, OutboxMessage
from core.notices import inbox
from core.settings import load_settings
from tests.at_once import raised_at_once
from tests.core.delivery.conftest import AT
from tests.core.schedules.mail_server import MailServer, Mood
from tests.factories import GivenPractice, Line


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


def send(practice: GivenPractice, now: dt.datetime = AT) -> int:
    return send_due(practice.sessions, clock=lambda: now)


def test_a_completed_job_is_mailed_once_with_counts_and_links(practice: GivenPractice, server: MailServer) -> None:
    practice.claims(3)
    practice.settle()

    assert [send(practice) for _ in range(3)] == [1, 0, 0]

    (letter,) = server.letters
    assert letter.recipients == [f"<{practice.biller.email}>"]
    assert letter.message["Subject"] == "Job 1 completed: 3 claims settled, 0 skipped, 0 failed"
    body = letter.message.get_content()
    assert "Open: https://settle.lakeside.example/jobs/1" in body
    assert "https://settle.lakeside.example/notices" in body


def test_the_weekly_review_carries_the_last_entry_of_the_audit_log(
    practice: GivenPractice, admin: Actor, server: MailServer
) -> None:
    monday = dt.datetime(2026, 11, 30, 13, tzinfo=dt.UTC)
    with practice.sessions() as session:
        head = log.head(session, practice.id)

    regular_events.record_due(practice.sessions, now=monday)
    send(practice, monday)

    (letter,) = server.letters
    assert letter.recipients == [f"<{admin.email}>"]
    lines = letter.message.get_content().splitlines()
    assert (
        lines[lines.index(head.digest) - 1]
        == f"The audit log's last entry is number {head.number}, with this checksum:"
    )


def test_a_watched_folder_that_cannot_be_used_is_mailed_once(
    practice: GivenPractice, server: MailServer, tmp_path: Path
) -> None:
    practice.act(setup.watch, "lakeside", imports_clean=True)
    for minutes in (0, 5):
        now = AT + dt.timedelta(minutes=minutes)
        look.look(practice.sessions, tmp_path, every=dt.timedelta(minutes=5), bytes_max=1, now=now)
        send(practice, now)

    (letter,) = server.letters
    words = "Watched folder: it does not exist; ask the person who runs your server to create it"
    assert letter.message["Subject"] == words
    assert "Open: https://settle.lakeside.example/imports" in letter.message.get_content().splitlines()


def test_a_mail_contains_no_patient_no_claim_number_and_no_dollars(
    practice: GivenPractice, approver: Actor, server: MailServer
) -> None:
    practice.claim("CANARY-1", Line(12_345, 678), patient_id=practice.patient("Canary, Ana"))
    practice.limit(job=1)
    practice.approve(practice.confirmed(note="Canary note"), by=approver)
    practice.run()

    send(practice)

    whole = "".join(letter.message.as_string() for letter in server.letters)
    assert "completed" in whole
    assert not any(secret in whole for secret in ("anary", "CANARY", "$", "123.45", "Lakeside"))


def test_no_mail_goes_to_a_deactivated_user_and_one_that_cannot_be_composed_does_not_stop_the_others(
    practice: GivenPractice, admin: Actor, server: MailServer
) -> None:
    practice.claims(3)
    colleague = practice.person("colleague@lakeside.example", Role.BILLER)
    for number, by in (("C00001", practice.biller), ("C00002", colleague), ("C00003", colleague)):
        practice.confirm(practice.preview({"claim_ids": [number]}, key=number, by=by), by=by)
    practice.run()
    practice.sql("UPDATE event SET facts = '{}' WHERE job_id = 2 AND kind = 'job.completed'")
    practice.act(user_management.deactivate, practice.biller.user_id, by=admin)

    assert [send(practice) for _ in range(2)] == [1, 0]

    (letter,) = server.letters
    assert letter.recipients == [f"<{colleague.email}>"]
    with practice.sessions() as session:
        found = session.execute(
            select(OutboxMessage.state, OutboxMessage.last_result)
            .join(Notice, Notice.id == OutboxMessage.notice_id)
            .order_by(Notice.job_id)
        ).all()
    assert list(map(tuple, found)) == [
        (OutboxState.GIVEN_UP, "user_deactivated"), (OutboxState.DUE, "KeyError"), (OutboxState.SENT, None)
    ]  # fmt: skip


def test_a_mail_is_retried_until_the_server_is_back_and_then_sent_once(
    practice: GivenPractice, server: MailServer
) -> None:
    practice.claims(1)
    practice.settle()
    server.down()
    assert send(practice) == 0
    server.up()

    assert send(practice, AT + dt.timedelta(seconds=30)) == 0
    assert send(practice, AT + outbox.RETRY_WAITS[0]) == 1
    assert send(practice, AT + dt.timedelta(days=1)) == 0

    assert len(server.letters) == 1


def test_a_mail_that_a_dead_worker_had_leased_is_sent_by_another_under_the_same_id(
    practice: GivenPractice, server: MailServer
) -> None:
    practice.claims(1)
    practice.settle()
    server.mood = Mood.DIES_AFTER_TAKING
    send(practice)
    server.mood = Mood.TAKES

    lease = practice.do(outbox.lease_mail, now=AT + outbox.RETRY_WAITS[0])  # the worker dies here
    late = AT + outbox.RETRY_WAITS[0] + outbox.LEASE
    assert send(practice, late) == 1
    practice.do(sending._finish, lease, sending._Try(), clock=lambda: late)  # it was only slow, and finishes now

    first, second = server.letters
    assert first.message["Message-ID"] == second.message["Message-ID"]
    with practice.sessions() as session:
        assert session.scalars(select(OutboxMessage.state)).all() == [OutboxState.SENT]


def test_four_workers_at_once_send_each_mail_once(practice: GivenPractice, server: MailServer) -> None:
    for number in practice.claims(6):
        practice.settle({"claim_ids": [number]}, key=number)

    assert raised_at_once(*[lambda: send(practice)] * 4) == []

    assert len({letter.message["Message-ID"] for letter in server.letters}) == len(server.letters) == 6


def test_without_a_mail_server_the_notice_is_in_the_header_and_its_mail_is_given_up(practice: GivenPractice) -> None:
    practice.claims(1)
    practice.settle()

    assert send(practice) == 0
    practice.do(outbox.tidy, now=AT + dt.timedelta(days=4))

    with practice.sessions() as session:
        assert session.scalars(select(OutboxMessage.state)).all() == [OutboxState.GIVEN_UP]
    assert practice.do(inbox.unread, practice.biller, limit=5).total == 1


def test_a_link_to_set_a_password_is_mailed_and_each_try_has_a_token_of_its_own(
    practice: GivenPractice, admin: Actor, server: MailServer
) -> None:
    practice.act(user_management.make_password_link, practice.biller.user_id, by_mail=True, by=admin, now=AT)
    practice.do(password_links.mail_if_known, "stranger@lakeside.example", now=AT, address="203.0.113.7")
    server.down()
    assert send(practice) == 0
    server.up()
    assert send(practice, AT + dt.timedelta(minutes=2)) == 1

    (letter,) = server.letters
    assert (letter.recipients, letter.message["Subject"]) == (
        [f"<{practice.biller.email}>"], "Set your password for Batch Settle",
    )  # fmt: skip
    body = letter.message.get_content()
    assert "It expires on 11/26/2026 at 10:05 AM (America/New York)." in body
    token = body.partition("https://settle.lakeside.example/set-password/")[2].split()[0]
    user = practice.do(password_links.use, token, "orchid tunnel 44 velvet", now=AT)
    assert user.email == practice.biller.email
    with practice.sessions() as session:
        assert session.scalars(select(OutboxMessage)).all() == [], "it goes with its link"
