"""Webhooks against a real receiver in a process of its own: it fails, hangs and returns, and gets each event."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.audit import log, regular_events
from core.delivery import outbox, requests, retention, web_request
from core.delivery.send import send_due
from core.enums.notices import EventKind, OutboxState
from core.enums.people import Role
from core.errors import NotAllowed
from core.intake.csv.postings_import import import_postings
from core.jobs import commands, event_sentences
from core.ledger import credit_moves, voids
from core.ledger.entries import BadEntry, CreditTransfer, Refund, Void
from core.models.notices import Event, Notice, OutboxMessage, Webhook
from core.models.people import AuditEntry
from core.notices import inbox, webhook_deliveries, webhooks
from core.schedules.run_mail import MAIL_EXPIRES_AFTER
from core.settings import load_settings
from tests.at_once import raised_at_once
from tests.core.delivery.conftest import AT, Hooked, Receiver
from tests.factories import NOW, Line, a_practice
from tests.waiting import eventually
from worker import turns

MINUTE = dt.timedelta(minutes=1)


def state(hooked: Hooked, webhook: Webhook) -> list[tuple[OutboxState, str | None]]:
    """Return the state and the last result of each delivery, oldest first."""
    with hooked.practice.sessions() as session:
        of_webhook = select(OutboxMessage).where(OutboxMessage.webhook_id == webhook.id).order_by(OutboxMessage.id)
        return [(one.state, one.last_result) for one in session.scalars(of_webhook)]


def is_signed(request: dict[str, Any], secret: str) -> bool:
    """Check the signature as docs/operations.md says, without the product's own code."""
    headers = request["headers"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{request['body']}".encode()
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split())


def test_a_job_sends_signed_events_with_ids_counts_cents_and_links(hooked: Hooked, receiver: Receiver) -> None:
    webhook = hooked.add(receiver.url("/ok"))
    hooked.practice.patient("CANARY NAME")
    hooked.settle(2)

    assert hooked.send() == 3

    bodies = [json.loads(one["body"]) for one in receiver.got()]
    assert [body["type"] for body in bodies] == ["job.confirmed", "job.completed", "postings.written"]
    assert [body["data"]["status"] for body in bodies] == ["confirmed", "completed", "completed"]
    data = bodies[2]["data"]
    assert (data["settle_job_id"], data["settled"], data["insurance_cents"], data["patient_cents"]) == (
        "1", 2, 2_000, 1_000
    )  # fmt: skip
    assert bodies[2]["links"]["postings"] == "https://settle.lakeside.example/api/v1/postings?job=1"
    assert all(is_signed(one, webhook.secret) for one in receiver.got())
    assert not is_signed(receiver.got()[0], webhooks._make_secret())
    assert "CANARY" not in str(receiver.got())
    assert "C0000" not in str(receiver.got())
    assert int(receiver.got()[0]["headers"]["webhook-timestamp"]) == int(AT.timestamp())


def test_a_webhook_gets_only_the_events_that_it_chose(hooked: Hooked, receiver: Receiver) -> None:
    hooked.add(receiver.url("/ok"), "job.completed")
    hooked.settle()

    hooked.send()

    assert [json.loads(one["body"])["type"] for one in receiver.got()] == ["job.completed"]


def test_the_last_entry_of_the_audit_log_is_sent_once_a_day(hooked: Hooked, receiver: Receiver) -> None:
    due = dt.datetime(2026, 11, 24, 11, tzinfo=dt.UTC)  # 6:00 AM in New York
    regular_events.record_due(hooked.practice.sessions, now=due)
    hooked.add(receiver.url("/ok"), "audit.last_entry")
    with hooked.practice.sessions() as session:
        head = log.head(session, hooked.practice.id)

    for now in (due - MINUTE, due, due + MINUTE):
        regular_events.record_due(hooked.practice.sessions, now=now)
    hooked.practice.sql("UPDATE practice SET time_zone = 'America/Chicago'")
    regular_events.record_due(hooked.practice.sessions, now=due + 70 * MINUTE)
    hooked.send(now=due + 2 * MINUTE)

    (request,) = receiver.got()
    body = json.loads(request["body"])
    assert (body["type"], body["timestamp"]) == ("audit.last_entry", "2026-11-24T11:00:00Z")
    assert body["data"] == {"practice_id": str(hooked.practice.id), "number": head.number, "sha256": head.digest}
    regular_events.record_due(hooked.practice.sessions, now=due + dt.timedelta(days=1, hours=1))
    assert hooked.send(now=due + dt.timedelta(days=1, hours=1)) == 1


