"""Load the practice's claims as answers meet them. Balances are summed from the ledger, not read from the caches."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, Subquery, and_, any_, cast, exists, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from core.db.sums import sum_cents
from core.enums.claims import SETTLED
from core.enums.jobs import JobStatus
from core.enums.ledger import PaidBy, PostingKind, Responsibility
from core.enums.practices import PayerClass
from core.enums.remittances import POSTED_OUTCOMES
from core.intake.loading.known_postings import CORRECTION
from core.intake.remittances.our_claim import EarlierAnswer, EarlierPosting, OurClaim, OurLine
from core.ledger import remittance_source, write_offs
from core.ledger.remittance_source import RemittanceSource
from core.models.claims import Claim, LineItem
from core.models.job_items import JobItem, is_reserved
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.practices import Payer
from core.models.remittances import Remittance, RemittanceClaim, RemittanceLine
from core.models.sent_claims import SentClaim, SentLine

# A job in another status skips a claim that has changed.
_RUNNING: Final = (JobStatus.CONFIRMED, JobStatus.RUNNING, JobStatus.PAUSING, JobStatus.CANCELLING)


class PayerKey(NamedTuple):
    """What identifies a payer in remittances."""

    tax_id: str
    id: str

    def is_same(self, tax_id: str, id_: str) -> bool:
        """Return whether the other one has the same tax id or the same id."""
        return bool((self.tax_id and self.tax_id == tax_id) or (self.id and self.id == id_))


def load_claims(
    session: Session, practice_id: int, claim_ids: Collection[int], payer: PayerKey, *, reversed_ids: Collection[int]
) -> dict[int, OurClaim]:
    """Return the claims by id. Those in `reversed_ids` have the amounts and postings of their earlier answers."""
    lines = _lines(session, practice_id, claim_ids)
    in_jobs = _in_running_jobs(session, practice_id, claim_ids)
    members = _members(session, practice_id, claim_ids)
    found = {}
    for row in session.execute(_claims(practice_id, claim_ids)):
        insurers = [PaidBy.PRIMARY] * bool(row.has_primary) + [PaidBy.SECONDARY] * bool(row.has_secondary)
        own = lines.get(row.id, [])
        found[row.id] = OurClaim(
            row.id, row.external_id, row.service_date, tuple(insurers), row.id in in_jobs,
            row.billing_status == SETTLED, row.has_write_offs, own, frozenset(members.get(row.id, ())),
        )  # fmt: skip
    _add_earlier(session, practice_id, found, payer)
    if reversed_ids:
        _add_amounts(session, practice_id, [found[one] for one in reversed_ids if one in found])
    return found


def _is_in(column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Return the condition with one parameter for all ids, because the driver parses a thousand slowly."""
    return column == any_(cast(list(ids), ARRAY(BigInteger)))  # type: ignore[no-any-return]


def _claims(practice_id: int, claim_ids: Collection[int]) -> Select[Any]:
    def is_insured(payer_id: Any) -> Any:
        payer = aliased(Payer)
        of_claim = (payer.practice_id == practice_id, payer.id == payer_id, payer.payer_class != PayerClass.SELF_PAY)
        return exists().where(*of_claim)

    written_off = exists().where(
        Posting.practice_id == practice_id, Posting.claim_id == Claim.id, Posting.kind == PostingKind.WRITE_OFF
    )
    return select(
        Claim.id, Claim.external_id, Claim.service_date, Claim.billing_status,
        is_insured(Claim.primary_payer_id).label("has_primary"),
        is_insured(Claim.secondary_payer_id).label("has_secondary"), written_off.label("has_write_offs"),
    ).where(Claim.practice_id == practice_id, _is_in(Claim.id, claim_ids))  # fmt: skip


