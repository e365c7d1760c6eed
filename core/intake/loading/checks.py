"""Checks that need all rows staged. Each is one query that returns the first faulty rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    Row,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.near_matches import NEAR_MATCH_CURES, near_match
from core.intake.parsing.faults import PLACES_MAX, Fault, FaultKind, Faults, quote_value
from core.models.ledger import PostingKind
from core.models.practices import BillingStatus, Office, Patient, Payer, Provider


@dataclass(frozen=True)
class Origin:
    """The file that a stage was read from, and its column names if they differ from the stage's."""

    file: str
    columns: Mapping[str, str] = field(default_factory=dict)
    charges: "Origin | None" = None  # the file of charge postings, if it is a different file

    def place(self, at: int) -> tuple[str, int]:
        """Return the file and the line of a staged row."""
        return self.file, at

    def fault(
        self,
        row: Any,
        column: str | None,
        value: str | None,
        cure: str,
        *,
        kind: FaultKind = FaultKind.REFERENCE,
        note: str | None = None,
    ) -> Fault:
        """Return a fault for the staged row, which has `at` and, if it is a posting, may have `kind`."""
        if self.charges is not None and getattr(row, "kind", None) == PostingKind.CHARGE:
            return self.charges.fault(row, column, value, cure, kind=kind, note=note)
        name = None if column is None else self.columns.get(column, column)
        return Fault(self.file, cure, line=row.at, column=name, value=value, note=note, kind=kind)


Origins = Mapping[Table, Origin]

NO_SUCH_STATUS: Final = "the practice does not have this billing status"
_READ_AT_ONCE: Final = 1_000  # rows

_UNIQUE_KEYS: Final = (
    (stages.BILLING_STATUS, ("name",)),
    (stages.OFFICE, ("external_id",)),
    (stages.PROVIDER, ("external_id",)),
    (stages.PAYER, ("external_id",)),
    (stages.PATIENT, ("external_id",)),
    (stages.CLAIM, ("external_id",)),
    (stages.CHARGED_LINE, ("claim", "number")),
    (stages.POSTING, ("source_id",)),
)
_SAME_ROW: Final = "duplicate row: every imported column is the same; was a file appended twice?"
_OTHER_VALUES: Final = "another row has the same ID but a different {fields}; correct the wrong row"
_FIELD_WORDS: Final = {"birth_date": "date of birth", "payer_class": "class"}
_OTHER_ROW: Final = {
    stages.CLAIM: "another claim has the same ID, so rows that refer to it are ambiguous; give each claim its own ID",
    stages.MAPPED_ROW: (
        "another row has the same claim ID; give each claim its own ID, or set the mapping to one row for each "
        "service line"
    ),
    stages.CHARGED_LINE: "another line on the claim has the same number; give each line its own number",
    stages.POSTING: "another posting has the same ID; give each posting its own ID",
    stages.SYNTHEA_ROW: "another transaction on the claim has the same number, so their order is unknown; "
    "export the files again",
}
_CLAIM_REFERENCES: Final = (
    ("patient", stages.PATIENT, Patient),
    ("office", stages.OFFICE, Office),
    ("billing_provider", stages.PROVIDER, Provider),
    ("supervising_provider", stages.PROVIDER, Provider),
    ("primary_payer", stages.PAYER, Payer),
    ("secondary_payer", stages.PAYER, Payer),
)


def check_staged(session: Session, practice_id: int, origins: Origins, faults: Faults) -> None:
    """Check for duplicates, and for references to records that are in neither the files nor the practice."""
    for stage, key in _UNIQUE_KEYS:
        if stage in origins:
            with_charges = stage is not stages.POSTING or stages.CHARGED_LINE not in origins
            add_duplicates(session, stage, key, origins[stage], faults, with_charges=with_charges)
    for column, stage, table in _CLAIM_REFERENCES:
        _add_unknown(session, practice_id, column, stage, table, origins, faults)
    _add_unknown_billing_status(session, practice_id, origins, faults)
    _add_lines_without_claim(session, origins, faults)
    _add_postings_without_line(session, origins, faults)
    add_transfers_that_lose_money(session, origins, faults)


