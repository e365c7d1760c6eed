"""Read the audit of a practice, newest first, by user, claim, job and day, and export it."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, extract, func, or_, select
from sqlalchemy.orm import Session, aliased

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.access.users import find_by_email
from core.audit import sentences
from core.claims.export import csv_pieces, escape_formula
from core.errors import BadInput, NotFound
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.people import AuditEntry, AuditLink, User
from core.models.practices import Exclusion, Patient, Payer, Provider
from core.models.remittances import Remittance, RemittanceClaim
from core.practices import practice_queries

PAGE_ACTS_MAX: Final = 200
_READ_AT_ONCE: Final = 1_000
IMPORT_ACTS: Final = ("practice.imported", "postings.imported")
COLUMN_HEADINGS: Final = (
    "Number",
    "When (UTC)",
    "User",
    "E-mail",
    "Action code",
    "Subject",
    "Action",
    "Details",
    "Checksum",
    "Checksum input",
)


class BadAuditFilter(BadInput):
    """The audit filter is not valid."""


@dataclass(frozen=True)
class AuditFilter:
    """Which acts to return. An act must match all given keys. Days are in the practice's time zone, inclusive."""

    person: int | None = None  # a user's id
    claim: str | None = None  # its number: acts on it, and on jobs, exclusions, imports and remittances that concern it
    job: int | None = None  # and its reversals
    trace: str | None = None  # the check or trace number of remittances
    first_day: dt.date | None = None
    last_day: dt.date | None = None

    def __post_init__(self) -> None:
        """Raise `BadAuditFilter` if the last day is before the first."""
        if self.first_day and self.last_day and self.last_day < self.first_day:
            fault = "The last day is before the first day."
            raise BadAuditFilter(fault, faults={"to": fault})

    def given(self) -> dict[str, str]:
        """Return the given keys, as the audit records them."""
        return {name: str(value) for name, value in vars(self).items() if value is not None}


class AuditRow(NamedTuple):
    """One link of the chain, in words. `person` is None if no user acted or the user is unknown."""

    number: int
    at: dt.datetime
    user_id: int | None
    person: str | None
    email: str | None
    act: str
    subject: str
    facts: dict[str, Any]
    digest: str
    sentence: str
    details: list[tuple[str, str]]  # label and value of each fact

    @property
    def short_details(self) -> list[tuple[str, str]]:
        """Return the details without checksums, which are for the file."""
        checksums = {value for name, value in self.facts.items() if name.endswith("_sha256")}
        return [one for one in self.details if one[1] not in checksums]

    @property
    def who(self) -> str:
        """Return who acted, in words."""
        return sentences.who(self.act, self.person, by_provider="identity_provider" in self.facts)


class Head(NamedTuple):
    """The end of a chain. A copy stored elsewhere proves later that the chain was not rewritten."""

    number: int
    digest: str


def acts(
    session: Session, practice_id: int, f: AuditFilter, *, before: int | None = None, limit: int = PAGE_ACTS_MAX
) -> list[AuditRow]:
    """Return at most `limit` acts, newest first, with numbers below `before`.

    Who looked at claims is included only for one claim or one user, because those acts would hide the others.
    """
    found = _select(session, practice_id, f).order_by(AuditLink.number.desc()).limit(limit)
    if f.claim is None and f.person is None:
        found = found.where(AuditEntry.act != "claim.viewed")
    if before is not None:
        found = found.where(AuditLink.number < before)
    rows = session.execute(found).all()
    names, known = user_names(session, practice_id), _display_numbers(session, practice_id)
    return [_act(row, names, known) for row in rows]


def user_names(session: Session, practice_id: int) -> dict[int, str]:
    """Return the names of all present and former users of the practice, by id, in name order."""
    found = select(User.id, User.name).where(User.practice_id == practice_id).order_by(User.name, User.id)
    return dict(session.execute(found).all())


def find_user_id(session: Session, practice_id: int, email: str) -> int:
    """Return the id of the practice's user with that e-mail address. Raise `NotFound`."""
    user = find_by_email(session, email)
    if user is None or user.practice_id != practice_id:
        raise NotFound(f"This practice has no user {email[:254]}.")
    return user.id


