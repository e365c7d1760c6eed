"""Post what was decided, and update write-offs, balances and statuses to match."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ARRAY, BigInteger, Select, Text, any_, cast, select, text
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.enums.claims import ClaimStatus
from core.enums.ledger import GroupCode, PaidBy
from core.intake.loading.stages import insert_copied
from core.intake.remittances.answers import Answer
from core.intake.remittances.decision import Decision, NewPosting
from core.intake.remittances.our_claim import OurClaim
from core.ledger import balances, late_payments
from core.ledger.late_payments import WriteOffChanges
from core.ledger.remittance_source import SOURCE, RemittanceSource
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.practices import Practice
from core.practices import practice_days

_COLUMNS: Final = (
    "practice_id", "claim_id", "line", "responsibility", "kind", "amount_cents", "paid_by", "group_code", "reason_code",
    "posted_on", "created_at", "user_id", "reverses_id", "source", "source_id",
)  # fmt: skip
_GROUPS: Final = frozenset(GroupCode)
# An answer that is no denial ends the denial, unless the other payer denied the claim or the denial is newer.
_DENIAL: Final = """
    CASE WHEN new.denied_on IS NOT NULL THEN new.{0}
         WHEN new.status IS NOT NULL AND c.denied_on <= new.answered_on
              AND CASE new.role WHEN 'primary' THEN c.secondary_status ELSE c.primary_status END <> 'ERA Denied'
             THEN NULL
         ELSE c.{0} END
"""
_SET_STATUS: Final = text(f"""
    UPDATE claim c SET
        primary_status = coalesce(CASE new.role WHEN 'primary' THEN new.status END, c.primary_status),
        secondary_status = coalesce(CASE new.role WHEN 'secondary' THEN new.status END, c.secondary_status),
        denied_on = {_DENIAL.format("denied_on")}, denial_group = {_DENIAL.format("denial_group")},
        denial_carc = {_DENIAL.format("denial_carc")},
        last_answer_on = greatest(new.answered_on, c.last_answer_on),
        last_answer_status = CASE WHEN c.last_answer_on > new.answered_on THEN c.last_answer_status
                                  ELSE new.answer_status END,
        payer_claim_number = CASE WHEN c.last_answer_on > new.answered_on THEN c.payer_claim_number
                                  ELSE nullif(new.number, '') END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:roles AS text[]), CAST(:statuses AS text[]), CAST(:denied AS date[]),
                CAST(:groups AS text[]), CAST(:reasons AS text[]), CAST(:answered AS date[]),
                CAST(:answers AS text[]), CAST(:numbers AS text[]))
        AS new (id, role, status, denied_on, denial_group, denial_carc, answered_on, answer_status, number)
    WHERE c.practice_id = :practice_id AND c.id = new.id
