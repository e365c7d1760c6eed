"""Notices: each user concerned gets one for each event, whatever crashes, and other users get none."""

import datetime as dt

import pytest
from sqlalchemy import event as sqlalchemy_event, select, text

from core.access.permissions import Actor
from core.enums.notices import EventKind, NoticeKind
from core.enums.people import Role
from core.errors import NotFound
from core.jobs import commands, event_sentences
from core.jobs.execution import sweep
from core.jobs.keys import JobKey
from core.models.notices import OutboxMessage
from core.notices import inbox
from tests.factories import NOW, GivenPractice

SOON = NOW + dt.timedelta(minutes=50)


def words(practice: GivenPractice, user: Actor, *, unread_only: bool = False) -> list[str]:
    """Return the sentences of the user's notices, oldest first."""
    found = practice.do(inbox.list_notices, user, unread_only=unread_only, limit=100)
    return [event_sentences.sentence(one.event) for one in reversed(found)]


def kinds(practice: GivenPractice, user: Actor) -> list[EventKind]:
    return [one.event.kind for one in reversed(practice.do(inbox.list_notices, user, limit=100))]


def mails(practice: GivenPractice) -> int:
    with practice.sessions() as session:
        return len(session.scalars(select(OutboxMessage).where(OutboxMessage.notice_id.is_not(None))).all())


def test_the_requester_gets_one_notice_when_the_job_completes(practice: GivenPractice, approver: Actor) -> None:
    practice.claims(3)
    practice.settle()
    practice.run()  # a worker that comes late finds nothing to complete
    sweep.sweep(practice.sessions, now=NOW)

    assert words(practice, practice.biller) == ["Job 1 completed: 3 claims settled, 0 skipped, 0 failed"]
    assert words(practice, approver) == []
    assert mails(practice) == 1


def test_a_job_that_completes_with_failures_says_how_many_and_a_retry_gives_a_second_notice(
    practice: GivenPractice,
) -> None:
    practice.claims(3)
    job = practice.confirmed()
    practice.run_while_locked("C00002")
    assert words(practice, practice.biller) == ["Job 1 completed: 2 claims settled, 0 skipped, 1 failed"]

    practice.act(commands.retry_failed, job)
    practice.run()

    assert words(practice, practice.biller)[1:] == ["Job 1 completed: 3 claims settled, 0 skipped, 0 failed"]


def test_a_job_that_halts_gives_its_requester_a_notice(practice: GivenPractice) -> None:
    practice.claims(3)
    practice.sql("UPDATE practice SET failure_claims_min = 1, failures_alike_max = 2")
    practice.refuse_to_settle("C00001", "C00002", "C00003")
    practice.settle(chunk_claims=1)

    assert kinds(practice, practice.biller) == [EventKind.HALTED]
    assert words(practice, practice.biller)[0].startswith("Job 1 halted (")
    (notice,) = practice.do(inbox.list_notices, practice.biller, limit=9)
    assert (notice.notice.kind, notice.notice.job_id) == (NoticeKind.HALTED, 1)


def test_every_user_who_may_approve_gets_a_notice_and_no_other_user(practice: GivenPractice, approver: Actor) -> None:
    admin, ops = practice.person("admin@x.example", Role.ADMIN), practice.person("ops@x.example", Role.OPS)
    left = practice.person("left@x.example", Role.APPROVER)
    practice.sql("UPDATE app_user SET active = false WHERE id = :id", id=left.user_id)
    practice.claims(2)
    practice.limit(job=1)
    practice.confirmed(by=admin)

    assert words(practice, approver) == ["Job 1 needs approval: 2 claims of 2 will be settled"]
    assert [kinds(practice, user) for user in (admin, practice.biller, ops, left)] == [[], [], [], []]


def test_a_decision_resolves_the_notices_of_the_other_approvers_and_drops_their_unsent_mail(
    practice: GivenPractice, approver: Actor
) -> None:
    other = practice.person("other@x.example", Role.APPROVER)
    practice.claims(2)
    practice.limit(job=1)
    job = practice.confirmed()
    assert mails(practice) == 2

    practice.reject(job, by=approver)

    assert words(practice, other, unread_only=True) == []
    assert len(words(practice, other)) == 1
    assert kinds(practice, practice.biller) == [EventKind.REJECTED]
    assert mails(practice) == 1, "only the requester's"