def _sums(practice_id: int, claim_ids: Collection[int]) -> Subquery:
    """Return the charge, the balances, the write-offs and the payments from elsewhere of each line."""
    original, charge = aliased(Posting), aliased(Posting)
    reversed_here = and_(
        original.practice_id == Posting.practice_id, original.claim_id == Posting.claim_id,
        original.line == Posting.line, original.id == Posting.reverses_id,
    )  # fmt: skip
    # An import corrects a charge with an adjustment. The payer answers the charge as corrected.
    corrected = and_(
        Posting.kind == PostingKind.ADJUSTMENT, Posting.source_id.contains(CORRECTION),
        charge.practice_id == Posting.practice_id, charge.claim_id == Posting.claim_id, charge.line == Posting.line,
        charge.kind == PostingKind.CHARGE, charge.source_id == func.split_part(Posting.source_id, CORRECTION, 1),
    )  # fmt: skip
    insurance, patient = (Posting.responsibility == side for side in Responsibility)
    is_charge = or_(Posting.kind == PostingKind.CHARGE, charge.id.is_not(None))
    is_write_off = or_(Posting.kind == PostingKind.WRITE_OFF, original.kind == PostingKind.WRITE_OFF)
    cents = Posting.amount_cents
    # Payments from elsewhere, such as an export of the practice's own system, and their reversals.
    is_other = or_(*(
        and_(one.kind == PostingKind.PAYMENT, one.source.is_distinct_from(remittance_source.SOURCE))
        for one in (Posting, original)
    ))  # fmt: skip
    payment = func.jsonb_build_array(func.coalesce(original.paid_by, Posting.paid_by), -cents)
    return (
        select(
            Posting.claim_id, Posting.line, sum_cents(cents, is_charge).label("charge"),
            sum_cents(cents, insurance).label("insurance"), sum_cents(cents, patient).label("patient"),
            sum_cents(-cents, and_(insurance, is_write_off)).label("insurance_off"),
            sum_cents(-cents, and_(patient, is_write_off)).label("patient_off"),
            func.jsonb_agg(payment, type_=JSONB).filter(is_other).label("others"),
        )
        .outerjoin(original, reversed_here)
        .outerjoin(charge, corrected)
        .where(Posting.practice_id == practice_id, _is_in(Posting.claim_id, claim_ids))
        .group_by(Posting.claim_id, Posting.line)
        .subquery("sums")
    )  # fmt: skip


def _lines(session: Session, practice_id: int, claim_ids: Collection[int]) -> dict[int, list[OurLine]]:
    sums = _sums(practice_id, claim_ids)
    amounts = [func.coalesce(sums.c[name], 0) for name in list(sums.c.keys())[2:-1]]
    of_line = and_(sums.c.claim_id == LineItem.claim_id, sums.c.line == LineItem.number)
    of_sent = and_(
        SentLine.practice_id == LineItem.practice_id, SentLine.claim_id == LineItem.claim_id,
        SentLine.line == LineItem.number,
    )  # fmt: skip
    rows = session.execute(
        select(
            LineItem.claim_id,
            LineItem.number,
            LineItem.procedure_code,
            *amounts,
            func.coalesce(SentLine.control_number, ""),
            SentLine.modifiers,
            SentLine.service_on,
            sums.c.others,
        )
        .outerjoin(sums, of_line)
        .outerjoin(SentLine, of_sent)
        .where(LineItem.practice_id == practice_id, _is_in(LineItem.claim_id, claim_ids))
        .order_by(LineItem.claim_id, LineItem.number)
    )
    found: defaultdict[int, list[OurLine]] = defaultdict(list)
    for claim_id, *columns, modifiers, service_on, others in rows:
        line = OurLine(*columns)
        line.modifiers, line.service_on = None if modifiers is None else tuple(modifiers.split()), service_on
        line.other_payments = [(PaidBy(payer), cents) for payer, cents in others or ()]
        found[claim_id].append(line)
    return found


def _members(session: Session, practice_id: int, claim_ids: Collection[int]) -> dict[int, set[str]]:
    """Return the subscribers' member ids with which the claims were sent."""
    rows = session.execute(
        select(SentClaim.claim_id, SentClaim.member_id).where(
            SentClaim.practice_id == practice_id, _is_in(SentClaim.claim_id, claim_ids), SentClaim.member_id != ""
        )
    )
    found: defaultdict[int, set[str]] = defaultdict(set)
    for claim_id, member_id in rows:
        found[claim_id].add(member_id or "")
    return found


def is_in_running_job(practice_id: int, claim_id: Any) -> ColumnElement[bool]:
    """Return the condition that a running job has selected the claim to settle and not yet processed it."""
    return exists().where(
        SettleJob.practice_id == practice_id, SettleJob.status.in_(_RUNNING), JobItem.practice_id == practice_id,
        JobItem.job_id == SettleJob.id, JobItem.claim_id == claim_id, is_reserved(),
    )  # fmt: skip


