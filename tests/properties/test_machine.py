"""Any act in any order: the books are right after each step, and crashes change nothing in the ledger."""

import datetime as dt
import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import and_, func, select

from core import calendar_months
from core.access import user_management
from core.books import closing
from core.books.invariants import violations
from core.claims.holds import set_hold
from core.db.engine import Sessions, make_sessions, transaction
from core.enums.claims import Hold
from core.enums.jobs import JobStatus
from core.enums.ledger import PostingKind
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.errors import Refusal
from core.intake.csv.postings_import import import_postings
from core.jobs import commands
from core.jobs.execution import chunks, engine, settle_chunk, sweep
from core.jobs.keys import JobKey
from core.ledger import credit_moves, entries, manual_postings, voids, write_offs
from core.models.claims import Claim
from core.models.ledger import Posting
from core.money import UNLIMITED, format_plain_amount
from core.practices import exclusions, limits, write_off_setting
from core.practices.periods import PeriodClosed
from tests import repeats
from tests.factories import NOW, GivenPractice, Line, a_practice
from tests.properties import expected_balances
from tests.servers import Databases
from tests.shared_app import engine_on

CLAIMS = 8
# each example checks every invariant after each of its steps
EXAMPLES = repeats.rounds(5)
STEPS = 25

_names = itertools.count(1)
_amounts = st.integers(min_value=-300, max_value=500)
_limits = st.one_of(st.just(UNLIMITED), st.integers(min_value=0, max_value=3_000))


Moved = tuple[int, int, str, int, int]  # claim, line, responsibility, cents, days ago
_moved = st.tuples(
    st.integers(0, CLAIMS - 1), st.integers(1, 2), st.sampled_from(expected_balances.SIDES), st.integers(1, 400),
    st.sampled_from([0, 3, 40, 190]),
)  # fmt: skip
HEAD = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"


def _settle_without_commit(sessions: Sessions, chunk: chunks.Chunk, now: dt.datetime) -> None:
    """Apply the whole effect of the chunk without a commit."""
    with sessions() as session:
        settle_chunk.settle(session, chunk, now=now)
        session.rollback()


