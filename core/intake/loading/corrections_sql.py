"""Find the postings that the files change or no longer contain."""

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    Text,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.intake.loading.known_postings import CORRECTION
from core.models.ledger import Posting

REMOVED: Final = "removed"
DIGEST_CHARACTERS: Final = 12
MOVING: Final = (PostingKind.PAYMENT.value, PostingKind.ADJUSTMENT.value)
POSTINGS_SOURCE: Final = "csv"  # source of `settle import postings`, which posts corrections
_STAGE: Final = stages.POSTING


def _digest_sql(columns: list[ColumnElement[Any]]) -> ColumnElement[str]:
    digest = func.sha256(func.convert_to(func.concat_ws("|", *columns), "UTF8"))
    return func.left(func.encode(digest, "hex"), DIGEST_CHARACTERS)


def _earlier_corrections(practice_id: int, source: str) -> Select[Any]:
    """Return each corrected posting of the source, with its values after the first and after the last correction.

    `settle import postings` posts corrections under its own source, `csv`.
    """
    original, to = (func.split_part(Posting.source_id, CORRECTION, part) for part in (1, 2))
    digest = func.split_part(to, "-", 1)
    of_source = (Posting.practice_id == practice_id, Posting.source.in_({source, POSTINGS_SOURCE}))
    return (
        select(original.label("source_id"), func.min(digest).label("first_to"), func.max(digest).label("last_to"))
        .where(*of_source, Posting.source_id.contains(CORRECTION))
        .group_by(original)
    )


def _found_corrections(practice_id: int, source: str) -> Select[Any]:
    """Return each posting on a claim in the file that the file changes or no longer contains."""
    known = stages.KNOWN_POSTING
    is_charge = known.c.kind == PostingKind.CHARGE.value

    def values(of: Any, prefix: str) -> list[ColumnElement[Any]]:
        return [
            (cast(of[name], Text) if name == "posted_on" else of[name]).label(f"{prefix}_{name}")
            for name in STAGED_POSTING_COLUMNS
        ]

    def differs(name: str) -> ColumnElement[bool]:
        other: ColumnElement[bool] = _STAGE.c[name].is_distinct_from(known.c[name])
        # A charge is dated its claim's date of service. If that date differs, it is listed with the claim.
        return and_(other, ~is_charge) if name == "posted_on" else other

    earlier = _earlier_corrections(practice_id, source).subquery("earlier")
    # A recognized posting has newer values than its corrections.
    of_earlier = and_(earlier.c.source_id == known.c.source_id, ~known.c.recognized)
    corrected_before = earlier.c.source_id.is_not(None).label("corrected_before")

    def is_corrected(to: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the only correction of the posting so far led to these values."""
        return func.coalesce(and_(earlier.c.first_to == to, earlier.c.last_to == to), False)

    changed = (
        select(
            _STAGE.c.at, known.c.source_id, known.c.claim, *values(known.c, "old"), *values(_STAGE.c, "new"),
            corrected_before, known.c.recognized,
        )
        .join(known, known.c.source_id == _STAGE.c.source_id)
        .outerjoin(earlier, of_earlier)
        .where(
            or_(*map(differs, STAGED_POSTING_COLUMNS), corrected_before),
            ~is_corrected(_digest_sql([_STAGE.c[name] for name in STAGED_POSTING_COLUMNS])),
        )
    )  # fmt: skip
    nothing = [cast(null(), column.type).label(column.name) for column in values(_STAGE.c, "new")]
    missing = select(
        cast(literal(None), _STAGE.c.at.type).label("at"), known.c.source_id, known.c.claim, *values(known.c, "old"),
        *nothing, corrected_before, known.c.recognized,
    ).outerjoin_from(known, earlier, of_earlier).where(
        exists().where(stages.CLAIM.c.external_id == known.c.claim),
        known.c.amount_cents != 0,  # a recognized posting that the file did not have before either
        ~exists().where(_STAGE.c.source_id == known.c.source_id),
        ~known.c.source_id.contains(CORRECTION),
        ~is_corrected(literal(REMOVED)),
    )  # fmt: skip
    return union_all(changed, missing)  # type: ignore[return-value]


def find_corrections(session: Session, practice_id: int, source: str, *, gives_totals: bool) -> None:
    """Stage what differs from the ledger, with `is_new` for a total that contains another payment or adjustment.

    A transfer is derived from the balances. It is new if no other posting of its claim has to be corrected.
    Call it before the known rows are deleted, and again if what is known changes.
    """
    found = _found_corrections(practice_id, source).subquery("differing")
    of = found.c
    is_same = and_(of.at.is_not(None), ~of.corrected_before, of.new_responsibility == of.old_responsibility)
    rises = func.coalesce(and_(is_same, of.old_kind.in_(MOVING), of.new_amount_cents < of.old_amount_cents), false())
    moves = func.coalesce(and_(is_same, of.old_kind == PostingKind.TRANSFER.value), false())
    stays = ~func.bool_or(~or_(rises, moves)).over(partition_by=of.claim)
    is_new = and_(literal(gives_totals), or_(rises, and_(moves, stays)))
    rows = select(found, is_new.label("is_new"))
    stages.clear_stages(session, stages.CORRECTION)
    session.execute(insert(stages.CORRECTION).from_select([*rows.selected_columns.keys()], rows))
    stages.analyze(session, stages.CORRECTION.name)


def keep_corrections(session: Session) -> None:
    """Stage what correcting postings would do to the balances in TO_POST. Call it before known rows are deleted.

    A changed posting counts as its counter-posting and the new one, also if only the difference would be posted.
    """
    found = stages.CORRECTION
    for sign, prefix, condition in ((-1, "old", found.c.source_id.is_not(None)), (1, "new", found.c.at.is_not(None))):
        values: dict[str, Any] = {name: found.c[f"{prefix}_{name}"] for name in STAGED_POSTING_COLUMNS}
        is_charge = values["kind"] == PostingKind.CHARGE.value
        values |= {
            "amount_cents": sign * values["amount_cents"], "posted_on": cast(values["posted_on"], Date),
            "kind": case((is_charge, PostingKind.ADJUSTMENT.value), else_=values["kind"]),
        }  # fmt: skip
        id_ = func.concat(found.c.source_id, CORRECTION, prefix)
        rows = select(found.c.at, id_, found.c.claim, *values.values()).where(~found.c.corrected_before, condition)
        session.execute(insert(stages.TO_POST).from_select(["at", "source_id", "claim", *values], rows))