def _in_running_jobs(session: Session, practice_id: int, claim_ids: Collection[int]) -> set[int]:
    """Return the claims that a running job has selected to settle and not yet processed."""
    of_practice = (SettleJob.practice_id == practice_id, SettleJob.status.in_(_RUNNING))
    jobs = session.scalars(select(SettleJob.id).where(*of_practice)).all()
    if not jobs:
        return set()
    of_claims = (JobItem.practice_id == practice_id, _is_in(JobItem.claim_id, claim_ids), JobItem.job_id.in_(jobs))
    return set(session.scalars(select(JobItem.claim_id).where(*of_claims, is_reserved())))


def _add_earlier(session: Session, practice_id: int, claims: dict[int, OurClaim], payer: PayerKey) -> None:
    """Add the posted answers that no answer has reversed, and that reverse none."""
    reversal = aliased(RemittanceClaim)
    is_reversed = exists().where(
        reversal.practice_id == practice_id, reversal.reverses_remittance_id == RemittanceClaim.remittance_id,
        reversal.reverses_ordinal == RemittanceClaim.ordinal, reversal.outcome.in_(POSTED_OUTCOMES),
    )  # fmt: skip
    of_remittance = and_(
        Remittance.practice_id == RemittanceClaim.practice_id, Remittance.id == RemittanceClaim.remittance_id
    )
    rows = session.execute(
        select(RemittanceClaim, Remittance.payer_tax_id, Remittance.payer_id)
        .join(Remittance, of_remittance)
        .where(
            RemittanceClaim.practice_id == practice_id, _is_in(RemittanceClaim.claim_id, claims),
            RemittanceClaim.outcome.in_(POSTED_OUTCOMES), RemittanceClaim.reverses_ordinal.is_(None), ~is_reversed,
        )
        .order_by(RemittanceClaim.remittance_id, RemittanceClaim.ordinal)
    )  # fmt: skip
    for row, tax_id, payer_id in rows:
        assert row.claim_id is not None
        claims[row.claim_id].earlier.append(
            EarlierAnswer(
                row.remittance_id, row.ordinal, row.payer_role, payer.is_same(tax_id, payer_id), row.payer_claim_id,
                row.charge_cents, row.paid_cents, row.postings,
            )
        )  # fmt: skip
        session.expunge(row)


def _add_amounts(session: Session, practice_id: int, claims: Sequence[OurClaim]) -> None:
    """Add the adjustments and the postings of the earlier answers."""
    answers = {(one.remittance_id, one.ordinal): one for claim in claims for one in claim.earlier}
    lines = session.execute(
        select(RemittanceLine.remittance_id, RemittanceLine.claim_ordinal, RemittanceLine.adjustments).where(
            RemittanceLine.practice_id == practice_id,
            RemittanceLine.remittance_id.in_({remittance_id for remittance_id, _ in answers}),
            RemittanceLine.claim_ordinal.in_({ordinal for _, ordinal in answers}),
        )
    )
    for remittance_id, ordinal, adjustments in lines:
        if (remittance_id, ordinal) in answers:
            adjusted = answers[remittance_id, ordinal].adjusted
            for group, reason, cents, _ in adjustments:
                adjusted[group, reason] = adjusted.get((group, reason), 0) + cents
    for one in answers.values():
        one.adjusted = {key: cents for key, cents in one.adjusted.items() if cents}
    postings = select(
        Posting.source_id, Posting.id, Posting.line, Posting.responsibility, Posting.kind, Posting.amount_cents,
        Posting.paid_by, write_offs.is_reversed(),
    ).where(
        Posting.practice_id == practice_id, Posting.claim_id.in_([claim.id for claim in claims]),
        Posting.source == remittance_source.SOURCE,
    )  # fmt: skip
    for source_id, *columns in session.execute(postings.order_by(Posting.id)):
        remittance_id, ordinal, _ = RemittanceSource.read(source_id)
        if (remittance_id, ordinal) in answers:
            answers[remittance_id, ordinal].posted.append(EarlierPosting(*columns))
