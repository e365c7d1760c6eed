"""Compare claim numbers from a list with the practice's claims: found, can't be settled, and not found."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ARRAY, Text, exists, false, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from core.claims import feed_conditions
from core.intake.claim_list.read_text import SEPARATORS
from core.intake.parsing.characters import fold_look_alikes
from core.intake.parsing.spreadsheet import damage_to_id
from core.models.claims import Claim
from core.policy import facts, rules
from core.policy.terms import Terms

NAMED_MAX: Final = 5  # claims named for one number or one reason


class MissingNumber(NamedTuple):
    """A number that no claim has, the claims with similar numbers, and what a spreadsheet did to it."""

    number: str
    near: tuple[str, ...]
    damage: str | None

    @property
    def only_near(self) -> str | None:
        """Return the similar claim, if there is exactly one."""
        return self.near[0] if len(self.near) == 1 else None


class Blocked(NamedTuple):
    """Claims that one rule keeps from being settled: its code, how many, and the first ones."""

    code: str
    claims: int
    first: tuple[str, ...]


class ListCheck(NamedTuple):
    """What the practice has of a list."""

    found: int
    statuses: tuple[tuple[str, int], ...]  # billing statuses, most frequent first
    blocked: tuple[Blocked, ...]
    missing: tuple[MissingNumber, ...]  # in the order of the list


def check(session: Session, practice_id: int, numbers: Sequence[str], terms: Terms) -> ListCheck:
    """Compare the numbers with the practice's claims, in one query for each question."""
    feed_conditions.use_custom_plans(session)
    code = feed_conditions.eligibility(terms).label("code")
    found = (
        select(Claim.external_id, Claim.billing_status, code)
        .select_from(facts.claims_with_payers())
        .where(Claim.practice_id == practice_id, feed_conditions.has_number_in(numbers))
        .subquery()
    )
    first = _first_claims(found.c.external_id)
    counts = select(found.c.billing_status, found.c.code, func.count(), first)
    statuses: Counter[str] = Counter()
    blocked: dict[str, Blocked] = {}
    for status, why, claims, named in session.execute(counts.group_by(found.c.billing_status, found.c.code)):
        statuses[status] += claims
        if why in rules.skip_codes():
            before = blocked.get(why, Blocked(why, 0, ()))
            named_first = tuple(sorted({*before.first, *named})[:NAMED_MAX])
            blocked[why] = Blocked(why, before.claims + claims, named_first)
    return ListCheck(
        statuses.total(),
        tuple(statuses.most_common()),
        tuple(sorted(blocked.values(), key=lambda one: (-one.claims, one.code))),
        tuple(missing_numbers(session, practice_id, numbers)),
    )


def missing_numbers(session: Session, practice_id: int, numbers: Sequence[str]) -> list[MissingNumber]:
    """Return the numbers that no claim of the practice has, each with the claims that have a similar number."""
    listed = func.unnest(_texts(numbers)).table_valued("number", with_ordinality="at").render_derived()
    known = exists().where(Claim.practice_id == practice_id, Claim.external_id == listed.c.number)
    missing = session.scalars(select(listed.c.number).where(~known).order_by(listed.c.at)).all()
    near = _near(session, practice_id, missing) if missing else {}
    return [MissingNumber(number, near.get(number, ()), damage_to_id(number)) for number in missing]


def with_similar(numbers: Iterable[str], missing: Iterable[MissingNumber], wanted: Collection[str]) -> tuple[str, ...]:
    """Return the numbers with the only similar claim in place of each `wanted` one. Each number stays once."""
    similar = {one.number: one.only_near for one in missing if one.only_near and one.number in wanted}
    return tuple(dict.fromkeys(similar.get(number) or number for number in numbers))


def separators_in_numbers(session: Session, practice_id: int) -> set[str]:
    """Return which separators of a list occur inside the practice's own claim numbers, so that they split nothing."""
    occurs = (func.coalesce(func.bool_or(func.strpos(Claim.external_id, one) > 0), false()) for one in SEPARATORS)
    found = session.execute(select(*occurs).where(Claim.practice_id == practice_id)).one()
    return {one for one, is_inside in zip(SEPARATORS, found, strict=True) if is_inside}


def _near(session: Session, practice_id: int, missing: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return, by missing number, the claims whose numbers differ only in leading zeros, letter case or look-alikes."""
    looks = [fold_look_alikes(number).lstrip("# ") for number in missing]
    both = func.unnest(_texts(missing), _texts(looks)).table_valued("number", "looks").render_derived()
    alike = _folded(Claim.external_id) == _folded(both.c.looks)
    found = (
        select(both.c.number, _first_claims(Claim.external_id))
        .join_from(both, Claim, alike)
        .where(Claim.practice_id == practice_id)
        .group_by(both.c.number)
    )
    return {number: tuple(near) for number, near in session.execute(found)}


def _first_claims(number: Any) -> Any:
    return func.array_agg(aggregate_order_by(number, number), type_=ARRAY(Text))[1:NAMED_MAX]


def _folded(number: Any) -> Any:
    return func.lower(func.ltrim(number, "0"))


def _texts(values: Sequence[str]) -> Any:
    return literal(list(values), ARRAY(Text))
