"""Practices, users and claims for tests. Amounts are in cents."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, insert, select, text, update
from sqlalchemy.orm import Session

from core.access import audit, write_off_limits
from core.access.audit import Subject
from core.access.permissions import Actor
from core.access.write_off_limits import LIMIT_COLUMNS
from core.books.invariants import Violation, violations
from core.db.engine import Sessions, transaction
from core.enums.claims import BALANCE_DUE, ClaimStatus, ClaimType
from core.enums.ledger import PaidBy, PostingKind, Responsibility
from core.enums.people import Role
from core.enums.practices import PayerClass, WriteOffSetting
from core.jobs import commands
from core.jobs.execution import chunks, engine
from core.jobs.keys import JobKey
from core.jobs.preview.job_request import JobRequest
from core.jobs.results.progress import Progress, for_job
from core.ledger import balances, entries, late_payments, manual_postings
from core.ledger.manual_postings import PostingResult
from core.models.claims import Claim, LineItem
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.people import AuditEntry, User
from core.models.practices import Office, Patient, Payer, Practice, Provider
from core.money import CENTS_MAX, UNLIMITED
from core.practices.create import create_practice
from core.watch import tally

NOW = dt.datetime(2026, 11, 23, 15, 0, tzinfo=dt.UTC)
TODAY = NOW.date()
EARLIER = NOW - dt.timedelta(days=3)  # so long ago that an account may approve, and a limit applies

_MANY = 50  # claims
_REFUSE_TO_SETTLE = """
CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.external_id IN ({numbers}) AND NEW.billing_status = 'Settled' THEN
        RAISE EXCEPTION 'refused' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_one BEFORE UPDATE ON claim FOR EACH ROW EXECUTE FUNCTION refuse_one();