def head(session: Session, practice_id: int) -> Head:
    """Return the last link of the practice's chain."""
    last = select(AuditLink.number, AuditLink.digest).where(AuditLink.practice_id == practice_id)
    found = session.execute(last.order_by(AuditLink.number.desc()).limit(1)).one_or_none()
    return Head(*found) if found else Head(0, "")


def contains_head(session: Session, practice_id: int, kept: Head) -> bool:
    """Return whether the practice's chain still contains a link that was stored elsewhere."""
    link = (AuditLink.practice_id == practice_id, AuditLink.number == kept.number)
    return session.scalar(select(AuditLink.digest).where(*link)) == kept.digest


def authorize_export(session: Session, f: AuditFilter, *, by: Actor, now: dt.datetime) -> None:
    """Check that `by` may export the acts, and record it. The caller commits before the first byte is sent."""
    by.require(Action.SEE_AUDIT)
    audit.record(session, "audit.exported", Subject.practice(by.practice_id), by=by.user_id, now=now, asked=f.given())


def authorize_package(session: Session, *, by: Actor, now: dt.datetime) -> None:
    """Check that `by` may export the audit package, and record it, as for `authorize_export`."""
    by.require(Action.SEE_AUDIT)
    audit.record(session, "audit.packaged", Subject.practice(by.practice_id), by=by.user_id, now=now)


def csv_file(session: Session, practice_id: int, f: AuditFilter) -> Iterator[str]:
    """Yield the acts from first to last as CSV for an auditor, in pieces.

    Each checksum is the SHA-256 of "Checksum input" in UTF-8, which begins with the previous checksum.
    """
    names, known = user_names(session, practice_id), _display_numbers(session, practice_id)
    before = aliased(AuditLink)
    previous = and_(before.practice_id == AuditLink.practice_id, before.number == AuditLink.number - 1)
    found = _select(session, practice_id, f).add_columns(_hashed(func.coalesce(before.digest, "")))
    rows = session.execute(
        found.outerjoin(before, previous).order_by(AuditLink.number), execution_options={"yield_per": _READ_AT_ONCE}
    )

    def cells() -> Iterator[list[str]]:
        for row in rows:
            act = _act(row[:-1], names, known)
            yield [
                str(act.number), act.at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
                escape_formula(act.who), escape_formula(act.email or ""), act.act, escape_formula(act.subject),
                escape_formula(act.sentence), json.dumps(act.facts), act.digest, row[-1],
            ]  # fmt: skip

    yield from csv_pieces(COLUMN_HEADINGS, cells())


def file_name(now: dt.datetime) -> str:
    """Return the name of the exported file."""
    return f"audit-{now.astimezone(dt.UTC):%Y-%m-%d}.csv"


def _hashed(previous: ColumnElement[str]) -> ColumnElement[str]:
    """Return the text that a link's digest hashes, as the trigger builds it."""
    entry = (
        AuditEntry.practice_id, AuditEntry.id, extract("epoch", AuditEntry.at), AuditEntry.user_id,
        AuditEntry.act, AuditEntry.subject, AuditEntry.facts,
    )  # fmt: skip
    posted = func.jsonb_build_array(AuditLink.transaction_id, AuditLink.postings_sha256)
    more = case((AuditLink.postings_sha256.is_(None), func.jsonb_build_array()), else_=posted)
    return cast(func.jsonb_build_array(previous, *entry).concat(more), Text)


def _select(session: Session, practice_id: int, f: AuditFilter) -> Select[Any]:
    of_entry = and_(AuditEntry.practice_id == AuditLink.practice_id, AuditEntry.id == AuditLink.entry_id)
    found = (
        select(
            AuditLink.number, AuditEntry.at, AuditEntry.user_id, User.name, User.email, AuditEntry.act,
            AuditEntry.subject, AuditEntry.facts, AuditLink.digest,
        )
        .join(AuditEntry, of_entry)
        .outerjoin(User, User.id == AuditEntry.user_id)
        .where(AuditLink.practice_id == practice_id)
    )  # fmt: skip
    return found.where(*_conditions(session, practice_id, f))