class Practice(RuleBasedStateMachine):
    """A practice in which users, imports, workers and accidents take turns."""

    sessions: Sessions  # set by the test

    @initialize(dues=st.lists(st.tuples(_amounts, _amounts), min_size=CLAIMS, max_size=CLAIMS))
    def open_practice(self, dues: list[tuple[int, int]]) -> None:
        self.now = NOW
        self.name = f"practice{next(_names)}"
        self.given: GivenPractice = a_practice(self.sessions, name=self.name)
        self.admin = self.given.person(f"admin@{self.given.id}.example", Role.ADMIN)
        self.numbers = [self.given.claim(str(n), Line(*due), Line(due[1], 0)) for n, due in enumerate(dues)]
        self.approver = self.given.person(f"approver@{self.given.id}.example", Role.APPROVER)
        self.jobs: list[JobKey] = []
        self.keys = itertools.count(1)
        self.folder = Path(tempfile.mkdtemp())

    @rule(
        chunk_claims=st.integers(1, 5), reason=st.sampled_from(["small_balance", "administrative"]),
        days_ago=st.sampled_from([0, 0, 3, 40]),
    )  # fmt: skip
    def confirm_a_job(self, chunk_claims: int, reason: str, days_ago: int) -> None:
        """Confirm a job, dated today, earlier, or on the next open date."""
        request = {"chunk_claims": chunk_claims, "reason": reason, "key": f"k{next(self.keys)}", "now": self.now}
        try:
            job = self.given.preview(**request, posting_date=str(self.now.date() - dt.timedelta(days=days_ago)))
        except PeriodClosed as refused:
            job = self.given.preview(**request, posting_date=refused.facts["next_open_date"])
        self.given.confirm(job, now=self.now)
        self.jobs.append(job)

    @rule(chunk_claims=st.integers(1, 5), status=st.sampled_from(["Internal Review", "Balance Due"]))
    def change_only_the_status(self, chunk_claims: int, status: str) -> None:
        """Change only the status. This posts nothing, so no closed month blocks it or its reversal."""
        request = {"chunk_claims": chunk_claims, "target_status": status, "reason": None, "key": f"k{next(self.keys)}"}
        job = self.given.preview(now=self.now, **request)
        self.given.confirm(job, now=self.now)
        self.jobs.append(job)

    @rule(claim=_limits, job=_limits, own=_limits)
    def set_the_limits(self, claim: int, job: int, own: int) -> None:
        def set_limits(session: Any) -> None:
            limits.set_write_off_limits(session, by=self.admin, claim_cents=claim, job_cents=job, now=self.now)
            user_management.set_limits(
                session, self.given.biller.user_id, claim_cents=UNLIMITED, job_cents=own, by=self.admin, now=self.now
            )

        self._try(set_limits)

    @precondition(lambda self: self.jobs)
    @rule(pick=st.integers(0, 50), approver=st.booleans(), approves=st.booleans())
    def approve_or_reject_a_job(self, pick: int, approver: bool, approves: bool) -> None:
        by = self.approver if approver else self.admin

        def decide(session: Any) -> None:
            if approves:
                commands.approve(session, self._job(pick), confirmation="CONFIRM", by=by, now=self.now)
            else:
                commands.reject(session, self._job(pick), reason="Not these", by=by, now=self.now)

        self._try(decide)

    @rule(role=st.sampled_from([Role.APPROVER, Role.BILLER]), active=st.booleans())
    def change_the_approvers_role_and_account(self, role: Role, active: bool) -> None:
        def change(session: Any) -> None:
            user_id = self.approver.user_id
            user_management.change_role(session, user_id, role, by=self.admin, now=self.now)
            (user_management.reactivate if active else user_management.deactivate)(
                session, user_id, by=self.admin, now=self.now
            )

        self._try(change)

    @precondition(lambda self: self.jobs)
    @rule(pick=st.integers(0, 50), act=st.sampled_from(["pause", "resume", "cancel", "retry_failed", "discard"]))
    def control_a_job(self, pick: int, act: str) -> None:
        self._try(lambda session: getattr(commands, act)(session, self._job(pick), by=self.admin, now=self.now))

    @precondition(lambda self: self.jobs)
    @rule(pick=st.integers(0, 50), chunk_claims=st.integers(1, 5))
    def reverse_a_job(self, pick: int, chunk_claims: int) -> None:
        def reverse(session: Any) -> None:
            made = commands.request_reversal(
                session, self._job(pick), claim_ids=None, by=self.admin,
                idempotency_key=f"k{next(self.keys)}", note="Wrong list", now=self.now, chunk_claims=chunk_claims,
            )  # fmt: skip
            commands.confirm(
                session, JobKey(made.practice_id, made.id), confirmation="CONFIRM", by=self.admin, now=self.now
            )
            self.jobs.append(JobKey(made.practice_id, made.id))

        self._try(reverse)

    @rule(kind=st.sampled_from(["payment", "adjustment", "transfer"]), moved=_moved)
    def post_manually(self, kind: str, moved: Moved) -> None:
        """Post manually. A late posting reverses part of the write-off, and a closed month refuses it."""
        place, cents, day = self._place(moved), moved[3], self._day(moved)
        entry = {"kind": kind, "line": place[1], "responsibility": place[2], "amount_cents": cents, "posted_on": day}
        entry |= {"payment": {"paid_by": "patient"}, "adjustment": {"group_code": "CO", "reason_code": "45"}}.get(
            kind, {}
        )
        self._post(
            lambda session: manual_postings.post(
                session, place[0], entries.parse_entry(entry), by=self.admin,
                idempotency_key=f"k{next(self.keys)}", now=self.now,
            ),
            expected_balances.moves(kind, place, cents),
        )  # fmt: skip

    @rule(
        rows=st.lists(
            st.tuples(st.sampled_from(["payment", "adjustment", "transfer", "refund"]), _moved), min_size=1, max_size=6
        )
    )
    def import_a_file(self, rows: list[tuple[str, Moved]]) -> None:
        """Import a file with several rows for one line and responsibility. One row in a closed month refuses all."""
        written, moves = [HEAD], list[tuple[expected_balances.Place, int]]()
        for kind, moved in rows:
            done = expected_balances.moves(kind, self._place(moved), moved[3])
            moves += done
            paid_by = "patient" if kind in ("payment", "refund") else ""
            codes = "CO,45" if kind == "adjustment" else ","
            written += [
                f"{next(self.keys)},{number},{line},{side},{kind},{format_plain_amount(cents)},{paid_by},{codes},{self._day(moved)}"
                for (number, line, side), cents in done
            ]
        file = self.folder / "postings.csv"
        file.write_text("\n".join([*written, ""]), encoding="utf-8")
        self._post(lambda session: import_postings(session, file, practice_name=self.name, now=self.now), moves)

    @rule(pick=st.integers(0, 50))
    def void_a_posting(self, pick: int) -> None:
        """Void a manual posting, which may have reversed or restored a write-off."""
        legs = self._legs_of_an_entry(pick)
        if legs:
            self._post(
                lambda session: voids.void(
                    session, legs[0][0][0], legs[0][2], entries.Void(note="Mistyped"), by=self.admin,
                    idempotency_key=f"k{next(self.keys)}", now=self.now,
                ),
                [(place, -cents) for place, cents, _ in legs],
            )  # fmt: skip

    def _legs_of_an_entry(self, pick: int) -> list[tuple[expected_balances.Place, int, int]]:
        """Return place, cents and id of the postings of one manual entry that is not voided."""
        of_claim = and_(Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id)
        made = (Posting.practice_id == self.given.id, Posting.source == "entry", Posting.kind != PostingKind.REVERSAL)
        entry = func.split_part(Posting.source_id, ":", 1)
        rows = select(Claim.external_id, Posting, entry).join_from(Posting, Claim, of_claim).order_by(Posting.id)
        by_entry: dict[str, list[tuple[expected_balances.Place, int, int]]] = {}
        with self.sessions() as session:
            for number, leg, key in session.execute(rows.where(*made, ~write_offs.is_reversed())):
                place = (number, leg.line, leg.responsibility.value)
                by_entry.setdefault(key, []).append((place, leg.amount_cents, leg.id))
        return list(by_entry.values())[pick % len(by_entry)] if by_entry else []

    @rule(moved=_moved)
    def refund_a_credit(self, moved: Moved) -> None:
        place, cents = self._place(moved), moved[3]
        asked = {"line": place[1], "responsibility": place[2], "amount_cents": cents, "note": "x", "paid_to": "patient"}
        self._post(
            lambda session: credit_moves.refund(
                session, place[0], entries.Refund.of({**asked, "posted_on": self._day(moved)}), by=self.admin,
                idempotency_key=f"k{next(self.keys)}", now=self.now,
            ),
            [(place, cents)],
        )  # fmt: skip

    @rule(moved=_moved, to=_moved)
    def transfer_a_credit(self, moved: Moved, to: Moved) -> None:
        place, cents, there = self._place(moved), moved[3], self._place(to)
        target = {"claim_id": there[0], "line": there[1], "responsibility": there[2]}
        asked = {"line": place[1], "responsibility": place[2], "amount_cents": cents, "note": "x", "to": target}
        self._post(
            lambda session: credit_moves.transfer(
                session, place[0], entries.CreditTransfer.of(asked), by=self.admin,
                idempotency_key=f"k{next(self.keys)}", now=self.now,
            ),
            [(place, cents), (there, -cents)],
        )  # fmt: skip

    def _post(self, act: Any, moves: list[tuple[expected_balances.Place, int]]) -> None:
        before = expected_balances.read(self.given)
        done = self._try(act)
        assert expected_balances.read(self.given) == (expected_balances.posted(before, moves) if done else before)

    def _place(self, moved: Moved) -> expected_balances.Place:
        return self.numbers[moved[0]], moved[1], moved[2]

    def _day(self, moved: Moved) -> str:
        return str(self.now.date() - dt.timedelta(days=moved[4]))

    @rule(months_ago=st.integers(0, 2))
    def close_a_month(self, months_ago: int) -> None:
        self._try(lambda session: closing.close(session, self._month(months_ago), by=self.admin, now=self.now))

    @rule(months_ago=st.integers(0, 2))
    def reopen_a_month(self, months_ago: int) -> None:
        month = self._month(months_ago)
        self._try(lambda session: closing.reopen(session, month, reason="A late file", by=self.admin, now=self.now))

    @rule()
    def the_month_ends(self) -> None:
        """End the month.

        Jobs confirmed before keep their posting date; later payments and reversals are dated after it.
        """
        first = calendar_months.next_month(calendar_months.month_of(self.now.date()))
        self.now = dt.datetime.combine(first, self.now.timetz())

    def _month(self, months_ago: int) -> dt.date:
        month = calendar_months.month_of(self.now.date())
        for _ in range(months_ago):
            month = calendar_months.month_of(month - dt.timedelta(days=1))
        return month

    @rule(
        pick=st.integers(0, CLAIMS - 1), hold=st.sampled_from([None, *Hold]), days=st.sampled_from([None, -1, 0, 3])
    )  # fmt: skip
    def hold_or_release_a_claim(self, pick: int, hold: Hold | None, days: int | None) -> None:
        until = self.now.date() + dt.timedelta(days=days) if days is not None else None
        self._try(lambda session: set_hold(session, self.numbers[pick], hold, until=until, by=self.admin, now=self.now))

    @rule(patient=st.booleans(), days=st.sampled_from([None, -1, 0, 3]))
    def exclude_the_patient_or_the_payer(self, patient: bool, days: int | None) -> None:
        whom: dict[str, Any] = {"patient" if patient else "payer": "1"}
        until = self.now.date() + dt.timedelta(days=days) if days is not None else None
        self._try(
            lambda session: exclusions.exclude(session, **whom, reason="x", until=until, by=self.admin, now=self.now)
        )

    @rule(number=st.integers(1, 6))
    def end_an_exclusion(self, number: int) -> None:
        self._try(lambda session: exclusions.end(session, number, by=self.admin, now=self.now))

    @rule(setting=st.sampled_from(list(WriteOffSetting)))
    def change_the_setting(self, setting: WriteOffSetting) -> None:
        self._try(
            lambda session: write_off_setting.set_for_practice(
                session, practice_id=self.given.id, setting=setting, by=self.admin, now=self.now
            )
        )

    @rule()
    def a_worker_works(self) -> None:
        self._tick()
        engine.work(self.sessions, worker="worker", clock=self._clock)

    @rule()
    def a_worker_settles_one_chunk(self) -> None:
        chunk = self._take()
        if chunk is not None:
            engine._settle(self.sessions, chunk, clock=self._clock)

    @rule()
    def a_worker_dies_after_taking_a_chunk(self) -> None:
        self._take()

    @rule()
    def the_process_dies_before_the_commit(self) -> None:
        chunk = self._take()
        if chunk is None:
            return
        _settle_without_commit(self.sessions, chunk, self.now)

    @rule()
    def the_answer_to_a_commit_is_lost(self) -> None:
        chunk = self._take()
        if chunk is not None:
            with transaction(self.sessions) as session:
                settle_chunk.settle(session, chunk, now=self.now)  # and nothing that follows a commit is done

    @rule()
    def the_sweep_runs(self) -> None:
        self._tick()
        sweep.sweep(self.sessions, now=self.now)

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "given"):
            return
        with self.sessions() as session:
            assert violations(session, practice_id=self.given.id) == []
        for job in self.jobs:
            self.given.counts(job)  # settled + skipped + failed + remaining = total
            # a month cannot close under an unfinished job
            assert self.given.read_job(job).halted_because != "month_closed"

    def teardown(self) -> None:
        """Check that every job ends by itself or waits for a user."""
        if not hasattr(self, "given"):
            return
        for _ in range(200):
            self._tick()
            if not engine.work(self.sessions, worker="worker", clock=self._clock).chunks:
                sweep.sweep(self.sessions, now=self.now)
                if all(self._has_stopped(job) for job in self.jobs):
                    break
        shutil.rmtree(self.folder)
        assert all(self._has_stopped(job) for job in self.jobs)
        self.the_books_are_right()

    def _has_stopped(self, job: JobKey) -> bool:
        return self.given.progress(job).status in (
            JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.PAUSED, JobStatus.HALTED,
            JobStatus.AWAITING_APPROVAL, JobStatus.REJECTED, JobStatus.DISCARDED, JobStatus.EXPIRED,
        )  # fmt: skip

    def _job(self, pick: int) -> JobKey:
        return self.jobs[pick % len(self.jobs)]

    def _try(self, act: Any) -> bool:
        """Return whether the act was done. A refusal is allowed, and an entry over a limit that waits for approval."""
        try:
            with transaction(self.sessions) as session:
                done = act(session)
        except Refusal:
            return False
        return not (isinstance(done, manual_postings.PostingResult) and done.request is not None)

    def _tick(self) -> None:
        self.now += dt.timedelta(seconds=61)  # longer than every wait

    def _clock(self) -> dt.datetime:
        return self.now

    def _take(self) -> chunks.Chunk | None:
        self._tick()
        with transaction(self.sessions) as session:
            return chunks.take(session, worker="worker", now=self.now)


