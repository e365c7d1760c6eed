"""A practice under soak: a job always runs while its users post, hold, close months and reverse."""

import datetime as dt
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.books import closing
from core.calendar_months import month_of
from core.claims.holds import set_hold
from core.db.engine import transaction
from core.db.transient import is_transient
from core.enums.claims import Hold
from core.enums.jobs import FINAL_STATUSES, JobStatus
from core.enums.people import Role
from core.errors import Refusal
from core.jobs import commands
from core.jobs.keys import JobKey
from core.jobs.preview.job_request import JobRequest
from core.ledger import entries, manual_postings
from core.models.jobs import SettleJob
from core.practices.periods import PeriodClosed
from tests.acceptance.product import Product, utc_now

CLAIMS = 1_000
JOB_CLAIMS_MAX = 400
CHUNK_CLAIMS = 10
JOB_SECONDS = 600  # a job ends within this time, even if every accident happens to it

REVERSED_SHARE = 0.5  # share of the ended jobs

_WAITING_FOR_A_USER = (JobStatus.PAUSED, JobStatus.HALTED)


class Clinic:
    """One practice, its users, and its running job."""

    def __init__(self, product: Product, survived: Counter[str]) -> None:
        """Create the practice with its claims."""
        self._product = product
        self.survived = survived
        self.given = product.practice(claims=CLAIMS)
        self._numbers = [f"C{number:05d}" for number in range(1, CLAIMS + 1)]
        self._admin = self.given.person(f"admin@{self.given.id}.example", Role.ADMIN)
        self._keys = (f"soak-{number}" for number in itertools.count(1))
        self._must_end_by: dict[JobKey, float] = {}  # for each unfinished job seen so far
        self._acts: dict[str, Callable[[Session], None]] = {
            "payments posted": self._pay,
            "claims held or released": self._hold_or_release,
            "months closed": self._close_the_month,
            "months reopened": self._reopen_the_month,
            "jobs paused": lambda session: self._control(session, commands.pause),
            "jobs resumed": lambda session: self._control(session, commands.resume),
            "jobs canceled": lambda session: self._control(session, commands.cancel),
            "jobs retried": lambda session: self._control(session, commands.retry_failed),
        }

    def act(self) -> list[JobKey]:
        """Do one thing that users do, and keep a job running. Return the jobs that need a hint."""
        self._do(*random.choice(list(self._acts.items())))
        unfinished = self._check_jobs()
        if not unfinished:
            self._do("jobs confirmed", self._confirm_a_job)
        return unfinished

    def finish(self) -> bool:
        """Reopen the month so that paused jobs can resume. Return whether all jobs have ended."""
        self._do("months reopened", self._reopen_the_month)
        return not self._check_jobs()

    def _do(self, name: str, act: Callable[[Session], None]) -> None:
        """Try the act and count it if it succeeds. Refusals and cut connections are expected."""
        try:
            with transaction(self.given.sessions) as session:
                act(session)
        except Refusal:
            self.survived["acts refused"] += 1
        except DBAPIError as error:
            if not is_transient(error):
                raise
            self.survived["acts cut off"] += 1
        else:
            self.survived[name] += 1

    def _check_jobs(self) -> list[JobKey]:
        """Resume jobs that wait for a user, and count ended ones. Return the jobs that have not ended."""
        try:
            # Query instead of remembering, because a COMMIT whose answer was cut off may have happened.
            unfinished = self._unfinished()
        except DBAPIError as error:
            if not is_transient(error):
                raise
            return list(self._must_end_by)
        for job in self._must_end_by.keys() - unfinished.keys():
            del self._must_end_by[job]
            self.survived["jobs ended"] += 1
            if random.random() < REVERSED_SHARE:
                self._do("reversals confirmed", lambda session, job=job: self._reverse(session, job))
        for job, status in unfinished.items():
            ends = self._must_end_by.setdefault(job, time.monotonic() + JOB_SECONDS)
            assert time.monotonic() < ends, self.given.progress(job, now=utc_now())
            if status in _WAITING_FOR_A_USER:
                self._do("jobs resumed", lambda session, job=job: self._control(session, commands.resume, job))
        return list(unfinished)

    def _unfinished(self) -> dict[JobKey, JobStatus]:
        jobs = select(SettleJob.practice_id, SettleJob.id, SettleJob.status).where(
            SettleJob.practice_id == self.given.id, SettleJob.status.not_in(FINAL_STATUSES)
        )
        with self.given.sessions() as session:
            return {JobKey(practice, job): status for practice, job, status in session.execute(jobs)}

    def _confirm_a_job(self, session: Session) -> None:
        chosen = random.sample(self._numbers, random.randint(1, JOB_CLAIMS_MAX))
        request = {"selection": {"claim_ids": chosen}, "reason": "small_balance"}
        now = utc_now()
        try:
            with session.begin_nested():  # the refusal follows the insert of the job's row
                made = self._preview(session, request, now=now)
        except PeriodClosed as refused:
            made = self._preview(session, {**request, "posting_date": refused.facts["next_open_date"]}, now=now)
        self._confirm(session, JobKey(made.practice_id, made.id), now=now)

    def _preview(self, session: Session, request: dict[str, Any], *, now: dt.datetime) -> Any:
        return commands.request_preview(
            session, JobRequest.of(request), by=self._admin, idempotency_key=next(self._keys), now=now,
            chunk_claims=CHUNK_CLAIMS,
        )  # fmt: skip

    def _reverse(self, session: Session, job: JobKey) -> None:
        now = utc_now()
        made = commands.request_reversal(
            session, job, claim_ids=None, by=self._admin, idempotency_key=next(self._keys), note="Wrong list",
            now=now, chunk_claims=CHUNK_CLAIMS,
        )  # fmt: skip
        self._confirm(session, JobKey(made.practice_id, made.id), now=now)

    def _confirm(self, session: Session, job: JobKey, *, now: dt.datetime) -> None:
        commands.confirm(session, job, confirmation="CONFIRM", by=self._admin, now=now)

    def _control(self, session: Session, act: Callable[..., Any], job: JobKey | None = None) -> None:
        chosen = job or next(iter(self._must_end_by), None)
        if chosen is not None:
            act(session, chosen, by=self._admin, now=utc_now())

    def _pay(self, session: Session) -> None:
        side, payer = random.choice([("patient", "patient"), ("insurance", "primary")])
        entry = {
            "kind": "payment", "line": 1, "responsibility": side, "paid_by": payer,
            "amount_cents": random.randint(1, 500), "posted_on": str(utc_now().date()),
        }  # fmt: skip
        manual_postings.post(
            session, random.choice(self._numbers), entries.parse_entry(entry), by=self._admin,
            idempotency_key=next(self._keys), now=utc_now(),
        )  # fmt: skip

    def _hold_or_release(self, session: Session) -> None:
        hold = random.choice([None, *Hold])
        set_hold(session, random.choice(self._numbers), hold, by=self._admin, now=utc_now())

    def _close_the_month(self, session: Session) -> None:
        closing.close(session, month_of(utc_now().date()), by=self._admin, now=utc_now())

    def _reopen_the_month(self, session: Session) -> None:
        closing.reopen(session, month_of(utc_now().date()), reason="A late file", by=self._admin, now=utc_now())
