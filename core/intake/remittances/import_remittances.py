"""Import the remittances (835) of files: record each answer, and post those that no reason holds.

All of it is one database transaction of the caller. A check does the same without locks, and the caller rolls it back.
"""

import datetime as dt
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import dropwhile, groupby, takewhile
from pathlib import Path
from typing import Any, Final

from sqlalchemy import literal, or_, select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Actor
from core.intake.loading import stages
from core.intake.loading.load import lock_imports
from core.intake.loading.post_rows import lock_claims
from core.intake.parsing.folder import Progress
from core.intake.remittances import posting_rules, reasons, stored
from core.intake.remittances.answers import Answer, of_paid_claim
from core.intake.remittances.batches import BATCH_ANSWERS, Head, Run, take_batch
from core.intake.remittances.decide_again import retry_held
from core.intake.remittances.decision import Context
from core.intake.remittances.load_claims import PayerKey
from core.intake.remittances.payee import OwnIds, check_payee, load_own_ids
from core.intake.remittances.posting_dates import date_problem
from core.intake.remittances.reasons import Finding
from core.intake.remittances.result import RemittanceResult, TransactionResult
from core.intake.remittances.survey import ANSWERED, Transaction, shared_numbers, survey
from core.models.claims import Claim
from core.models.practices import Practice
from core.models.remittances import Remittance, RemittanceClaim, RemittanceLine
from core.money import format_cents
from core.practices import practice_days
from core.x12.envelope_records import Closed, Opened
from core.x12.problems import Reach
from core.x12.read import Event, read
from core.x12.remittance import PaidClaim, ProviderAdjustment

_PHASE: Final = "remittances"


def import_remittances(
    session: Session,
    practice: Practice,
    files: Sequence[Path],
    *,
    import_id: int | None,
    is_check: bool,
    by: Actor | None,
    now: dt.datetime,
    progress: Progress | None = None,
) -> RemittanceResult:
    """Record the remittances of the files in this order, and post them. Each content is recorded once.

    Other imports and a month-end close wait until the commit. Raise `FileRefused`, `PeriodBusy`.
    """
    run = Run(session, practice, by, now, is_check=is_check)
    lock_imports(session, practice.id)
    found = survey(session, files)
    if not is_check:
        numbers = Claim.external_id.in_(select(ANSWERED.c.number))
        lock_claims(session, practice.id, numbers)
    result = RemittanceResult([TransactionResult.of(one) for one in found])
    own, seen = load_own_ids(session, practice.id), dict[str, str]()
    recorded: list[tuple[Subject, dict[str, Any]]] = []
    done, total = 0, sum(one.claims for one in found)
    for path, of_file in groupby(enumerate(found), key=lambda one: one[1].path):
        with closing(_events(path)) as events:
            for place, transaction in of_file:
                one = result.transactions[place]
                if not _may_record(run, transaction, one, own):
                    one.same_as = seen.get(transaction.digest, "")
                    continue
                seen[transaction.digest] = path.name
                head = _record(run, transaction, place, import_id=import_id)
                for count in _take_records(run, head, _records_of(transaction, events), one):
                    done += count
                    if progress:
                        progress(_PHASE, done, total)
                result.posted_later += retry_held(run, head.id)
                facts = {**one.audited(), "answers_sha256": stored.answers_sha256(session, practice.id, head.id)}
                recorded.append((Subject.of("remittance", head.id, practice_id=practice.id), facts))
    result.answers_cents, result.write_offs_cents = run.moved.answers_cents, run.moved.write_offs_cents
    audit.record_all(session, "remittance.recorded", recorded, by=by, now=now)
    if done >= BATCH_ANSWERS and not is_check:
        # Without statistics, what comes next, such as `settle verify`, would compare all answers with all postings.
        stages.refresh_statistics(
            session, "posting", *(one.__tablename__ for one in (Remittance, RemittanceClaim, RemittanceLine))
        )
    return result


