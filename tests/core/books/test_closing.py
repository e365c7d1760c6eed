"""Closed months: no user or process can post into a month after its close."""

import datetime as dt
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select, text, update

from core import calendar_months
from core.access import user_management
from core.access.permissions import Actor
from core.books import closing, month_sums
from core.books.closing import FutureMonth, ImportRuns, MonthHasJobs, MonthOpen, ReopenReasonMissing
from core.calendar_months import BadMonth
from core.db.engine import transaction
from core.enums.jobs import JobStatus
from core.enums.people import Role
from core.enums.practices import PeriodState
from core.errors import NotAllowed, Refusal
from core.jobs import commands, posting_month, prepare
from core.ledger import entries, manual_postings
from core.ledger.entries import parse_entry
from core.models.ledger import Posting
from core.models.people import User
from core.models.practices import Period
from core.practices import limits, periods
from core.practices.periods import BadPostingDate, PeriodBusy, PeriodClosed
from tests.at_once import raised_at_once
from tests.factories import NOW, TODAY, GivenPractice, Line

OCTOBER, NOVEMBER, DECEMBER = (dt.date(2026, month, 1) for month in (10, 11, 12))


def close(practice: GivenPractice, admin: Actor, month: dt.date = NOVEMBER, *, now: dt.datetime = NOW) -> closing.Month:
    return practice.do(closing.close, month, by=admin, now=now)


def reopen(practice: GivenPractice, admin: Actor, month: dt.date = NOVEMBER, reason: str = "A late file") -> None:
    practice.act(closing.reopen, month, reason=reason, by=admin)


def pay(practice: GivenPractice, cents: int = 10_00, *, now: dt.datetime = NOW, **entry: Any) -> None:
    practice.post("1", cents, key=f"{cents} {entry}", now=now, **entry)


def close_behind_the_job(practice: GivenPractice, month: dt.date = NOVEMBER) -> None:
    """Close a month that has an unfinished job, which `closing.close` refuses."""
    practice.sql(
        "INSERT INTO period (practice_id, month, state, closed_at, totals, digest) "
        "VALUES (:practice, :month, 'closed', :at, '{}', '') ON CONFLICT (practice_id, month) "
        "DO UPDATE SET state = 'closed', closed_at = :at, totals = '{}', digest = ''",
        practice=practice.id,
        month=month,
        at=NOW,
    )


def test_a_closed_month_keeps_its_totals_and_a_digest_that_any_posting_would_change(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, 100_00))
    pay(practice)
    pay(practice, 5_00, posted_on="2026-11-02")

    month = close(practice, admin)

    assert month.state is PeriodState.CLOSED
    assert month.totals == {"payment": {"patient": {"count": 2, "cents": -15_00}}}
    assert (month.closed_by, len(month.digest or "")) == ("admin", 64)
    assert practice.violations() == []
    first = month.digest
    reopen(practice, admin)
    pay(practice, 1)
    assert close(practice, admin).digest != first
    assert practice.violations() == []


def test_closing_a_month_twice_keeps_the_first_close_even_for_an_empty_month(
    practice: GivenPractice, admin: Actor
) -> None:
    first = close(practice, admin, OCTOBER)
    again = close(practice, admin, OCTOBER, now=NOW + dt.timedelta(days=1))

    assert first == again
    assert (first.totals, first.digest) == ({}, "")
    assert practice.violations() == []


def test_a_payment_into_a_closed_month_is_refused_with_the_next_open_date(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, 100_00))
    close(practice, admin, OCTOBER)

    with pytest.raises(PeriodClosed) as refused:
        pay(practice, posted_on="2026-10-31")
    assert refused.value.facts == {"month": "2026-10", "next_open_date": "2026-11-01"}
    pay(practice)
    close(practice, admin)
    with pytest.raises(PeriodClosed) as refused:
        pay(practice, 7_00)
    assert refused.value.facts["next_open_date"] == "2026-12-01"
    pay(practice, 7_00, posted_on="2026-12-01")
    with pytest.raises(entries.BadEntry, match="2026-12-02 is in the future; the latest date is 2026-12-01"):
        pay(practice, 8_00, posted_on="2026-12-02")

    assert practice.read("1").patient_due == 83_00
    assert practice.violations() == []