def _conditions(session: Session, practice_id: int, f: AuditFilter) -> Iterator[ColumnElement[bool]]:
    if f.person is not None:
        yield AuditEntry.user_id == f.person
    if f.job is not None:
        yield AuditEntry.subject.in_([f"job:{f.job}", *_reversals_of(session, practice_id, f.job)])
    if f.trace is not None:
        traced = select(Remittance.id).where(Remittance.practice_id == practice_id, Remittance.trace == f.trace)
        yield AuditEntry.subject.in_(_remittances(session, traced))
    if f.claim is not None:
        yield _on_claim(session, practice_id, f.claim)
    zone = ZoneInfo(practice_queries.find(session, practice_id).time_zone)
    if f.first_day is not None:
        yield AuditEntry.at >= dt.datetime.combine(f.first_day, dt.time.min, zone)
    if f.last_day is not None:
        yield AuditEntry.at < dt.datetime.combine(f.last_day + dt.timedelta(days=1), dt.time.min, zone)


def _reversals_of(session: Session, practice_id: int, job: int) -> list[str]:
    reversals = select(SettleJob.id).where(SettleJob.practice_id == practice_id, SettleJob.reverses_job_id == job)
    return [f"job:{job_id}" for job_id in session.scalars(reversals)]


def _remittances(session: Session, ids: Select[int]) -> list[str]:
    return [f"remittance:{remittance_id}" for remittance_id in session.scalars(ids)]


def _on_claim(session: Session, practice_id: int, number: str) -> ColumnElement[bool]:
    """Return the condition for acts on the claim, its jobs, imports, remittances, and its patient's exclusions."""
    found = select(Claim).where(Claim.practice_id == practice_id, Claim.external_id == number)
    claim = session.scalars(found).one_or_none()
    subjects = [f"claim:{number}", *_jobs_containing(session, practice_id, number)]
    if claim is None:
        return AuditEntry.subject.in_(subjects)
    excluded = select(Exclusion.id).where(
        Exclusion.practice_id == practice_id,
        or_(
            Exclusion.patient_id == claim.patient_id,
            Exclusion.payer_id.in_([claim.primary_payer_id, claim.secondary_payer_id]),
        ),
    )
    subjects += [f"exclusion:{number}" for number in session.scalars(excluded)]
    answered = select(RemittanceClaim.remittance_id).distinct()
    of_claim = (RemittanceClaim.practice_id == practice_id, RemittanceClaim.claim_id == claim.id)
    subjects += _remittances(session, answered.where(*of_claim))
    # An import records one act for all its claims. Its postings have the same time as the act.
    imported = select(Posting.created_at).where(
        Posting.practice_id == practice_id, Posting.claim_id == claim.id, Posting.source.is_not(None)
    )
    return or_(
        AuditEntry.subject.in_(subjects), and_(AuditEntry.act.in_(IMPORT_ACTS), AuditEntry.at.in_(imported.distinct()))
    )


def _jobs_containing(session: Session, practice_id: int, claim: str) -> list[str]:
    of_claim = and_(JobItem.practice_id == Claim.practice_id, JobItem.claim_id == Claim.id)
    held = select(JobItem.job_id).join(Claim, of_claim)
    jobs = session.scalars(held.where(Claim.practice_id == practice_id, Claim.external_id == claim))
    return [f"job:{job_id}" for job_id in jobs]


def _display_numbers(session: Session, practice_id: int) -> dict[str, str]:
    """Return the practice's own numbers for subjects that the audit names by internal ids."""
    providers = select(Provider.id, Provider.external_id).where(Provider.practice_id == practice_id)
    known = {f"provider:{id_}": f"provider {number}" for id_, number in session.execute(providers)}
    for table, id_, kind in ((Patient, Exclusion.patient_id, "patient"), (Payer, Exclusion.payer_id, "payer")):
        excluded = select(Exclusion.id, table.id, table.external_id).where(
            Exclusion.practice_id == practice_id, table.practice_id == practice_id, table.id == id_
        )
        for exclusion, internal, number in session.execute(excluded):
            known |= {f"exclusion:{exclusion}": f"{kind} {number}", f"{kind}:{internal}": number}
    return known


def _act(row: Any, names: dict[int, str], known: dict[str, str]) -> AuditRow:
    number, at, user_id, person, email, act, subject, facts, digest = row
    if act == sentences.SIGN_IN_FAILED:  # an earlier version recorded the account's owner as the user who tried
        user_id = person = email = None
    words = sentences.sentence(act, subject, names=names, known=known)
    details = sentences.details(facts, names=names, known=known)
    return AuditRow(number, at, user_id, person, email, act, subject, facts, digest, words, details)
