"""Set the payer's status of claims from 277CA files. A rejected claim gets no remittance, so users must see it."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Select, column, select, table, text
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.counting import counted
from core.enums.claims import ClaimStatus
from core.intake.loading import stages
from core.intake.loading.take_changes import take_changes
from core.intake.sent_claims import sent_stages
from core.intake.sent_claims.acknowledgments_sql import (
    ADD_WAITING,
    APPLICABLE,
    CHANGES,
    COUNT_BY_STATUS,
    COUNT_NEW_WAITING,
    DATES,
    KEEP_WAITING,
    NEW_CLAIMS,
    NEWEST,
    NOT_FOUND,
    PAYER_NUMBERS,
    REJECTED,
    RENUMBER,
    TO_APPLY,
)
from core.intake.sent_claims.read_files import X12File, is_usable
from core.x12 import acknowledgment
from core.x12.envelope_records import Kind, Opened
from core.x12.problems import Reach
from core.x12.read import read

LISTED_MAX: Final = 20  # claims of one kind on the page
_CHANGED: Final = table("stage_status_change", column("claim"))
_SOURCE_LEVEL: Final = "20"
_PAYER: Final = "PR"
_COUNTS: Final = "SELECT field, count(*) FROM stage_difference GROUP BY field ORDER BY field"
_FORWARDED, _RECEIVED, _ACCEPTED, _SPLIT = "A0", "A1", "A2", "A5"


@dataclass
class Acknowledged:
    """What the 277CA files say. Counts are of claims."""

    changed: dict[str, int] = field(default_factory=dict)  # by the new status
    rejected: list[str] = field(default_factory=list)  # claim IDs
    not_found: list[str] = field(default_factory=list)  # claim IDs
    kept: int = 0  # for claims that may come later
    unknown: int = 0  # with a status that says nothing about acceptance
    whole_batches: int = 0  # rejections of everything that was sent together

    @property
    def count(self) -> int:
        """Return how many claims get a new status."""
        return sum(self.changed.values())

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "changed": self.changed, "unknown": self.unknown, "whole_batches": self.whole_batches,
            "not_found": {"count": len(self.not_found), "first": self.not_found[:LISTED_MAX]},
        }  # fmt: skip

    def notes(self) -> list[str]:
        """Return what changes, in sentences."""
        statuses = ", ".join(f"{count:,} {status}" for status, count in self.changed.items())
        notes = [f"New claim statuses from the payer or clearinghouse: {statuses}."] if statuses else []
        if self.rejected:
            cure = "Correct each rejected claim and send it again, unless a remittance answered it."
            notes.append(f"Rejected: {listed(self.rejected)}. {cure}")
        return notes

    def warnings(self) -> list[str]:
        """Return what a user should know, in sentences."""
        found = []
        if self.not_found:
            unknown = counted(len(self.not_found), "unknown claim")
            found.append(
                f"Claim acknowledgments for {unknown}: {listed(self.not_found)}. They are kept and take effect when "
                "the claim is imported."
            )
        if self.whole_batches:
            found.append(
                f"{counted(self.whole_batches, 'rejection')} of everything that was sent together. No claim is named. "
                "Ask the clearinghouse which claims to send again."
            )
        return found


def listed(claims: Sequence[str]) -> str:
    """Return the first claim IDs, and how many more there are."""
    more = f" and {len(claims) - LISTED_MAX:,} more" if len(claims) > LISTED_MAX else ""
    return ", ".join(claims[:LISTED_MAX]) + more


def read_acknowledgments(session: Session, files: Sequence[X12File]) -> Acknowledged:
    """Stage what the files say of claims."""
    found = Acknowledged()
    stages.copy_rows(session, sent_stages.ACKNOWLEDGED, _rows(files, found))
    stages.analyze(session, sent_stages.ACKNOWLEDGED.name)
    return found


def find_status_changes(session: Session, practice_id: int, found: Acknowledged) -> None:
    """Find the status changes, and set those of new claims in the stages. `apply_acknowledgments` sets the others."""
    bound = {"practice_id": practice_id}
    session.execute(text(ADD_WAITING), bound)
    session.execute(text(RENUMBER), bound)
    session.execute(text(NEWEST))
    found.not_found = list(session.scalars(text(NOT_FOUND), bound))
    found.kept = int(session.scalar(text(COUNT_NEW_WAITING), bound) or 0) if found.not_found else 0
    session.execute(text(APPLICABLE), bound)
    session.execute(text(CHANGES))
    found.changed = {row.status: row.claims for row in session.execute(text(COUNT_BY_STATUS))}
    found.rejected = list(session.scalars(text(REJECTED)))
    for statement in NEW_CLAIMS:
        session.execute(text(statement))


def acknowledged_claims() -> Select[Any]:
    """Return the IDs of the claims that get a new status."""
    return select(_CHANGED.c.claim)


def apply_acknowledgments(session: Session, practice_id: int, *, by: Actor | None, now: dt.datetime) -> None:
    """Set the statuses of existing claims, with the old and new values in the audit log. The claims are locked.

    Keep those of unknown claims.
    """
    bound = {"practice_id": practice_id}
    stages.clear_stages(session, stages.DIFFERENCE)
    session.execute(text(TO_APPLY), bound)
    counts = {f"claim {name.replace('_', ' ')}": count for name, count in session.execute(text(_COUNTS))}
    if counts:
        take_changes(session, practice_id, counts, by=by, now=now)
    for statement in (DATES, PAYER_NUMBERS, *KEEP_WAITING):
        session.execute(text(statement), bound)


def _rows(files: Sequence[X12File], found: Acknowledged) -> Iterator[tuple[Any, ...]]:
    for file in files:
        if not any(one.kind is Kind.ACKNOWLEDGMENT for one in file.checked.transactions):
            continue
        with file.path.open("rb") as binary:
            yield from _rows_of_file(file, read(binary, file.name), found)


def _rows_of_file(file: X12File, events: Iterator[Any], found: Acknowledged) -> Iterator[tuple[Any, ...]]:
    summaries, is_used, payer = iter(file.checked.transactions), False, None
    for event in events:
        if isinstance(event, Opened):
            is_used, payer = is_usable(next(summaries)), None
        elif not is_used or not isinstance(event, acknowledgment.ClaimStatus):
            continue
        elif event.level == _SOURCE_LEVEL:
            source = event.parties.get(_PAYER)
            payer = source and (source.id or source.name)
        elif not event.is_claim:
            found.whole_batches += event.is_rejected
        elif all(fault.problem.reach < Reach.CLAIM for fault in event.faults):
            status = _status_of(event, is_payer=payer is not None)
            if status is None:
                found.unknown += 1
            else:
                day = max((one.day for one in event.statuses if one.day), default=None)
                number = event.payer_claim_id.strip() or None
                yield file.base + event.segment, event.trace.strip(), payer, day, status.value, number


def _status_of(event: acknowledgment.ClaimStatus, *, is_payer: bool) -> ClaimStatus | None:
    """Return the status, or None if its codes say nothing about acceptance."""
    if event.is_rejected:
        return ClaimStatus.REJECTED
    codes = {code[0] for status in event.statuses for code in status.codes if code}
    if codes & {_ACCEPTED, _SPLIT}:
        return ClaimStatus.ACKNOWLEDGED
    if _FORWARDED in codes or (_RECEIVED in codes and is_payer):
        return ClaimStatus.AT_PAYER
    return ClaimStatus.AT_CLEARINGHOUSE if _RECEIVED in codes else None