def test_a_late_payment_never_posts_into_a_closed_month_either(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.settle()
    close(practice, admin)

    pay(practice, 40_00, posted_on="2026-10-31")

    claim = practice.read("1")
    assert (claim.billing_status, claim.patient_due) == ("Settled", 0)
    with practice.sessions() as session:
        dated = session.execute(text("SELECT kind, posted_on FROM posting WHERE caused_by_id IS NOT NULL ORDER BY id"))
        assert [(kind, str(day)) for kind, day in dated] == [("reversal", "2026-12-01"), ("write_off", "2026-12-01")]
    assert practice.violations() == []


def test_a_month_with_an_unfinished_job_is_not_closed_and_the_refusal_names_it(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, 100_00))
    previewed = practice.preview(key="only previewed")
    job = practice.confirmed()

    with pytest.raises(MonthHasJobs, match=str(job.job_id)) as refused:
        close(practice, admin)

    assert refused.value.facts["job_ids"] == [str(job.job_id)]
    practice.run()
    assert close(practice, admin).totals == {"write_off": {"patient": {"count": 1, "cents": -100_00}}}
    with pytest.raises(PeriodClosed):
        practice.confirm(previewed)
    assert practice.violations() == []


def test_a_preview_in_a_closed_month_is_refused_but_may_use_the_next_open_date(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, 100_00))
    close(practice, admin)

    with pytest.raises(PeriodClosed) as refused:
        practice.preview()
    for day in ("2026-12-02", "2027-01-01"):
        with pytest.raises(BadPostingDate, match=r"is in the future\. The latest is 2026-12-01"):
            practice.preview(posting_date=day)
    job = practice.settle(posting_date=refused.value.facts["next_open_date"], key="dated")

    with practice.sessions() as session:
        assert session.scalar(text("SELECT posted_on FROM posting WHERE kind = 'write_off'")) == DECEMBER
    assert practice.counts(job)["settled"] == 1
    assert practice.violations() == []


@pytest.mark.parametrize(
    ("closed", "refused", "offered"),
    [
        (["2026-10"], "2026-10-31", "2026-11-01"),
        (["2026-09"], "2026-09-15", "2026-10-01"),
        (["2026-08", "2026-09"], "2026-08-15", "2026-10-01"),
        (["2026-08", "2026-10"], "2026-08-15", "2026-09-01"),  # September was reopened
        (["2026-08", "2026-10"], "2026-10-15", "2026-11-01"),
        (["2025-12"], "2025-12-31", "2026-01-01"),
        (["2026-11"], "2026-11-23", "2026-12-01"),
        (["2026-10", "2026-11"], "2026-10-15", "2026-12-01"),
    ],
)
def test_a_refused_date_is_offered_the_first_open_day_after_it_and_a_job_may_use_that(
    practice: GivenPractice, admin: Actor, closed: list[str], refused: str, offered: str
) -> None:
    practice.claim("1", Line(0, 100_00))
    waiting = practice.preview(posting_date=refused, key="waiting")
    for month in closed:
        close(practice, admin, calendar_months.parse_month(month))

    with practice.sessions() as session:
        with pytest.raises(PeriodClosed, match=f"{offered[5:7]}/01/{offered[:4]}") as of_entry:
            periods.lock_open(session, practice.id, [dt.date.fromisoformat(refused)])
        assert str(posting_month.next_open_date_if_closed(session, practice.read_job(waiting))) == offered
    with pytest.raises(PeriodClosed) as of_job:
        practice.preview(posting_date=refused, key="refused")
    assert of_entry.value.facts["next_open_date"] == of_job.value.facts["next_open_date"] == offered
    assert str(practice.read_job(practice.preview(posting_date=offered)).posting_date) == offered
    if "2026-11" not in closed:
        assert practice.read_job(practice.preview(key="today")).posting_date == TODAY


def test_a_job_previewed_by_a_worker_keeps_the_requested_posting_date(
    practice: GivenPractice, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.claim("1", Line(0, 100_00))
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 0)
    default = practice.preview(key="default")
    earlier = practice.preview(posting_date="2026-11-02", key="earlier")
    close(practice, admin)
    with_date = practice.preview(posting_date="2026-12-01", key="with_date")

    for job in (with_date, earlier, default):
        with transaction(practice.sessions) as session:
            assert prepare.prepare(session, job, now=NOW + dt.timedelta(days=1))

    assert str(practice.read_job(with_date).posting_date) == "2026-12-01"
    assert str(practice.read_job(earlier).posting_date) == "2026-11-02"
    assert practice.read_job(default).posting_date == TODAY, "the day of the request"