def test_a_reversal_is_an_event_of_the_job_that_it_reverses(hooked: Hooked, receiver: Receiver) -> None:
    job = hooked.settle()
    hooked.add(receiver.url("/ok"), "job.reversed")
    hooked.practice.reverse(job, by=hooked.admin)
    hooked.practice.run()

    hooked.send()

    (body,) = [json.loads(one["body"]) for one in receiver.got()]
    assert (body["data"]["settle_job_id"], body["data"]["reversal_job_id"]) == ("1", "2")


def posting_events(hooked: Hooked) -> list[dict[str, Any]]:
    """Return the bodies of the events about postings that no job made, oldest first."""
    with hooked.practice.sessions() as session:
        kinds = (EventKind.POSTINGS_ENTERED, EventKind.POSTINGS_IMPORTED)
        found = session.scalars(select(Event).where(Event.kind.in_(kinds)).order_by(Event.id))
        return [requests.payload(event) for event in found]


def test_each_entry_and_each_import_of_postings_is_one_event(hooked: Hooked, tmp_path: Path) -> None:
    practice = hooked.practice
    practice.claim("C/1", Line(0, 40_00), Line(0, 25_00))
    practice.post("C/1", 1, key="before")
    webhook = hooked.add("https://pm.example/", "postings.entered", "postings.imported")
    practice.settle(reason="charity")
    key = {"by": practice.biller, "now": NOW}

    late = practice.post("C/1", 50_00, key="late")
    place = {"line": 1, "responsibility": "patient", "note": "SECRET NOTE"}
    refund = Refund.of({**place, "amount_cents": 1_00, "paid_to": "patient"})
    practice.do(credit_moves.refund, "C/1", refund, idempotency_key="refund", **key)
    practice.do(credit_moves.refund, "C/1", refund, idempotency_key="refund", **key)
    credit = {**place, "amount_cents": 2_00, "to": {"line": 2, "responsibility": "patient"}}
    with pytest.raises(BadEntry):
        practice.do(credit_moves.transfer, "C/1", CreditTransfer.of(credit), idempotency_key="transfer", **key)
    assert late.recovery is not None
    voided = Void.of({"note": "SECRET NOTE"})
    practice.do(voids.void, "C/1", late.recovery.posting_id, voided, idempotency_key="void", **key)
    file = tmp_path / "march.csv"
    rows = ["a,C/1,1,patient,payment,-1.00,patient,,,2026-11-20", "b,C/1,2,patient,payment,-25.00,patient,,,2026-11-20"]
    head = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"
    file.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    practice.act(import_postings, file, practice_name="Lakeside", by=practice.biller)

    bodies = posting_events(hooked)
    names = ("entry", "postings", "patient_change_cents", "write_offs_reversed_cents", "write_offs_restored_cents")
    assert [tuple(body["data"].get(name) for name in names) for body in bodies] == [
        ("payment", 1, -50_00, 39_99, 0),
        ("refund", 1, 1_00, 0, 0),
        ("void", 1, 50_00, 0, 39_99),
        (None, 2, None, 25_00, 0),
    ]
    assert bodies[0]["data"]["claim_ids"] == ["C/1"]
    assert bodies[0]["links"] == {"claims": ["/api/v1/claims/C%2F1"]}
    assert "SECRET" not in str(bodies)
    assert [state for state, _ in state(hooked, webhook)] == [OutboxState.DUE] * 4
    log = practice.do(webhook_deliveries.list_deliveries, webhook.id, limit=9, by=hooked.admin)
    assert [event_sentences.sentence(one.event) for one in log] == [
        "Import added 2 postings", "Void posted on 1 claim", "Refund posted on 1 claim", "Payment posted on 1 claim"
    ]  # fmt: skip