""")  # noqa: S608  constants


class ToPost(NamedTuple):
    """A decision to post on a claim, at most one for each claim at a time."""

    claim: OurClaim
    remittance_id: int
    answer: Answer
    decision: Decision
    posted_on: dt.date

    def name_of(self, place: int) -> str:
        """Return the source id of the posting with this place in the decision."""
        return str(RemittanceSource(self.remittance_id, self.answer.ordinal, place))


def post(
    session: Session, practice: Practice, given: Sequence[ToPost], *, by: Actor | None, now: dt.datetime, locks: bool
) -> WriteOffChanges:
    """Post the decisions. The caller has locked the claims and the months unless `locks` is false, as in a check.

    A check leaves the balances of the claims as they are, so that jobs and users need not wait for it. A later answer
    on the same claim sees the postings.
    """
    plain = [one for one in given if not one.claim.has_write_offs]
    _copy(session, practice.id, [(one, range(len(one.decision.postings))) for one in plain], by=by, now=now)
    with_write_offs = [one for one in given if one.claim.has_write_offs]
    changes = _post_in_rounds(session, practice, with_write_offs, by=by, now=now)
    if locks and given:
        _set_statuses(session, practice.id, given)
        balances.refresh(session, practice.id, _these(practice.id, [one.claim.id for one in given]))
    return changes


def _these(practice_id: int, claim_ids: Collection[int]) -> Select[Any]:
    return select(Claim.id).where(
        Claim.practice_id == practice_id, Claim.id == any_(cast(list(claim_ids), ARRAY(BigInteger)))
    )


def _copy(
    session: Session,
    practice_id: int,
    given: Sequence[tuple[ToPost, Sequence[int]]],
    *,
    by: Actor | None,
    now: dt.datetime,
) -> None:
    """Copy postings into the ledger: those with these places in their decision."""
    user_id = by.user_id if by else None
    rows = (
        (
            practice_id, one.claim.id, posting.line, posting.responsibility.value, posting.kind.value,
            posting.amount_cents, posting.paid_by and posting.paid_by.value, posting.group_code, posting.reason_code,
            one.posted_on, now, user_id, posting.reverses_id, SOURCE, one.name_of(place),
        )
        for one, places in given
        for place in places
        for posting in [one.decision.postings[place]]
    )  # fmt: skip
    insert_copied(session, "posting", _COLUMNS, rows)


def _post_in_rounds(
    session: Session, practice: Practice, given: Sequence[ToPost], *, by: Actor | None, now: dt.datetime
) -> WriteOffChanges:
    """Post on claims with write-offs, at most one posting for each line and responsibility at a time."""
    changes = WriteOffChanges()
    rounds = [(one, _rounds(one.decision.postings)) for one in given]
    for nth in range(max((len(each) for _, each in rounds), default=0)):
        picked = [(one, each[nth]) for one, each in rounds if nth < len(each)]
        _copy(session, practice.id, picked, by=by, now=now)
        names = [one.name_of(place) for one, places in picked for place in places]
        claim_ids = [one.claim.id for one, _ in picked]
        of_source = (Posting.practice_id == practice.id, Posting.source == SOURCE)
        ids = session.scalars(select(Posting.id).where(*of_source, Posting.source_id == any_(cast(names, ARRAY(Text)))))
        done = late_payments.match_write_offs(
            session, practice.id, ids.all(), claim_ids=claim_ids, user_id=by.user_id if by else None, now=now,
            today=practice_days.today(practice, now=now),
        )  # fmt: skip
        changes = changes.combined_with(done)
        # Each round raises the version, because a version allows one write-off for each line and responsibility.
        balances.refresh(session, practice.id, _these(practice.id, claim_ids))
    return changes


def _rounds(postings: Sequence[NewPosting]) -> list[list[int]]:
    seen: Counter[tuple[int, str]] = Counter()
    rounds: list[list[int]] = []
    for place, posting in enumerate(postings):
        nth = seen[posting.line, posting.responsibility.value]
        seen[posting.line, posting.responsibility.value] += 1
        if nth == len(rounds):
            rounds.append([])
        rounds[nth].append(place)
    return rounds


def _status_after(one: ToPost) -> str | None:
    """Return the payer's status. After a reversal alone, the claim waits for the payer again."""
    decision = one.decision
    if decision.reverses is not None:
        earlier = [each for each in one.claim.earlier if each.role is decision.role]
        is_alone = all((each.remittance_id, each.ordinal) == decision.reverses for each in earlier)
        return ClaimStatus.AT_PAYER.value if is_alone else None
    return (ClaimStatus.ERA_DENIED if decision.denial else ClaimStatus.ERA_RECEIVED).value


def _set_statuses(session: Session, practice_id: int, given: Sequence[ToPost]) -> None:
    """Set the payer's status, the denial and the newest answer of each claim."""
    rows = [
        (
            one.claim.id, one.decision.role, _status_after(one),
            one.posted_on if one.decision.denial else None, *(one.decision.denial or (None, None)), one.posted_on,
            one.answer.status, one.answer.payer_claim_id,
        )
        for one in given
        if one.decision.role in (PaidBy.PRIMARY, PaidBy.SECONDARY)
    ]  # fmt: skip
    if not rows:
        return
    ids, roles, statuses, denied, groups, codes, *newest = (list(column) for column in zip(*rows, strict=True))
    session.execute(
        _SET_STATUS,
        {
            "practice_id": practice_id, "ids": ids, "roles": [role and role.value for role in roles],
            "statuses": statuses, "denied": denied, "groups": [one if one in _GROUPS else None for one in groups],
            "reasons": codes, **dict(zip(("answered", "answers", "numbers"), newest, strict=True)),
        },
    )  # fmt: skip