"""


@dataclass(frozen=True)
class Line:
    """A service line, described by its balances."""

    insurance: int = 0
    patient: int = 0


@dataclass
class GivenPractice:
    """A practice with one office, one provider, one payer and one biller."""

    sessions: Sessions
    id: int
    biller: Actor
    ids: dict[str, int] = field(default_factory=dict)

    def do(self, act: Callable[..., Any], *given: Any, **more: Any) -> Any:
        """Call `act` in a transaction of its own."""
        with transaction(self.sessions) as session:
            return act(session, *given, **more)

    def act(self, act: Callable[..., Any], *given: Any, **more: Any) -> Any:
        """Call `act` in a transaction of its own, as the biller by default."""
        return self.do(act, *given, **{"by": self.biller, "now": NOW, **more})

    def sql(self, statement: str, **values: Any) -> None:
        """Run a statement in a transaction of its own."""
        with transaction(self.sessions) as session:
            session.execute(text(statement), values)

    def claim(self, number: str, *lines: Line, **columns: Any) -> str:
        """Add a claim with postings that add up to every balance. Return its number."""
        with transaction(self.sessions) as session:
            _add_claims(session, self, {number: lines}, columns)
        return number

    def alike(self, numbers: Iterable[str], *lines: Line) -> None:
        """Add claims with the same service lines."""
        with transaction(self.sessions) as session:
            _add_claims(session, self, dict.fromkeys(numbers, lines), {})
            session.execute(text("ANALYZE claim, line_item, posting"))

    def claims(self, count: int, *, insurance: int = 1_000, patient: int = 500, first: int = 1) -> list[str]:
        """Add `count` claims with one line each, numbered from C00001. Return their numbers."""
        numbers = [f"C{index:05d}" for index in range(first, first + count)]
        if numbers:
            with transaction(self.sessions) as session:
                _add_claims(session, self, dict.fromkeys(numbers, (Line(insurance, patient),)), {})
        return numbers

    def provider(self, number: str, *, write_off: WriteOffSetting | None) -> int:
        """Add a billing provider with its own Balance Writeoff setting. Return its id."""
        with transaction(self.sessions) as session:
            made = insert(Provider).values(practice_id=self.id, external_id=number, name=number, write_off=write_off)
            return session.scalars(made.returning(Provider.id)).one()

    def patient(self, name: str, *, number: str | None = None) -> int:
        """Add a patient. Return its id."""
        with transaction(self.sessions) as session:
            made = insert(Patient).values(practice_id=self.id, external_id=number or f"P-{name}", name=name)
            return session.scalars(made.returning(Patient.id)).one()

    def payer(self, number: str, payer_class: PayerClass) -> int:
        """Add a payer of a class. Return its id."""
        with transaction(self.sessions) as session:
            made = insert(Payer).values(practice_id=self.id, external_id=number, name=number, payer_class=payer_class)
            return session.scalars(made.returning(Payer.id)).one()

    def person(self, email: str, role: Role) -> Actor:
        """Add a user. Return the user as an actor."""
        with transaction(self.sessions) as session:
            return add_user(session, self.id, email, role)

    def change(self, number: str, **columns: Any) -> None:
        """Change a claim's columns and its version, as another user would."""
        with transaction(self.sessions) as session:
            claim = self._claim(session, number)
            claim.version += 1
            for name, value in columns.items():
                setattr(claim, name, value)

    def pay(self, number: str, cents: int, *, by: PaidBy = PaidBy.PATIENT, line: int = 1) -> None:
        """Post a payment to the patient balance of a claim's line, as another user would."""
        with transaction(self.sessions) as session:
            claim = self._claim(session, number)
            claim.version += 1
            entry = _entry(self, claim.id, line, PostingKind.PAYMENT, Responsibility.PATIENT, -cents)
            paid = insert(Posting).values({**entry, "paid_by": by}).returning(Posting.id)
            ids = [session.scalars(paid).one()]
            _record_import(session, self.id)
            late_payments.match_write_offs(
                session, self.id, ids, claim_ids=[claim.id], user_id=None, now=NOW, today=TODAY
            )
            session.flush()
            balances.recompute(session, self.id, select(Claim.id).where(Claim.practice_id == self.id))

    def _claim(self, session: Session, number: str) -> Claim:
        found = select(Claim).where(Claim.practice_id == self.id, Claim.external_id == number).with_for_update()
        return session.scalars(found).one()

    def read(self, number: str) -> Claim:
        """Return the claim as it is now."""
        with self.sessions() as session:
            found = select(Claim).where(Claim.practice_id == self.id, Claim.external_id == number)
            return session.scalars(found).one()

    def write_offs(self, number: str) -> list[tuple[int, str, int]]:
        """Return the claim's write-offs in order: line, responsibility, cents."""
        claim_id = self.read(number).id
        with self.sessions() as session:
            of_claim = (Posting.practice_id == self.id, Posting.claim_id == claim_id)
            rows = session.execute(
                select(Posting.line, Posting.responsibility, Posting.amount_cents)
                .where(*of_claim, Posting.kind == PostingKind.WRITE_OFF)
                .order_by(Posting.line, Posting.responsibility)
            )
            return [(line, side.value, cents) for line, side, cents in rows]

    def preview(self, selection: Any = None, *, by: Actor | None = None, key: str = "key", **asked: Any) -> JobKey:
        """Preview a job. By default it selects every claim and uses the reason for small balances."""
        chunk_claims = asked.pop("chunk_claims", 1_000)
        now = asked.pop("now", NOW)
        body = {"selection": selection or {"all": True}, "reason": "small_balance", **asked}
        with transaction(self.sessions) as session:
            request = JobRequest.of(body)
            job = commands.request_preview(
                session, request, by=by or self.biller, idempotency_key=key, now=now, chunk_claims=chunk_claims
            )
            return JobKey(job.practice_id, job.id)

    def confirm(
        self,
        job: JobKey,
        *,
        by: Actor | None = None,
        confirmation: str = "CONFIRM",
        cost_share_reason: str = "",
        now: dt.datetime = NOW,
    ) -> SettleJob:
        """Confirm a job."""
        with transaction(self.sessions) as session:
            return commands.confirm(
                session, job, confirmation=confirmation, cost_share_reason=cost_share_reason, by=by or self.biller,
                now=now,
            )  # fmt: skip

    def confirmed(self, selection: Any = None, **asked: Any) -> JobKey:
        """Preview a job and confirm it. The same user does both, at the same time."""
        job = self.preview(selection, **asked)
        self.confirm(job, **{name: asked[name] for name in ("by", "now") if name in asked})
        return job

    def approve(self, job: JobKey, *, by: Actor, now: dt.datetime = NOW) -> SettleJob:
        """Approve a job that awaits approval."""
        with transaction(self.sessions) as session:
            return commands.approve(session, job, confirmation="CONFIRM", by=by, now=now)

    def reject(self, job: JobKey, *, by: Actor, reason: str = "Not these", now: dt.datetime = NOW) -> SettleJob:
        """Reject a job that awaits approval."""
        with transaction(self.sessions) as session:
            return commands.reject(session, job, reason=reason, by=by, now=now)

    def limit(self, *, claim: int = UNLIMITED, job: int = UNLIMITED) -> None:
        """Set the practice's limits for one claim and one job."""
        self._set(Practice, self.id, claim, job)

    def limit_of(self, person: Actor, *, claim: int = UNLIMITED, job: int = UNLIMITED) -> None:
        """Set a user's limits."""
        self._set(User, person.user_id, claim, job)

    def _set(self, table: Any, id_: int, claim: int, job: int) -> None:
        with transaction(self.sessions) as session:
            act = "write_off_limits.changed" if table is Practice else "user.limits_changed"
            row = session.get_one(table, id_)
            changed = write_off_limits.change_limits(row, claim_cents=claim, job_cents=job)
            audit.record(session, act, row, by=None, now=EARLIER, **changed)

    def set_write_off(self, setting: WriteOffSetting) -> None:
        """Choose the practice's Balance Writeoff setting."""
        with transaction(self.sessions) as session:
            session.execute(
                update(Practice).where(Practice.id == self.id).values(write_off=setting, write_off_chosen=True)
            )

    def settle(self, selection: Any = None, *, cost_share_reason: str = "", **asked: Any) -> JobKey:
        """Preview, confirm and run a job to its end in this process."""
        job = self.preview(selection, **asked)
        self.confirm(job, cost_share_reason=cost_share_reason)
        self.run()
        return job

    def take_chunk(self, *, worker: str = "tester", now: dt.datetime = NOW) -> chunks.Chunk:
        """Take a free chunk, as a worker does. Fail if there is none."""
        taken: chunks.Chunk | None = self.do(chunks.take, worker=worker, now=now)
        assert taken is not None
        return taken

    def settle_chunk(self, chunk: chunks.Chunk, *, clock: engine.Clock | None = None) -> Any:
        """Settle a chunk that was taken, and complete its job if it was the last."""
        clock = clock or ticking(NOW)
        settled = engine._settle(self.sessions, chunk, clock=clock)
        if not settled.advanced:
            engine._advance(self.sessions, chunk.job, clock=clock)
        return settled

    def post(
        self,
        number: str,
        cents: int,
        *,
        by: Actor | None = None,
        key: str = "key",
        now: dt.datetime = NOW,
        **entry: Any,
    ) -> PostingResult:
        """Enter a manual posting: by default a patient payment on the first line."""
        given = {"kind": "payment", "line": 1, "responsibility": "patient", "amount_cents": cents, **entry}
        if given["kind"] == "payment":
            given.setdefault("paid_by", "patient")
        posting = {"by": by or self.biller, "idempotency_key": key, "now": now}
        posted: PostingResult = self.do(manual_postings.post, number, entries.parse_entry(given), **posting)
        return posted

    def audited(self, act_: str | None = None, *, subject: str | None = None) -> list[AuditEntry]:
        """Return the practice's audit entries, oldest first: all, or only those with this act or subject.

        Those of the accounts and limits that a test was given are left out.
        """
        with self.sessions() as session:
            of_test = (AuditEntry.practice_id == self.id, AuditEntry.at > EARLIER)
            found = select(AuditEntry).where(*of_test).order_by(AuditEntry.id)
            found = found.where(AuditEntry.act == act_) if act_ else found
            return list(session.scalars(found.where(AuditEntry.subject == subject) if subject else found))

    def request_reversal(
        self, job: JobKey, *claim_ids: str, by: Actor, key: str = "reverse", now: dt.datetime = NOW, **more: Any
    ) -> JobKey:
        """Request the reversal of a job or of some of its claims."""
        options = {
            "claim_ids": claim_ids or None, "by": by, "idempotency_key": key, "note": "Wrong list", "now": now, **more,
        }  # fmt: skip
        made = self.do(commands.request_reversal, job, **options)
        return JobKey(made.practice_id, made.id)

    def reverse(
        self, job: JobKey, *claim_ids: str, by: Actor, key: str = "reverse", now: dt.datetime = NOW, **more: Any
    ) -> JobKey:
        """Request the reversal of a job or of some of its claims, and confirm it."""
        back = self.request_reversal(job, *claim_ids, by=by, key=key, now=now, **more)
        self.confirm(back, by=by, now=now)
        return back

    def run(self, *, now: dt.datetime = NOW) -> None:
        """Work until no chunk is free, as a worker does, with a clock that advances a second each time it is read."""
        clock = ticking(now)
        while (worked := engine.work(self.sessions, worker="tester", clock=clock)).chunks:
            tally.count_work(worked)

    @contextmanager
    def locked(self, *numbers: str) -> Iterator[Session]:
        """Lock these claims in another session until the block ends."""
        with self.sessions() as session, session.begin():
            these = select(Claim.id).where(Claim.practice_id == self.id, Claim.external_id.in_(numbers))
            session.scalars(these.with_for_update()).all()
            yield session

    def run_while_locked(self, *numbers: str) -> None:
        """Work until each of these claims has failed, because another session keeps it locked."""
        clock = ticking(NOW)
        with self.locked(*numbers):
            for _ in range(60 * len(numbers)):
                engine.work(self.sessions, worker="tester", clock=clock)

    def refuse_to_settle(self, *numbers: str) -> None:
        """Make the database refuse to settle these claims."""
        self.sql(_REFUSE_TO_SETTLE.format(numbers=", ".join(f"'{number}'" for number in numbers)))

    def progress(self, job: JobKey, *, now: dt.datetime = NOW) -> Progress:
        """Return the job's progress."""
        with self.sessions() as session:
            return for_job(session, job, now=now)

    def read_job(self, job: JobKey) -> SettleJob:
        """Return the job as it is now."""
        with self.sessions() as session:
            return session.get_one(SettleJob, job)

    def counts(self, job: JobKey) -> dict[str, int]:
        """Return how many claims are settled, skipped, failed and remaining."""
        seen = self.progress(job)
        assert seen.settled + seen.skipped + seen.failed + seen.remaining == seen.total
        return {
            "settled": seen.settled, "skipped": seen.skipped, "failed": seen.failed, "remaining": seen.remaining
        }  # fmt: skip

    def item(self, job: JobKey, number: str) -> JobItem:
        """Return the claim's item in a job."""
        claim_id = self.read(number).id
        with self.sessions() as session:
            return session.scalars(select(JobItem).where(*job.of(JobItem), JobItem.claim_id == claim_id)).one()

    def verdicts(self, job: JobKey) -> dict[str, str | None]:
        """Return the code of each claim's verdict in a job, None for a claim that it settles."""
        with self.sessions() as session:
            of_claim = (Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
            found = select(Claim.external_id, JobItem.verdict_code).join(JobItem, and_(*of_claim))
            return dict(map(tuple, session.execute(found.where(*job.of(JobItem)))))

    def violations(self) -> list[Violation]:
        """Return what `settle verify` finds."""
        with self.sessions() as session:
            return violations(session)


def ticking(start: dt.datetime) -> engine.Clock:
    """Return a clock that advances a second each time it is read, so that a retry is due at the next read."""
    seconds = iter(range(10**9))
    return lambda: start + dt.timedelta(seconds=next(seconds))


def a_practice(
    sessions: Sessions, *, name: str = "Lakeside", write_off: WriteOffSetting | None = WriteOffSetting.BOTH
) -> GivenPractice:
    """Create a practice that counts any balance as small, because most tests are not about that limit.

    Without `write_off`, it has not chosen its Balance Writeoff setting.
    """
    with transaction(sessions) as session:
        # Like a practice that existed before second factors. Tests of the default for new ones create their own.
        practice_id = create_practice(session, name=name, write_off=write_off, second_factor_required=False, now=NOW)
        session.get_one(Practice, practice_id).small_balance_max_cents = CENTS_MAX
        biller = add_user(session, practice_id, f"biller@{name.lower()}.example", Role.BILLER)
        given = GivenPractice(sessions, practice_id, biller)
        for table in (Office, Provider, Payer, Patient):
            columns: dict[str, Any] = {"practice_id": practice_id, "external_id": "1", "name": f"The {table.__name__}"}
            if table is Payer:
                columns["payer_class"] = PayerClass.COMMERCIAL
            given.ids[table.__name__] = session.scalars(insert(table).values(columns).returning(table.id)).one()
        return given


def add_user(session: Session, practice_id: int, email: str, role: Role) -> Actor:
    user = User(
        practice_id=practice_id, email=email, name=email.split("@", maxsplit=1)[0], role=role, password_hash="-",
        created_at=NOW,
    )  # fmt: skip
    session.add(user)
    session.flush()
    limits = dict.fromkeys(LIMIT_COLUMNS, "unlimited")
    audit.record(session, "user.added", user, by=None, now=EARLIER, role=str(role), **limits)
    return Actor(user.id, practice_id, role, email, user.name)


def _add_claims(
    session: Session, given: GivenPractice, lines_of: Mapping[str, tuple[Line, ...]], columns: dict[str, Any]
) -> None:
    """Add claims by number, all with the same `columns`. With set-based inserts, hundreds take no longer than one."""
    standard = {
        "practice_id": given.id,
        "patient_id": given.ids["Patient"],
        "office_id": given.ids["Office"],
        "billing_provider_id": given.ids["Provider"],
        "claim_type": ClaimType.PROFESSIONAL,
        "service_date": TODAY - dt.timedelta(days=200),
        "billing_status": BALANCE_DUE,
        "primary_payer_id": given.ids["Payer"],
        "primary_status": ClaimStatus.ERA_RECEIVED,
        "secondary_status": ClaimStatus.NONE,
    }
    claims = [{**standard, **columns, "external_id": number} for number in lines_of]
    added = session.execute(insert(Claim).returning(Claim.external_id, Claim.id), claims).all()
    lines = [(claim_id, index, line) for number, claim_id in added for index, line in enumerate(lines_of[number], 1)]
    _insert(
        session,
        LineItem,
        [
            {"practice_id": given.id, "claim_id": claim_id, "number": index, "procedure_code": "99213"}
            for claim_id, index, _ in lines
        ],
    )
    owed = (
        posting
        for claim_id, index, line in lines
        for side, cents in ((Responsibility.INSURANCE, line.insurance), (Responsibility.PATIENT, line.patient))
        for posting in _owed(given, claim_id, index, side, cents)
    )
    _insert(session, Posting, list(owed))
    _record_import(session, given.id)
    if len(added) >= _MANY:
        # Without statistics, PostgreSQL plans the sums of a thousand claims as if the table were empty, and they
        # take minutes.
        session.execute(text("ANALYZE claim, line_item, posting"))
    new = [claim_id for _, claim_id in added]
    balances.recompute(session, given.id, select(Claim.id).where(Claim.practice_id == given.id, Claim.id.in_(new)))


def _record_import(session: Session, practice_id: int) -> None:
    """Record an act, because the audit log's chain covers only postings with one."""
    audit.record(session, "practice.imported", Subject.practice(practice_id), by=None, now=NOW)


def _insert(session: Session, table: type[LineItem | Posting], rows: list[dict[str, Any]]) -> None:
    if rows:
        # With RETURNING, SQLAlchemy writes all rows in one statement. The triggers on postings run once per statement.
        session.execute(insert(table).returning(table.practice_id), rows)


def _owed(given: GivenPractice, claim_id: int, line: int, side: Responsibility, cents: int) -> list[dict[str, Any]]:
    """Return the postings of a balance: a charge, or for a credit balance a charge and a payment above it."""
    if cents == 0:
        return []
    charge = _entry(given, claim_id, line, PostingKind.CHARGE, side, cents if cents > 0 else 100)
    if cents > 0:
        return [{**charge, "paid_by": None}]
    paid = _entry(given, claim_id, line, PostingKind.PAYMENT, side, cents - 100)
    return [{**charge, "paid_by": None}, {**paid, "paid_by": PaidBy.PRIMARY}]


def _entry(
    given: GivenPractice, claim_id: int, line: int, kind: PostingKind, side: Responsibility, cents: int
) -> dict[str, Any]:
    return {
        "practice_id": given.id, "claim_id": claim_id, "line": line, "kind": kind, "responsibility": side,
        "amount_cents": cents, "posted_on": TODAY - dt.timedelta(days=190), "created_at": NOW,
    }  # fmt: skip