def test_a_receiver_that_fails_gets_the_event_again_with_the_same_id_and_body(
    hooked: Hooked, receiver: Receiver
) -> None:
    webhook = hooked.add(receiver.url("/fails"), "job.completed")
    hooked.settle()
    assert hooked.send() == 0
    assert state(hooked, webhook) == [(OutboxState.DUE, "HTTP 500")]

    assert hooked.send(AT + dt.timedelta(seconds=20)) == 0
    assert len(receiver.got()) == 1, "not before the wait is over"
    receiver.comes_up()
    assert hooked.send(AT + MINUTE) == 1

    first, second = receiver.got()
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    assert first["body"] == second["body"]
    assert first["headers"]["webhook-signature"] != second["headers"]["webhook-signature"], "a new time is signed"
    assert state(hooked, webhook) == [(OutboxState.SENT, "HTTP 204")]


def test_a_receiver_that_hangs_does_not_delay_another(
    hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_request, "ANSWER_SECONDS", 30)
    hangs = hooked.add(receiver.url("/hangs"), "job.completed")
    works = hooked.add(receiver.url("/ok"), "job.completed")
    hooked.settle()
    failed: list[Exception] = []
    sending = threading.Thread(target=lambda: failed.extend(raised_at_once(hooked.send)))
    sending.start()

    eventually(lambda: state(hooked, works) == [(OutboxState.SENT, "HTTP 204")], seconds=8)

    assert state(hooked, hangs) == [(OutboxState.SENDING, None)]
    hooked.practice.act(webhooks.delete, hangs.id, by=hooked.admin)
    sending.join()
    assert failed == [], "the program was ended by its timer, and the webhook was deleted meanwhile"
    assert state(hooked, hangs) == [(OutboxState.GIVEN_UP, None)]


def test_a_request_that_cannot_be_composed_fails_alone(hooked: Hooked, receiver: Receiver) -> None:
    broken = hooked.add(receiver.url("/ok"), "job.confirmed")
    works = hooked.add(receiver.url("/ok"), "job.completed")
    hooked.settle()
    hooked.practice.sql("UPDATE event SET facts = '{\"claim_ids\": [1]}' WHERE kind = 'job.confirmed'")

    assert hooked.send() == 1

    assert state(hooked, broken) == [(OutboxState.DUE, "not_composed")]
    assert state(hooked, works) == [(OutboxState.SENT, "HTTP 204")]


def test_a_practice_with_many_webhooks_does_not_delay_another(hooked: Hooked) -> None:
    for _ in range(webhooks.WEBHOOKS_MAX):
        hooked.add("https://pm.example/", "job.completed")
    hooked.settle()
    other = a_practice(hooked.practice.sessions, name="Hillside")
    also = Hooked(other, other.person("admin@hillside.example", Role.ADMIN))
    also.add("https://pm.example/", "job.completed")
    also.settle()

    leased = hooked.practice.do(outbox.lease_requests, at_once=8, of_practice=4, now=AT)

    assert Counter(one.practice_id for one in leased) == {hooked.practice.id: 4, other.id: 1}