def test_any_acts_in_any_order_leave_the_books_right(sessions: Sessions) -> None:
    class OfThisDatabase(Practice):
        pass

    OfThisDatabase.sessions = sessions
    run_state_machine_as_test(
        OfThisDatabase,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def _ledger(practice: GivenPractice) -> set[tuple[str, int, str, int]]:
    with practice.sessions() as session:
        of_claim = (Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id)
        rows = session.execute(
            select(Claim.external_id, Posting.line, Posting.responsibility, Posting.amount_cents)
            .join_from(Posting, Claim, of_claim[0] & of_claim[1])
            .where(Posting.practice_id == practice.id, Posting.kind == PostingKind.WRITE_OFF)
        )
        return {(number, line, side.value, cents) for number, line, side, cents in rows}


@pytest.fixture(scope="module")
def one_database(databases: Databases) -> Any:
    """One database for all examples, because each example creates its own practice."""
    with databases.fresh() as url:
        engine_ = engine_on(url)
        yield make_sessions(engine_)
        engine_.dispose()


@settings(max_examples=repeats.times(7), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    chunk_claims=st.integers(1, 12),
    workers=st.integers(1, 3),
    accidents=st.lists(st.sampled_from(["none", "die", "power", "lost answer", "sleep"]), max_size=25),
)
def test_the_ledger_is_the_same_for_any_chunks_workers_and_crashes(
    one_database: Sessions, chunk_claims: int, workers: int, accidents: list[str]
) -> None:
    practice = a_practice(one_database, name=f"ledger{next(_names)}")
    for number in range(12):
        practice.claim(str(number), Line(number * 10, 100 - number), Line(0, number))
    job = practice.confirmed(chunk_claims=chunk_claims)
    now = NOW
    stalled: list[chunks.Chunk] = []

    for turn, accident in enumerate(accidents):
        now += dt.timedelta(seconds=61)
        with transaction(one_database) as session:
            chunk = chunks.take(session, worker=f"worker {turn % workers}", now=now)
        if chunk is not None:
            _meet(one_database, chunk, accident, stalled, now)
    for chunk in stalled:
        engine._settle(one_database, chunk, clock=lambda: now)
    _finish(practice, job, now)

    failed = {number for number in map(str, range(12)) if practice.item(job, number).outcome == "failed"}
    expected = {
        (str(n), line, side, -cents)
        for n in range(12) if str(n) not in failed
        for line, side, cents in ((1, "insurance", n * 10), (1, "patient", 100 - n), (2, "patient", n)) if cents
    }  # fmt: skip
    assert _ledger(practice) == expected
    assert practice.counts(job)["remaining"] == 0


def _meet(
    sessions: Sessions, chunk: chunks.Chunk, accident: str, stalled: list[chunks.Chunk], now: dt.datetime
) -> None:
    match accident:
        case "none":
            engine._settle(sessions, chunk, clock=lambda: now)
        case "power":
            _settle_without_commit(sessions, chunk, now)
        case "lost answer":
            with transaction(sessions) as session:
                settle_chunk.settle(session, chunk, now=now)
        case "sleep":
            stalled.append(chunk)


def _finish(practice: GivenPractice, job: JobKey, now: dt.datetime) -> None:
    for _ in range(100):
        now += dt.timedelta(seconds=61)
        engine.work(practice.sessions, worker="worker", clock=lambda: now)  # noqa: B023  it is called here
        sweep.sweep(practice.sessions, now=now)
        if practice.progress(job).status is JobStatus.COMPLETED:
            return
    raise AssertionError(practice.progress(job))