def first_faulty_rows(session: Session, rows: Select[Any], *alike: str, faults: Faults) -> Iterator[Row[Any]]:
    """Yield the first rows by `at` for each value of `alike`. The first has the count in `times`. The others have 0.

    All rows are yielded if `faults` lists every place.
    """
    found = rows.subquery("found")
    columns = [found.c[name] for name in alike]
    nth = func.row_number().over(partition_by=columns, order_by=found.c.at)
    counted = select(found, nth.label("nth"), func.count().over(partition_by=columns).label("all")).subquery("counted")
    times = case((counted.c.nth == 1, counted.c.all), else_=0).label("times")
    ordered = select(counted, times).order_by(counted.c.at, counted.c.nth)
    if faults.lists_every_place:
        yield from session.execute(ordered, execution_options={"yield_per": _READ_AT_ONCE})
    else:
        yield from session.execute(ordered.where(counted.c.nth <= PLACES_MAX)).all()


def add_duplicates(
    session: Session,
    stage: Table,
    key: tuple[str, ...],
    origin: Origin,
    faults: Faults,
    *,
    with_charges: bool = True,
) -> None:
    """Add a fault for each staged row whose key is already in the file: an equal row or a different one.

    The fix is never to drop a row that differs, because its amount would be lost. Without `with_charges`, two charges
    with the same id are left out, because their lines are reported.
    """
    columns = [stage.c[name] for name in key]
    if len(columns) == 1 and not _repeats(session, columns[0]):
        return
    occurrence = func.row_number().over(partition_by=columns, order_by=stage.c.at).label("occurrence")
    first_at = func.min(stage.c.at).over(partition_by=columns).label("first_at")
    keyed = select(stage.c.at, first_at, occurrence, *columns).where(*(column.is_not(None) for column in columns))
    repeated = keyed.subquery("repeated")
    again, first = stage.alias("again"), stage.alias("first")
    read = [column.name for column in stage.c if column.name != "at" and column.server_default is None]
    is_equal = tuple_(*(again.c[n] for n in read)).is_not_distinct_from(tuple_(*(first.c[n] for n in read)))
    fields = [] if stage in _OTHER_ROW else [name for name in read if name not in key]
    differ = (case((again.c[name].is_distinct_from(first.c[name]), literal(name))) for name in fields)
    differing = func.concat_ws(" ", cast(null(), Text), *differ).label("differing")
    places = ((again, "here"), (first, "there"))
    both = (one.c[name].label(f"{name}_{where}") for name in fields for one, where in places)
    rows = (
        select(repeated, is_equal.label("is_equal"), differing, *both)
        .join(again, and_(again.c.at == repeated.c.at, *(again.c[n] == repeated.c[n] for n in key)))
        .join(first, and_(first.c.at == repeated.c.first_at, *(first.c[n] == repeated.c[n] for n in key)))
        .where(repeated.c.occurrence > 1)
    )
    if not with_charges:
        rows = rows.where(or_(*(one.c.kind.is_distinct_from(PostingKind.CHARGE.value) for one, _ in places)))
    for row in first_faulty_rows(session, rows, "is_equal", "differing", faults=faults):
        value = " / ".join(str(row._mapping[name]) for name in key)
        names = row.differing.split()
        cure = _SAME_ROW if row.is_equal else _OTHER_ROW.get(stage) or _describe_contradiction(stage, names)
        where = f"{'same as' if row.is_equal else 'also in'} line {row.first_at}"
        note = "; ".join([where, *_both_values(stage, row, names)])
        faults.add(origin.fault(row, key[-1], value, cure, note=note), times=row.times)


def _repeats(session: Session, column: Any) -> bool:
    """Return whether a value of the column occurs more than once. This takes half as long as finding the rows."""
    return bool(session.scalar(select(func.count(column) > func.count(column.distinct()))))


def _describe_contradiction(stage: Table, names: list[str]) -> str:
    words = " and ".join(_FIELD_WORDS.get(name, name) for name in names)
    return _OTHER_VALUES.format(fields=f"{stages.record_of(stage)} {words}")


def _both_values(stage: Table, row: Row[Any], names: list[str]) -> list[str]:
    """Return each differing field with both values. A patient's name or date of birth is left out."""
    texts = []
    for name in names:
        if not stages.is_private(stage, name):
            here, there = (quote_value(row._mapping[f"{name}_{where}"] or "") for where in ("here", "there"))
            texts.append(f"{_FIELD_WORDS.get(name, name)} {here} here, {there} there")
    return texts