@pytest.mark.parametrize(("path", "limit"), [("/hangs", "ANSWER_SECONDS"), ("/drips", "TOTAL_SECONDS")])
def test_neither_silence_nor_a_slow_drip_lasts_forever(
    hooked: Hooked, receiver: Receiver, path: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = hooked.add(receiver.url(path), "job.completed")
    hooked.settle()
    monkeypatch.setattr(web_request, limit, 2)
    began = time.monotonic()

    assert hooked.send() == 0

    assert time.monotonic() - began < 8
    assert state(hooked, webhook) == [(OutboxState.DUE, "timeout")]


def test_a_redirect_is_not_followed(hooked: Hooked, receiver: Receiver) -> None:
    webhook = hooked.add(receiver.url("/redirects"), "job.completed")
    hooked.settle()

    assert hooked.send() == 0

    assert [one["path"] for one in receiver.got()] == ["/redirects"]
    assert state(hooked, webhook) == [(OutboxState.DUE, "HTTP 302")]
    assert webhook_deliveries.describe_result("HTTP 302").endswith("redirects are not followed")


_SEND = """
import datetime as dt, sys
from core.db.engine import make_engine, make_sessions
from core.delivery.send import send_due
from core.errors import NotAllowed
send_due(make_sessions(make_engine(sys.argv[1])), clock=lambda: dt.datetime.fromisoformat(sys.argv[2]))
"""


def test_a_worker_killed_between_sending_and_marking_leads_to_a_second_request_with_the_same_id(
    hooked: Hooked, receiver: Receiver
) -> None:
    webhook = hooked.add(receiver.url("/hangs"), "job.completed")
    hooked.settle()
    url = hooked.practice.sessions.kw["bind"].url.render_as_string(hide_password=False)
    argv = [sys.executable, "-c", _SEND, url, AT.isoformat()]
    with subprocess.Popen(argv, start_new_session=True) as worker:
        eventually(lambda: receiver.got("/hangs"), seconds=30)
        os.killpg(worker.pid, signal.SIGKILL)
    receiver.comes_up()
    assert state(hooked, webhook) == [(OutboxState.SENDING, None)]

    assert hooked.send(AT + dt.timedelta(seconds=30)) == 0, "the lease of the dead worker lasts"
    assert hooked.send(AT + outbox.REQUEST_LEASE) == 1

    first, second = receiver.ids("/hangs")
    assert first == second
    assert state(hooked, webhook) == [(OutboxState.SENT, "HTTP 204")]


def test_events_that_a_receiver_missed_while_it_was_down_all_arrive(hooked: Hooked, receiver: Receiver) -> None:
    hooked.add(receiver.url("/fails"), "job.completed", "job.confirmed")
    for first in (1, 2, 3):
        hooked.settle(first=first)
    hooked.send()
    receiver.comes_up()
    before = len(receiver.got())

    for minutes in range(1, 10):
        hooked.send(AT + minutes * MINUTE)

    assert len(set(receiver.ids("/fails")[before:])) == 6


def test_after_three_days_an_event_is_given_up_and_administrators_get_one_notice(
    hooked: Hooked, receiver: Receiver
) -> None:
    webhook = hooked.add(receiver.url("/fails"), "job.completed", "job.confirmed")
    hooked.settle()
    hooked.send()
    late = AT + MAIL_EXPIRES_AFTER
    for minutes in range(3):
        hooked.send(late + minutes * MINUTE)

    assert state(hooked, webhook) == [(OutboxState.GIVEN_UP, "HTTP 500")] * 2
    (only,) = hooked.practice.do(inbox.list_notices, hooked.admin, limit=9)
    assert (only.event.kind, only.event.facts) == (EventKind.WEBHOOK_FAILED, {"webhook_id": webhook.id})

    receiver.comes_up()
    message = hooked.practice.do(webhook_deliveries.list_deliveries, webhook.id, limit=9, by=hooked.admin)[0].message
    hooked.practice.act(webhook_deliveries.send_again, webhook.id, message.id, by=hooked.admin, now=late)
    assert hooked.send(late) == 1
    assert hooked.practice.do(webhooks.find, webhook.id, by=hooked.admin).failing_since is None
    assert len(set(receiver.ids("/fails"))) == 2, "the same id as before"


def test_after_a_rotation_both_secrets_sign_for_a_day(hooked: Hooked, receiver: Receiver) -> None:
    webhook = hooked.add(receiver.url("/ok"))
    old = webhook.secret
    new = hooked.practice.act(webhooks.rotate_secret, webhook.id, by=hooked.admin).secret
    assert new != old

    for now in (AT, AT + dt.timedelta(days=1)):
        hooked.practice.act(webhooks.send_test, webhook.id, by=hooked.admin, now=now)
        assert hooked.send(now) == 1

    first, second = receiver.got()
    assert (is_signed(first, old), is_signed(first, new)) == (True, True)
    assert (is_signed(second, old), is_signed(second, new)) == (False, True)


def test_a_test_event_goes_to_one_webhook_even_if_it_is_off(hooked: Hooked, receiver: Receiver) -> None:
    webhook = hooked.add(receiver.url("/ok"))
    hooked.add(receiver.url("/other"))
    hooked.practice.act(
        webhooks.change, webhook.id, url=webhook.url, kinds=webhook.kinds, active=False, reach="loopback",
        by=hooked.admin,
    )  # fmt: skip
    hooked.settle()
    hooked.practice.act(webhooks.send_test, webhook.id, by=hooked.admin)

    hooked.send()

    assert [json.loads(one["body"])["type"] for one in receiver.got("/ok")] == ["webhook.test"]
    assert "webhook.test" not in str(receiver.got("/other"))


def test_a_deleted_webhook_gets_nothing_more(hooked: Hooked, receiver: Receiver) -> None:
    webhook = hooked.add(receiver.url("/ok"))
    hooked.settle()
    (leased,) = hooked.practice.do(outbox.lease_requests, at_once=8, of_practice=8, now=AT)
    hooked.practice.act(webhooks.delete, webhook.id, by=hooked.admin)

    assert hooked.practice.do(requests.compose, leased, now=AT) is None
    hooked.practice.sql("UPDATE outbox SET state = 'sending'")  # as if it was read before the webhook was deleted
    assert hooked.practice.do(requests.compose, leased, now=AT) is None, "its secret is empty by then"
    hooked.practice.sql("UPDATE outbox SET state = 'given_up'")
    assert hooked.send() == 0

    assert receiver.got() == []
    with pytest.raises(webhooks.NoSuchWebhook):
        hooked.practice.do(webhooks.find, webhook.id, by=hooked.admin)


def test_an_address_of_this_machine_is_refused_again_when_the_request_is_sent(
    hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_number = hooked.add(receiver.url("/ok"), "job.completed")
    by_name = hooked.add(receiver.url("/ok").replace("127.0.0.1", "localhost"), "job.completed")
    monkeypatch.setenv("SETTLE_WEBHOOK_REACH", "public")
    load_settings.cache_clear()
    hooked.settle()

    assert hooked.send() == 0

    assert receiver.got() == []
    refused = [(OutboxState.DUE, "address_refused")]
    assert (state(hooked, by_number), state(hooked, by_name)) == (refused, refused)


def test_no_secret_is_in_the_audit_log(hooked: Hooked, receiver: Receiver) -> None:
    webhook = hooked.add(receiver.url("/ok?key=CANARY"))
    rotated = hooked.practice.act(webhooks.rotate_secret, webhook.id, by=hooked.admin)
    hooked.practice.act(webhooks.send_test, webhook.id, by=hooked.admin)
    hooked.practice.act(webhooks.delete, webhook.id, by=hooked.admin)

    with hooked.practice.sessions() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.subject == f"webhook:{webhook.id}")).all()
    assert [entry.act for entry in entries] == [
        "webhook.added", "webhook.secret_rotated", "webhook.tested", "webhook.deleted"
    ]  # fmt: skip
    facts = str([entry.facts for entry in entries])
    assert not any(secret in facts for secret in ("CANARY", "whsec", webhook.secret, rotated.secret))


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.OPS])
def test_only_an_administrator_may_add_a_webhook(hooked: Hooked, role: Role) -> None:
    user = hooked.practice.person("x@lakeside.example", role)
    with pytest.raises(NotAllowed, match="administrator role"):
        hooked.practice.act(webhooks.add, url="https://pm.example/", kinds=webhooks.KINDS, reach="public", by=user)


