"""Match answers to the practice's claims by claim number, then by what the payer keeps of it, then by its own number.

A replacement's number counts as the claim's. A placeholder is never matched, nor a number that several patients of a
remittance share.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, Select, Text, and_, any_, cast, exists, func, or_, select, union, union_all
from sqlalchemy.orm import Session, aliased

from core.intake.remittances import reasons
from core.intake.remittances.answers import Answer
from core.intake.remittances.load_claims import PayerKey
from core.models.claims import Claim
from core.models.remittances import Remittance, RemittanceClaim
from core.models.sent_claims import SentClaim, SentNumber
from core.x12.problems import Problem

_KEPT_CHARACTERS: Final = 20  # of a claim number; a payer need not keep more
_PLACEHOLDER: Final = reasons.code_of(Problem.PLACEHOLDER_ID)
_BEGINS: Final = func.left(Claim.external_id, _KEPT_CHARACTERS)
_OF_REMITTANCE: Final = and_(
    Remittance.practice_id == RemittanceClaim.practice_id, Remittance.id == RemittanceClaim.remittance_id
)


class Match(NamedTuple):
    """The claim of an answer, if it was found, and the codes of how or why not."""

    claim_id: int | None
    codes: list[str]


def match_claims(
    session: Session, practice_id: int, answers: Sequence[Answer], payer: PayerKey, *, shared: Collection[str]
) -> dict[int, Match]:
    """Return the match of each answer by its ordinal. `shared` are the numbers that several patients have."""
    found: dict[int, Match] = {}
    usable = []
    for answer in answers:
        if _PLACEHOLDER in answer.problems:
            found[answer.ordinal] = Match(None, [])
        elif answer.claim_number in shared:
            found[answer.ordinal] = Match(None, ["shared_number"])
        else:
            usable.append(answer)
    exact = _by_number(session, practice_id, {answer.claim_number for answer in usable})
    left = [answer for answer in usable if answer.claim_number not in exact]
    replaced = _by_replacement(session, practice_id, {answer.claim_number for answer in left})
    for answer in usable:
        number = answer.claim_number
        if number in exact:
            found[answer.ordinal] = Match(exact[number], [])
        elif number in replaced:
            found[answer.ordinal] = Match(replaced[number], ["matched_by_replacement"])
    left = [answer for answer in left if answer.claim_number not in replaced]
    if left:
        found |= _by_less(session, practice_id, left, payer)
    return found


def with_candidates(*of_answers: ColumnElement[bool], limit: int) -> Select[int, int]:
    """Return the keys of stored answers that may have a claim by now, at most `limit`."""
    answer, earlier = RemittanceClaim, aliased(RemittanceClaim)
    same, its = aliased(Remittance), aliased(Remittance)
    of_practice = Claim.practice_id == answer.practice_id
    by_number = exists().where(of_practice, Claim.external_id == answer.claim_number)
    is_cut = func.char_length(answer.claim_number) == _KEPT_CHARACTERS
    by_prefix = exists().where(of_practice, answer.claim_number == _BEGINS)
    by_replacement = exists().where(
        SentNumber.practice_id == answer.practice_id, SentNumber.number == answer.claim_number
    )
    of_answer = (its.practice_id == answer.practice_id, its.id == answer.remittance_id)
    by_acceptance = exists().where(
        SentClaim.practice_id == answer.practice_id, SentClaim.payer_claim_number == answer.payer_claim_id,
        SentClaim.payer_number == its.payer_id, *of_answer,
    )  # fmt: skip
    by_payer = exists().where(
        earlier.practice_id == answer.practice_id, earlier.payer_claim_id == answer.payer_claim_id,
        earlier.claim_id.is_not(None),
        same.practice_id == earlier.practice_id, same.id == earlier.remittance_id, *of_answer,
        or_(
            and_(same.payer_tax_id == its.payer_tax_id, its.payer_tax_id != ""),
            and_(same.payer_id == its.payer_id, its.payer_id != ""),
        ),
    )  # fmt: skip
    is_named = answer.payer_claim_id != ""
    ways = ((by_number,), (by_replacement,), (is_cut, by_prefix), (is_named, by_payer), (is_named, by_acceptance))
    key = (answer.remittance_id, answer.ordinal)
    # Each way is a query of its own, because PostgreSQL cannot join by one of several conditions. With an order, it
    # would look up each answer by itself.
    found = union_all(*(select(*key).where(*of_answers, *way).limit(limit).subquery().select() for way in ways))
    return select(*found.subquery().c).distinct().limit(limit)


def _by_number(session: Session, practice_id: int, numbers: Collection[str]) -> dict[str, int]:
    rows = select(Claim.external_id, Claim.id).where(
        Claim.practice_id == practice_id, Claim.external_id == any_(cast(list(numbers), ARRAY(Text)))
    )
    return dict(session.execute(rows).all()) if numbers else {}


def _by_replacement(session: Session, practice_id: int, numbers: Collection[str]) -> dict[str, int]:
    """Return the claims that were sent again under these numbers."""
    of_practice = SentNumber.practice_id == practice_id
    rows = select(SentNumber.number, SentNumber.claim_id).where(of_practice, SentNumber.number.in_(numbers))
    return dict(session.execute(rows).all()) if numbers else {}


def _by_less(session: Session, practice_id: int, answers: list[Answer], payer: PayerKey) -> dict[int, Match]:
    cut = {answer.claim_number for answer in answers if len(answer.claim_number) == _KEPT_CHARACTERS}
    by_prefix = _by_prefix(session, practice_id, cut)
    by_payer = _by_payer_number(session, practice_id, {answer.payer_claim_id for answer in answers} - {""}, payer)
    found = {}
    for answer in answers:
        candidates, how = by_prefix.get(answer.claim_number, set()), "matched_by_prefix"
        if not candidates:
            candidates, how = by_payer.get(answer.payer_claim_id, set()), "matched_by_payer_number"
        if len(candidates) == 1:
            found[answer.ordinal] = Match(next(iter(candidates)), [how])
        else:
            found[answer.ordinal] = Match(None, ["several_claims" if candidates else "no_claim"])
    return found


def _by_prefix(session: Session, practice_id: int, numbers: Collection[str]) -> dict[str, set[int]]:
    if not numbers:
        return {}
    rows = select(_BEGINS, Claim.id).where(Claim.practice_id == practice_id, _BEGINS.in_(numbers))
    return _grouped(session.execute(rows).all())


def _by_payer_number(
    session: Session, practice_id: int, numbers: Collection[str], payer: PayerKey
) -> dict[str, set[int]]:
    """Return the claims to which this payer gave these numbers: in answers (CLP07), or when it accepted them."""
    if not numbers or not any(payer):
        return {}
    same = or_(*(
        column == value
        for column, value in ((Remittance.payer_tax_id, payer.tax_id), (Remittance.payer_id, payer.id))
        if value
    ))  # fmt: skip
    rows = (
        select(RemittanceClaim.payer_claim_id, RemittanceClaim.claim_id)
        .join(Remittance, _OF_REMITTANCE)
        .where(
            RemittanceClaim.practice_id == practice_id, RemittanceClaim.payer_claim_id.in_(numbers),
            RemittanceClaim.claim_id.is_not(None), same,
        )
    )  # fmt: skip
    accepted = select(SentClaim.payer_claim_number, SentClaim.claim_id).where(
        SentClaim.practice_id == practice_id, SentClaim.payer_claim_number.in_(numbers),
        SentClaim.payer_number == payer.id,
    )  # fmt: skip
    return _grouped(session.execute(union(rows, accepted)).all())


def _grouped(rows: Iterable[Any]) -> dict[str, set[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for key, claim_id in rows:
        found[key].add(claim_id)
    return found