def test_a_preview_that_expires_soon_gives_one_notice_and_a_confirmed_one_none(practice: GivenPractice) -> None:
    practice.claims(2)
    practice.preview({"claim_ids": ["C00001"]}, key="waits")
    confirmed = practice.preview({"claim_ids": ["C00002"]}, key="confirmed")
    practice.confirm(confirmed)

    sweep.sweep(practice.sessions, now=NOW + dt.timedelta(minutes=44))
    assert kinds(practice, practice.biller) == []
    for _ in range(2):
        sweep.sweep(practice.sessions, now=SOON)

    assert words(practice, practice.biller) == [
        "Job 1 expires in 15 minutes unless it is confirmed: 1 claim of 1 will be settled"
    ]
    sweep.sweep(practice.sessions, now=NOW + dt.timedelta(hours=2))
    assert words(practice, practice.biller, unread_only=True) == ["Job 1 expired: 1 claim of 1 will be settled"]


def test_an_approval_that_expires_soon_gives_the_requester_and_the_approvers_a_notice(
    practice: GivenPractice, approver: Actor
) -> None:
    practice.claims(2)
    practice.limit(job=1)
    practice.confirmed()

    for _ in range(2):
        sweep.sweep(practice.sessions, now=NOW + dt.timedelta(days=6))

    assert kinds(practice, practice.biller) == [EventKind.APPROVAL_EXPIRES]
    assert kinds(practice, approver) == [EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_EXPIRES]


def test_a_preview_that_its_requester_discards_gives_no_notice(practice: GivenPractice) -> None:
    practice.claims(1)
    practice.act(commands.discard, practice.preview())

    assert kinds(practice, practice.biller) == []


def test_an_event_that_is_rolled_back_leaves_no_notice(practice: GivenPractice) -> None:
    practice.claims(1)
    job = practice.preview()
    with practice.sessions() as session:
        commands.confirm(session, job, confirmation="CONFIRM", by=practice.biller, now=NOW)
        session.rollback()

    with practice.sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM event")) == 0


def test_a_user_who_turned_off_mail_for_a_kind_gets_only_the_notice(practice: GivenPractice) -> None:
    practice.claims(1)
    practice.act(inbox.choose_mail, [kind for kind in NoticeKind if kind is not NoticeKind.ENDED])
    practice.settle()

    assert (len(words(practice, practice.biller)), mails(practice)) == (1, 0)
    practice.act(inbox.choose_mail, list(NoticeKind))
    assert practice.do(inbox.kinds_by_mail, practice.biller) == list(NoticeKind)


@pytest.fixture
def two_notices(practice: GivenPractice) -> GivenPractice:
    practice.claims(2)
    for number in ("C00001", "C00002"):
        practice.settle({"claim_ids": [number]}, key=number)
    return practice


def test_marking_all_read_leaves_a_notice_that_the_user_has_not_seen(two_notices: GivenPractice) -> None:
    oldest = two_notices.do(inbox.list_notices, two_notices.biller, limit=2)[1].notice.id

    assert two_notices.act(inbox.mark_all_read, through=oldest) == 1

    assert two_notices.do(inbox.unread, two_notices.biller, limit=5).total == 1
    two_notices.act(inbox.mark, oldest, is_read=False)
    assert two_notices.do(inbox.unread, two_notices.biller, limit=5).total == 2


def test_a_notice_of_another_user_cannot_be_marked(two_notices: GivenPractice, approver: Actor) -> None:
    notice = two_notices.do(inbox.list_notices, two_notices.biller, limit=1)[0].notice

    with pytest.raises(NotFound):
        two_notices.act(inbox.mark, notice.id, is_read=True, by=approver)


def test_the_poll_of_open_pages_is_one_query_by_the_index_of_unread_notices(two_notices: GivenPractice) -> None:
    asked: list[str] = []
    with two_notices.sessions() as session:
        engine = session.get_bind()
        sqlalchemy_event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
        inbox.unread(session, two_notices.biller, limit=5)
        assert len(asked) == 1
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "SELECT 1 FROM notice WHERE practice_id = 1 AND user_id = 1 AND read_at IS NULL ORDER BY id DESC LIMIT 5"
        assert "ix_notice_unread" in "".join(session.scalars(text(f"EXPLAIN {plan}")))


def test_the_cost_in_settling_does_not_grow_with_the_claims(practice: GivenPractice) -> None:
    practice.claims(40)
    job: JobKey = practice.settle(chunk_claims=1)

    with practice.sessions() as session:
        events = session.scalars(text("SELECT kind FROM event WHERE job_id = :job ORDER BY id"), {"job": job.job_id})
        assert events.all() == ["job.confirmed", "job.completed", "postings.written"]