def test_in_an_open_month_a_job_is_dated_no_later_than_today(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100_00))

    with pytest.raises(BadPostingDate):
        practice.preview(posting_date="2026-12-01")
    assert practice.preview(posting_date="2026-11-23").job_id


def test_repeating_a_request_after_the_close_returns_the_same_job(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.preview()
    close(practice, admin)

    assert practice.preview() == job


def test_a_status_change_posts_nothing_and_ignores_closed_months(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    close(practice, admin)

    job = practice.settle(target_status="Internal Review", reason=None)
    assert practice.read("1").billing_status == "Internal Review"
    reversal = practice.reverse(job, by=admin)
    practice.run()

    assert practice.progress(reversal).status is JobStatus.COMPLETED
    assert practice.read("1").billing_status == "Balance Due"
    assert practice.violations() == []


def test_a_reversal_of_a_status_change_keeps_no_month_open(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    reversal = practice.reverse(practice.settle(target_status="Internal Review", reason=None), by=admin)

    assert close(practice, admin).state is PeriodState.CLOSED
    practice.run()
    assert practice.progress(reversal).status is JobStatus.COMPLETED


def test_a_reversal_of_write_offs_keeps_its_month_open_until_it_ends(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    reversal = practice.reverse(practice.settle(), by=admin)

    with pytest.raises(MonthHasJobs, match=f"job {reversal.job_id} would post to November 2026"):
        close(practice, admin)
    practice.run()
    assert close(practice, admin).state is PeriodState.CLOSED


ACTS: dict[str, tuple[JobStatus, Callable[..., Any]]] = {
    "resume a paused job": (JobStatus.PAUSED, commands.resume),
    "resume a halted job": (JobStatus.HALTED, commands.resume),
    "be retried": (JobStatus.COMPLETED, commands.retry_failed),
}


@pytest.mark.parametrize("act", ACTS)
def test_resuming_or_retrying_a_job_checks_again_that_its_month_is_open(
    practice: GivenPractice, admin: Actor, act: str
) -> None:
    status, command = ACTS[act]
    practice.claim("1", Line(0, 100_00))
    job = practice.confirmed()
    practice.sql("UPDATE settle_job SET status = :status", status=status.value)
    close_behind_the_job(practice)

    with pytest.raises(PeriodClosed), transaction(practice.sessions) as session:
        command(session, job, by=admin, now=NOW)


def test_an_approval_after_the_month_was_closed_is_refused(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.sql("UPDATE practice SET job_limit_cents = 1")
    job = practice.preview()
    assert practice.confirm(job).status is JobStatus.AWAITING_APPROVAL
    with pytest.raises(MonthHasJobs):
        close(practice, admin)
    close_behind_the_job(practice)

    with pytest.raises(PeriodClosed), transaction(practice.sessions) as session:
        commands.approve(session, job, confirmation="CONFIRM", by=admin, now=NOW)
    assert practice.progress(job).status is JobStatus.AWAITING_APPROVAL


def test_a_month_closed_under_a_running_job_halts_it_and_nothing_is_posted(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claims(6)
    job = practice.confirmed(chunk_claims=2)
    close_behind_the_job(practice)

    practice.run()

    progress = practice.progress(job)
    assert (progress.status, progress.remaining, progress.failed) == (JobStatus.HALTED, 6, 0)
    reopen(practice, admin)
    practice.act(commands.resume, job, by=admin)
    practice.run(now=NOW + dt.timedelta(minutes=1))
    assert practice.counts(job)["settled"] == 6
    assert practice.violations() == []


def test_a_close_waits_for_an_unfinished_posting_and_later_postings_are_refused(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, 100_00))
    outcomes: list[Any] = []
    poster = practice.sessions()
    given = {"kind": "payment", "line": 1, "responsibility": "patient", "paid_by": "patient", "amount_cents": 10_00}
    manual_postings.post(poster, "1", parse_entry(given), by=practice.biller, idempotency_key="held", now=NOW)
    closer = threading.Thread(target=lambda: outcomes.append(close(practice, admin).totals))
    closer.start()
    while not _waits_for_a_lock(practice):
        assert outcomes == [], "it did not wait"
    poster.commit()
    poster.close()
    closer.join()

    assert outcomes == [{"payment": {"patient": {"count": 1, "cents": -10_00}}}]
    with pytest.raises(PeriodClosed):
        pay(practice)
    assert practice.violations() == []


def test_a_late_payment_in_an_open_month_succeeds_while_its_write_offs_month_closes(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, 100_00))
    practice.settle()
    paid: list[str] = []
    closer = practice.sessions()
    closing.close(closer, NOVEMBER, by=admin, now=NOW)

    def pays() -> None:
        pay(practice, posted_on="2026-10-15")
        paid.append("without a refusal")

    payer = threading.Thread(target=pays)
    payer.start()
    while not _waits_for_a_lock(practice):
        assert payer.is_alive(), "it did not wait"
    closer.commit()
    closer.close()
    payer.join()

    assert paid == ["without a refusal"]
    with practice.sessions() as session:
        dates = session.execute(
            select(Posting.kind, Posting.posted_on).where(Posting.posted_on > dt.date(2026, 10, 1)).order_by(Posting.id)
        ).all()
    assert dates == [
        ("write_off", dt.date(2026, 11, 23)), ("payment", dt.date(2026, 10, 15)),
        ("reversal", DECEMBER), ("write_off", DECEMBER),
    ]  # fmt: skip
    assert practice.violations() == []


def _waits_for_a_lock(practice: GivenPractice) -> bool:
    with practice.sessions() as session:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(session.scalar(text(waiting)))


@pytest.mark.usefixtures("short_lock_waits")
def test_a_month_locked_by_a_long_posting_is_busy(practice: GivenPractice, admin: Actor) -> None:
    with practice.sessions() as poster, poster.begin():
        periods.lock_open(poster, practice.id, [NOVEMBER])
        with pytest.raises(PeriodBusy):
            close(practice, admin)


def test_no_month_closes_while_an_import_is_running(practice: GivenPractice, admin: Actor) -> None:
    with practice.sessions() as importer, importer.begin():
        importer.execute(text(f"SELECT pg_advisory_xact_lock({closing.IMPORT_LOCK + practice.id})"))
        with pytest.raises(ImportRuns):
            close(practice, admin)
    close(practice, admin)


def test_concurrent_payments_jobs_and_closes_never_change_a_closed_month(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    numbers = practice.claims(20, insurance=0, patient=50_00)
    job = practice.confirmed({"claim_ids": numbers}, chunk_claims=2)
    stop = threading.Event()

    def payments() -> None:
        cents = 0
        while not stop.is_set():
            cents += 1
            with suppress(Refusal):
                pay(practice, cents)

    def closes() -> None:
        while not stop.is_set():
            with suppress(Refusal):
                close(practice, admin)
                reopen(practice, admin)

    threads = [threading.Thread(target=target) for target in (payments, closes)]
    for thread in threads:
        thread.start()
    practice.run()
    stop.set()
    for thread in threads:
        thread.join()
    close(practice, admin)

    assert practice.counts(job)["settled"] == 20
    assert practice.violations() == []


def test_reopening_requires_a_reason_and_is_audited(practice: GivenPractice, admin: Actor) -> None:
    close(practice, admin)
    for reason in ("", "  ", "x" * 501, "a\x00b"):
        with pytest.raises(ReopenReasonMissing):
            reopen(practice, admin, reason=reason)

    reopen(practice, admin, reason="A late file")

    with practice.sessions() as session:
        month = closing.find(session, practice.id, NOVEMBER)
        acts = session.execute(text("SELECT act, subject, facts FROM audit_entry WHERE act LIKE 'month.%' ORDER BY id"))
        acts_without_the_reason = [(act, subject) for act, subject, facts in acts if "late file" not in str(facts)]
    assert (month.state, month.reopened_by, month.reopened_because) == (PeriodState.OPEN, "admin", "A late file")
    assert acts_without_the_reason == [("month.closed", "month:2026-11"), ("month.reopened", "month:2026-11")]
    with pytest.raises(MonthOpen):
        reopen(practice, admin)


def test_every_close_and_reopening_is_kept_with_its_totals_and_reason(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    close(practice, admin)
    reopen(practice, admin, reason="First file")
    pay(practice)
    close(practice, admin)
    reopen(practice, admin, reason="Second file")

    newest_first = practice.do(closing.find, practice.id, NOVEMBER).history

    history = [(act.state, act.by, act.reason, calendar_months.posting_count(act.totals)) for act in newest_first]
    assert history == [
        (PeriodState.OPEN, "admin", "Second file", 1), (PeriodState.CLOSED, "admin", "", 1),
        (PeriodState.OPEN, "admin", "First file", 0), (PeriodState.CLOSED, "admin", "", 0),
    ]  # fmt: skip
    assert [bool(act.digest) for act in newest_first] == [True, True, False, False]
    assert practice.violations() == []


def test_a_month_reopened_behind_the_audit_and_closed_with_more_in_it_is_detected(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, 100_00))
    close(practice, admin)
    practice.sql("UPDATE period SET state = 'open'")
    assert [violation.invariant for violation in practice.violations()] == ["a_month_is_as_the_audit_says"]
    pay(practice, now=NOW + dt.timedelta(hours=1))
    with transaction(practice.sessions) as session:
        sums = month_sums.for_month(session, practice.id, NOVEMBER, DECEMBER)
        period = session.get_one(Period, (practice.id, NOVEMBER))
        period.state, period.closed_at = PeriodState.CLOSED, NOW + dt.timedelta(hours=2)
        period.totals, period.digest = sums.totals, sums.digest

    assert [violation.invariant for violation in practice.violations()] == ["a_month_is_as_the_audit_says"]


@pytest.mark.parametrize("change", [{"active": False}, {"role": Role.BILLER}])
def test_a_user_who_lost_the_role_cannot_close_reopen_set_limits_or_add_users(
    practice: GivenPractice, admin: Actor, change: dict[str, Any]
) -> None:
    close(practice, admin, OCTOBER)
    with transaction(practice.sessions) as session:
        session.execute(update(User).where(User.id == admin.user_id).values(**change))
    acts: list[Callable[[Any], Any]] = [
        lambda session: closing.close(session, NOVEMBER, by=admin, now=NOW),
        lambda session: closing.reopen(session, OCTOBER, reason="x", by=admin, now=NOW),
        lambda session: limits.set_write_off_limits(session, by=admin, claim_cents=1, now=NOW),
        lambda session: user_management.add(
            session, email="x@y.example", name="X", role=Role.ADMIN, claim_cents=1, job_cents=1, by_mail=False,
            by=admin, now=NOW,
        ),
    ]  # fmt: skip

    for act in acts:
        with pytest.raises(NotAllowed), transaction(practice.sessions) as session:
            act(session)


def test_only_an_administrator_closes_a_month_and_only_one_that_has_begun(
    practice: GivenPractice, admin: Actor
) -> None:
    for who in (practice.biller, practice.person("approver@lakeside.example", Role.APPROVER)):
        with pytest.raises(NotAllowed):
            close(practice, who)
    with pytest.raises(FutureMonth):
        close(practice, admin, DECEMBER)


def test_a_month_starts_and_ends_by_the_practices_clock_even_when_clocks_change(
    practice: GivenPractice, admin: Actor
) -> None:
    """In Havana the first hour of November 1, 2026 occurs twice."""
    practice.sql("UPDATE practice SET time_zone = 'America/Havana'")
    practice.claim("1", Line(0, 100_00))
    before = dt.datetime(2026, 11, 1, 3, 59, 59, tzinfo=dt.UTC)  # 11:59:59 PM of October 31
    twice = [dt.datetime(2026, 11, 1, hour, 30, tzinfo=dt.UTC) for hour in (4, 5)]  # 12:30 AM, twice

    with pytest.raises(FutureMonth):
        close(practice, admin, NOVEMBER, now=before)
    pay(practice, 1, now=before)
    close(practice, admin, OCTOBER, now=twice[0])
    with pytest.raises(PeriodClosed):
        pay(practice, 2, now=before)
    for cents, moment in enumerate(twice, start=3):
        pay(practice, cents, now=moment)

    with practice.sessions() as session:
        rows = session.execute(text("SELECT amount_cents, posted_on FROM posting WHERE kind = 'payment' ORDER BY id"))
        assert [(cents, str(day)) for cents, day in rows] == [
            (-1, "2026-10-31"),
            (-3, "2026-11-01"),
            (-4, "2026-11-01"),
        ]
    assert practice.violations() == []


def test_a_reversal_in_a_closed_month_can_use_the_next_open_date(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))
    job = practice.settle()
    close(practice, admin)

    with pytest.raises(PeriodClosed):
        practice.reverse(job, by=admin)
    practice.reverse(job, by=admin, posting_date=DECEMBER)
    practice.run()

    assert practice.read("1").patient_due == 100_00
    assert practice.violations() == []


def test_months_are_listed_from_the_first_date_of_service_to_today(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 100_00))  # served on 05/07/2026
    close(practice, admin, dt.date(2025, 1, 1))

    found = practice.do(closing.list_months, practice.id, now=NOW)

    names = [calendar_months.format_code(month.month) for month in found]
    assert names == ["2026-11", "2026-10", "2026-09", "2026-08", "2026-07", "2026-06", "2026-05", "2025-01"]
    assert [month.state.value for month in found[-2:]] == ["open", "closed"]


def test_earlier_open_months_are_those_from_the_first_date_of_service_that_are_not_closed(
    practice: GivenPractice, admin: Actor
) -> None:
    assert practice.do(closing.earlier_open_months, practice.id, NOVEMBER) == []
    practice.claim("1", Line(0, 100_00))  # served on 05/07/2026
    for month in (dt.date(2025, 1, 1), dt.date(2025, 2, 1), dt.date(2026, 5, 1), dt.date(2026, 7, 1), OCTOBER):
        close(practice, admin, month)
    reopen(practice, admin, dt.date(2025, 2, 1))

    found = practice.do(closing.earlier_open_months, practice.id, OCTOBER)

    assert [calendar_months.format_code(month) for month in found] == ["2025-02", "2026-06", "2026-08", "2026-09"]
    assert practice.do(closing.earlier_open_months, practice.id, dt.date(2026, 5, 1)) == [dt.date(2025, 2, 1)]


def test_open_months_have_the_totals_that_closing_them_would_store(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(20_00, 100_00))
    pay(practice, 5_00, posted_on="2026-10-01")
    pay(practice, 7_00, posted_on="2026-10-31")
    close(practice, admin, OCTOBER)
    pay(practice, 10_00)
    practice.settle()

    listed = practice.do(closing.list_months, practice.id, now=NOW)
    found = {month.month: month for month in practice.do(closing.with_current_totals, practice.id, listed)}

    assert found[OCTOBER].current_totals is None
    assert found[OCTOBER].shown_totals == {"payment": {"patient": {"count": 2, "cents": -12_00}}}
    assert found[NOVEMBER].shown_totals is found[NOVEMBER].current_totals
    assert found[NOVEMBER].current_totals == close(practice, admin).totals
    assert calendar_months.posting_count(found[NOVEMBER].current_totals) == 3
    assert found[dt.date(2026, 9, 1)].current_totals == {}


@pytest.mark.parametrize(
    "name", ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-11-01", "1899-12", "２０２６-11"]
)
def test_a_month_has_one_valid_format(name: str) -> None:
    with pytest.raises(BadMonth):
        calendar_months.parse_month(name)


def test_a_confirm_racing_a_close_leaves_no_unfinished_job_in_a_closed_month(
    practice: GivenPractice, admin: Actor
) -> None:
    for round_ in range(10):
        (number,) = practice.claims(1, first=1 + round_)
        job = practice.preview({"claim_ids": [number]}, key=f"round {round_}")

        raised = raised_at_once(lambda: practice.confirm(job), lambda: close(practice, admin))  # noqa: B023

        assert all(isinstance(error, Refusal) for error in raised)
        with practice.sessions() as session:
            is_closed = closing.find(session, practice.id, NOVEMBER).state is PeriodState.CLOSED
            assert not (is_closed and closing.unfinished_jobs(session, practice.id, NOVEMBER))
        practice.run()
        if is_closed:
            reopen(practice, admin)
    assert practice.violations() == []