def test_an_eleventh_webhook_is_refused(hooked: Hooked) -> None:
    for _ in range(webhooks.WEBHOOKS_MAX):
        hooked.add("https://pm.example/")

    with pytest.raises(webhooks.TooManyWebhooks):
        hooked.add("https://pm.example/")


def test_a_receiver_that_keeps_failing_is_tried_less_and_less(hooked: Hooked, receiver: Receiver) -> None:
    hooked.add(receiver.url("/fails"), "job.completed")
    for first in range(1, 8):
        hooked.settle(first=first)

    for half_minutes in range(40):
        hooked.send(AT + half_minutes * dt.timedelta(seconds=30))

    assert len(receiver.got()) == 5, "after 30 seconds, 1, 2 and 5 minutes"


def test_while_a_receiver_hangs_the_process_may_do_other_work(
    hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_request, "ANSWER_SECONDS", 1)
    hooked.add(receiver.url("/hangs"), "job.completed")
    hooked.settle()
    found = []

    @contextmanager
    def waiting() -> Iterator[None]:
        with turns.lend_task_turn(), turns.try_polling_turn() as is_mine:
            found.append(is_mine)
            yield

    monkeypatch.setattr(turns, "POLL_SECONDS", -1)
    with turns.task_turn():
        send_due(hooked.practice.sessions, clock=lambda: AT, waiting=waiting)

    assert found == [True]