def _add_unknown(
    session: Session, practice_id: int, column: str, stage: Table, table: Any, origins: Origins, faults: Faults
) -> None:
    claim = stages.CLAIM
    named = claim.c[column]
    here = select(table.external_id).where(table.practice_id == practice_id)
    known = union_all(select(stage.c.external_id), here)
    unknown = select(claim.c.at, named.label("value"), near_match(named, known)).where(
        named.is_not(None),
        ~exists().where(stage.c.external_id == named),
        ~exists().where(table.practice_id == practice_id, table.external_id == named),
    )
    file = _file_of_stage(origins, stage)
    record = stages.record_of(stage)
    base = f"this {record} is in neither the practice nor {file}"
    _add_with_hints(session, unknown, column, base, f"{base}; add the {record} to {file}", origins[claim], faults)


def _add_with_hints(
    session: Session, unknown: Select[Any], column: str, base: str, cure: str, origin: Origin, faults: Faults
) -> None:
    """Add a fault for each row of `unknown`, with the nearest known value."""
    for row in first_faulty_rows(session, unknown, "hint", faults=faults):
        message = f"{base}; {NEAR_MATCH_CURES[row.hint]}" if row.hint else cure
        faults.add(origin.fault(row, column, row.value, message), times=row.times)


def _file_of_stage(origins: Origins, stage: Table) -> str:
    return origins[stage].file if stage in origins else "the files"


def _add_unknown_billing_status(session: Session, practice_id: int, origins: Origins, faults: Faults) -> None:
    claim, staged = stages.CLAIM, stages.BILLING_STATUS
    status = claim.c.billing_status
    here = select(BillingStatus.name).where(BillingStatus.practice_id == practice_id)
    unknown = select(
        claim.c.at, status.label("value"), near_match(status, union_all(select(staged.c.name), here))
    ).where(
        status.is_not(None),
        ~exists().where(staged.c.name == status),
        ~exists().where(BillingStatus.practice_id == practice_id, BillingStatus.name == status),
    )
    base = NO_SUCH_STATUS
    cure = f"{base}; use one of the practice's statuses or add it to {_file_of_stage(origins, staged)}"
    _add_with_hints(session, unknown, "billing_status", base, cure, origins[claim], faults)


def _add_lines_without_claim(session: Session, origins: Origins, faults: Faults) -> None:
    line, claim = stages.LINE, stages.CLAIM
    hint = near_match(line.c.claim, select(claim.c.external_id))
    alone = select(line.c.at, line.c.claim.label("value"), hint).where(
        line.c.claim.is_not(None), ~exists().where(claim.c.external_id == line.c.claim)
    )
    base = "this line's claim is missing"
    cure = f"{base}; add it to {origins[claim].file}"
    _add_with_hints(session, alone, "claim", base, cure, origins[line], faults)


def _add_postings_without_line(session: Session, origins: Origins, faults: Faults) -> None:
    posting, line = stages.POSTING, stages.LINE
    place = posting.c.claim + " / " + cast(posting.c.line, Text)
    hint = near_match(posting.c.claim, select(line.c.claim))
    alone = select(posting.c.at, place.label("value"), hint).where(
        posting.c.claim.is_not(None),
        posting.c.line.is_not(None),
        # A charge is reported with its line.
        posting.c.kind.is_distinct_from(PostingKind.CHARGE.value),
        ~exists().where(line.c.claim == posting.c.claim, line.c.number == posting.c.line),
    )
    base = "this posting's line is missing"
    cure = f"{base}; add it to {origins[line].file}"
    _add_with_hints(session, alone, "line", base, cure, origins[posting], faults)


def add_transfers_that_lose_money(session: Session, origins: Origins, faults: Faults) -> None:
    """Add a fault for each line whose staged transfers do not sum to zero."""
    posting = stages.POSTING
    place = posting.c.claim + " / " + cast(posting.c.line, Text)
    uneven = (
        select(func.min(posting.c.at).label("at"), func.min(place).label("value"))
        .where(posting.c.kind == PostingKind.TRANSFER.value, posting.c.claim.is_not(None), posting.c.line.is_not(None))
        .group_by(posting.c.claim, posting.c.line)
        .having(func.sum(posting.c.amount_cents) != 0)
    )
    for row in first_faulty_rows(session, uneven, faults=faults):
        cure = "the transfers on a line must add up to 0.00, because one balance gains what the other loses"
        faults.add(origins[posting].fault(row, "amount_cents", row.value, cure), times=row.times)