def _may_record(run: Run, transaction: Transaction, one: TransactionResult, own: OwnIds) -> bool:
    """Return whether the transaction can be trusted and is new. Keep in the result why not, or why it is held."""
    if transaction.is_refused:
        one.is_refused, one.because = True, transaction.codes(Reach.REFUSED)[0]
        return False
    one.recorded_on = _recorded_on(run.session, run.practice, transaction.digest)
    if one.recorded_on is not None:
        return False
    payee = check_payee(transaction.payment, own)
    one.payee_is_unchecked = not payee.is_checked
    transaction.compared = [*_same_trace(run, transaction), *payee.found]
    one.because = reasons.worst_of_whole(transaction.found) or ""
    return True


def _record(run: Run, transaction: Transaction, place: int, *, import_id: int | None) -> Head:
    session, practice_id, payment = run.session, run.practice.id, transaction.payment
    remittance_id = stored.store_remittance(
        session, practice_id, transaction, found=transaction.found, import_id=import_id, by=run.by, now=run.now
    )
    context = Context(
        posting_rules.load_rules(session, practice_id), reasons.of_whole(transaction.found),
        date_problem=date_problem(run, payment.paid_on), warnings=reasons.warnings(transaction.found),
    )  # fmt: skip
    payer = PayerKey(payment.payer_tax_id, payment.payer.id if payment.payer else "")
    shared = frozenset(shared_numbers(session, place))
    return Head(remittance_id, payer, payment.paid_on or run.today, context, shared)


def _take_records(run: Run, head: Head, records: Iterator[Event], one: TransactionResult) -> Iterator[int]:
    """Take the claims and the provider adjustments of a transaction. Yield how many claims each batch had."""
    answers: list[Answer] = []
    given: list[ProviderAdjustment] = []
    ordinal = 0
    for record in records:
        if isinstance(record, PaidClaim):
            ordinal += 1
            answers.append(of_paid_claim(ordinal, record))
        elif isinstance(record, ProviderAdjustment):
            given.append(record)
        if len(answers) == BATCH_ANSWERS:
            one.add(take_batch(run, head, answers))
            yield len(answers)
            answers = []
    if answers:
        one.add(take_batch(run, head, answers))
        yield len(answers)
    stored.store_provider_adjustments(run.session, run.practice.id, head.id, given)


def _events(path: Path) -> Generator[Event]:
    with path.open("rb") as binary:
        yield from read(binary, path.name)


def _records_of(transaction: Transaction, events: Iterator[Event]) -> Iterator[Event]:
    """Return the records of a transaction. It must not be before what was read of the file."""
    segment = transaction.opened.segment
    after = dropwhile(lambda event: not (isinstance(event, Opened) and event.segment == segment), events)
    return takewhile(lambda event: not isinstance(event, Closed), after)


def _recorded_on(session: Session, practice: Practice, digest: str) -> dt.date | None:
    """Return the day on which the same content was recorded, in the practice's time zone."""
    same = select(Remittance.received_at).where(Remittance.practice_id == practice.id, Remittance.digest == digest)
    at = session.scalars(same).one_or_none()
    return None if at is None else practice_days.today(practice, now=at)


def _same_trace(run: Run, transaction: Transaction) -> list[Finding]:
    """Return the finding that another remittance of the payer has the same trace number, if one has."""
    payment = transaction.payment
    # Payers use one number again for remittances that pay nothing.
    same_trace = select(Remittance.file_name, Remittance.paid_cents, Remittance.received_at).where(
        Remittance.practice_id == run.practice.id, Remittance.trace == payment.trace,
        Remittance.payer_tax_id == payment.payer_tax_id,
        or_(Remittance.paid_cents != 0, literal(payment.paid_cents != 0)),
    )  # fmt: skip
    other = run.session.execute(same_trace.order_by(Remittance.id).limit(1)).one_or_none()
    if other is None:
        return []
    day = practice_days.today(run.practice, now=other.received_at)
    return [
        Finding(
            "same_trace",
            None,
            "TRN02",
            f"{format_cents(other.paid_cents)} in {other.file_name}, imported {day:%m/%d/%Y}",
        )
    ]