def test_a_webhook_that_is_off_gets_its_events_when_it_is_on_again(hooked: Hooked, receiver: Receiver) -> None:
    webhook = hooked.add(receiver.url("/ok"), "job.completed")
    hooked.settle()
    same = {"url": webhook.url, "kinds": webhook.kinds, "reach": "loopback", "by": hooked.admin}
    hooked.practice.act(webhooks.change, webhook.id, active=False, **same)
    assert hooked.send() == 0

    hooked.practice.act(webhooks.change, webhook.id, active=True, **same)

    assert hooked.send() == 1
    assert len(receiver.got()) == 1


def test_after_90_days_only_the_newest_event_about_a_jobs_postings_is_left(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "REMOVED_PER_ROUND_MAX", 2)
    practice = hooked.practice
    hooked.add("https://pm.example/")
    practice.claims(3)
    job = practice.confirmed()
    practice.run_while_locked("C00002")
    practice.act(commands.retry_failed, job)
    practice.run()
    read, _unread = practice.do(inbox.list_notices, practice.biller, limit=9)
    practice.act(inbox.mark, read.notice.id, is_read=True, by=practice.biller)

    def left(*, days: int, rounds: int) -> tuple[int, int, list[str]]:
        for _ in range(rounds):
            practice.do(retention.remove_old, now=AT + dt.timedelta(days=days))
        with practice.sessions() as session:
            events = session.scalars(select(Event.kind).order_by(Event.id)).all()
            return *(len(session.scalars(select(table.id)).all()) for table in (OutboxMessage, Notice)), list(events)

    practice.sql("UPDATE outbox SET state = 'sent' WHERE notice_id IS NOT NULL")
    kinds = ["job.confirmed", *["job.completed", "postings.written"] * 2]
    assert left(days=89, rounds=3)[1:] == (2, kinds)
    assert left(days=91, rounds=1) == (5, 0, kinds), "what is due stays; notices go, read or not"
    practice.sql("UPDATE outbox SET state = 'given_up'")
    assert left(days=89, rounds=3) == (5, 0, kinds)
    assert left(days=91, rounds=1)[0] == 3, "a few in each round"
    assert left(days=91, rounds=4) == (0, 0, ["postings.written"])


def test_a_retry_sends_only_what_it_posted_and_one_that_posts_nothing_sends_no_event(
    hooked: Hooked, receiver: Receiver
) -> None:
    hooked.add(receiver.url("/ok"), "postings.written")
    hooked.practice.claims(3)
    job = hooked.practice.confirmed()
    hooked.practice.run_while_locked("C00002")
    hooked.practice.act(commands.retry_failed, job)
    hooked.practice.run_while_locked("C00002")
    hooked.practice.act(commands.retry_failed, job)
    hooked.practice.run()

    hooked.send()

    told = [json.loads(one["body"])["data"] for one in receiver.got()]
    names = ("settled", "new_settled", "new_insurance_cents")
    assert sorted(tuple(data[name] for name in names) for data in told) == [(2, 2, 2_000), (3, 1, 1_000)]
