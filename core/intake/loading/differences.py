"""Fields in which the files differ from the practice's records: listed, and applied only on request.

Fields that the practice itself decides are left out: the status of a claim that a job settled or a posting reopened,
and a hold that a user placed or released.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field as dataclass_field
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from core.claims.export import escape_formula
from core.enums.claims import SETTLED, Hold
from core.enums.job_items import Outcome
from core.intake.loading import stages
from core.intake.loading.checks import Origins
from core.intake.loading.compare import AMOUNT_COLUMNS, existing_claims, existing_lines, existing_rows
from core.intake.loading.insert import COLLECTION_COLUMNS, REFERENCE_TABLES, STAGED_CLAIM_COLUMNS
from core.intake.loading.known_postings import Known
from core.intake.loading.references import CLAIM_REFERENCES
from core.intake.parsing.faults import REDACTED
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.people import AuditEntry

LISTED_MAX: Final = 100  # in a result; `all_differences` yields every one
DIFFERENCE_COLUMNS: Final = ("record", "number", "field", "old", "new", "file", "line")
_READ_AT_ONCE: Final = 1_000
_CLAIM_FIELDS: Final = (
    *(name for name in CLAIM_REFERENCES if name != "patient"),
    *(name for name in STAGED_CLAIM_COLUMNS if name != "external_id"),
)
_HOLD_ACTS: Final = ("claim.held", "claim.released")
_FOUND: Final = stages.DIFFERENCE
_HOLDS: Final = "claim hold"  # in the counts
# A hold that a user placed is no difference, so an import set this one.
ENDS_LEGAL_HOLD: Final = and_(_FOUND.c.record == "claim", _FOUND.c.field == "hold", _FOUND.c.old == Hold.LEGAL.value)
# Names and dates of birth first, because a wrong one may mean that the file is about another patient.
_IS_PUBLIC: Final = tuple_(_FOUND.c.record, _FOUND.c.field).not_in(stages.PRIVATE_FIELDS)
_FIELD_ORDER: Final = (_IS_PUBLIC, _FOUND.c.record, _FOUND.c.field)


@dataclass(frozen=True)
class Difference:
    """A field in an existing record with a different value in the file. Values are as the file writes them."""

    record: str  # claim, line, patient, payer, provider or office
    number: str  # the practice's own
    field: str
    file: str
    line_of_file: int
    old: str | None = dataclass_field(repr=False)  # may be a name or a date of birth
    new: str | None = dataclass_field(repr=False)

    @property
    def is_private(self) -> bool:
        """Return whether the values are a name or a date of birth, which most outputs hide."""
        return (self.record, self.field) in stages.PRIVATE_FIELDS

    def facts(self) -> dict[str, Any]:
        """Return it as JSON. A name or a date of birth is hidden."""
        facts = vars(self)
        return facts if not self.is_private else {**facts, "old": REDACTED, "new": REDACTED}

    def cells(self, *, hide_private: bool) -> tuple[str, ...]:
        """Return it as a row of `DIFFERENCE_COLUMNS` for a spreadsheet."""
        old, new = (REDACTED, REDACTED) if hide_private and self.is_private else (self.old or "", self.new or "")
        cells = (self.record, self.number, self.field, old, new, self.file, str(self.line_of_file))
        return tuple(map(escape_formula, cells))


@dataclass(frozen=True)
class Differences:
    """The differences of an import: how many in each field, and the first ones."""

    counts: dict[str, int]  # by "patient name", "claim hold" and so on
    first: list[Difference]
    legal_holds: int = 0  # how many end a legal hold, which only an administrator may apply

    @property
    def count(self) -> int:
        """Return how many there are."""
        return sum(self.counts.values())

    def counts_without(self, legal_holds: int) -> dict[str, int]:
        """Return the counts without this many changes that end a legal hold."""
        left = {name: count - legal_holds * (name == _HOLDS) for name, count in self.counts.items()}
        return {name: count for name, count in left.items() if count}

    def facts(self) -> dict[str, Any]:
        """Return it as JSON, without names and dates of birth."""
        return {
            "counts": self.counts, "first": [one.facts() for one in self.first], "legal_holds": self.legal_holds,
        }  # fmt: skip


def legal_hold_words(count: int, *, is_done: bool) -> str:
    """Return what becomes of changes that end a legal hold, if a user who is not an administrator applies changes."""
    changes, ends, it = ("change", "ends a legal hold", "it") if count == 1 else ("changes", "end legal holds", "them")
    if is_done:
        was = "was" if count == 1 else "were"
        return f"{count:,} {changes} that {ends} {was} not applied. An administrator can import these files again."
    return f"{count:,} {changes} {ends}. Only an administrator can apply {it}. Other users apply only the rest."


def find_differences(session: Session, practice_id: int, known: Known) -> None:
    """Stage each difference. Call it before the known rows are deleted."""
    comparisons = _comparisons(practice_id, claims=known.claims)
    counts: dict[int, list[int]] = dict(session.execute(_counts(comparisons)).all())
    for place, comparison in enumerate(comparisons):
        differing = [name for name, count in zip(comparison.columns, counts[place], strict=True) if count]
        if comparison.stage is stages.CLAIM and set(differing) & set(COLLECTION_COLUMNS):
            unstated = _unstated(session, comparison.stage)
            differing = [name for name in differing if name not in unstated]
        for name in differing:
            session.execute(insert(_FOUND).from_select([c.name for c in _FOUND.c], comparison.differing(name)))


class _Comparison:
    """A stage, and the practice's rows with the same key."""

    def __init__(
        self, stage: Table, key: tuple[str, ...], columns: Sequence[str], here: Select[*tuple[Any, ...]]
    ) -> None:
        self.stage = stage
        self.columns = columns
        self._number = func.concat_ws(" / ", *(stage.c[name] for name in key))
        self._known = here.subquery("here")
        self._same_row = and_(*(stage.c[name] == self._known.c[name] for name in key))

    def counts(self, place: int) -> Select[*tuple[Any, ...]]:
        """Return how many rows differ in each column, with the place of this comparison among all."""
        counts = array([func.count().filter(self._differs(name)) for name in self.columns])
        return select(literal(place), counts).select_from(self.stage).join(self._known, self._same_row)

    def differing(self, name: str) -> Select[*tuple[Any, ...]]:
        """Return the rows that differ in this column, in the form of `_FOUND`."""
        stage, known = self.stage, self._known
        values = (_as_text(name, known.c[name]), _as_text(name, stage.c[name]))
        rows = select(stage.c.at, literal(stages.record_of(stage)), self._number, literal(name), *values)
        return rows.join(known, self._same_row).where(self._differs(name))

    def _differs(self, name: str) -> ColumnElement[bool]:
        is_other: ColumnElement[bool] = self.stage.c[name].is_distinct_from(self._known.c[name])
        follows = self._known.c.get(f"{name}_follows")
        return is_other if follows is None else and_(is_other, follows)


@lru_cache
def _counts(comparisons: tuple[_Comparison, ...]) -> CompoundSelect[int, list[int]]:
    return union_all(*(comparison.counts(place) for place, comparison in enumerate(comparisons)))


@lru_cache
def _comparisons(practice_id: int, *, claims: bool) -> tuple[_Comparison, ...]:
    """Return what is compared. It is kept, because building it takes longer than a small comparison."""
    references = []
    for table, stage in REFERENCE_TABLES:
        columns = [column.name for column in stage.c if column.name not in ("at", "external_id")]
        here = existing_rows(table, practice_id, ("external_id", *columns))
        references.append(_Comparison(stage, ("external_id",), columns, here))
    if not claims:
        return tuple(references)
    here = existing_claims(practice_id).add_columns(
        _follows_file(decided_by_job(practice_id)).label("billing_status_follows"),
        _follows_file(_decided_by_user(practice_id)).label("hold_follows"),
    )
    return (
        *references,
        _Comparison(stages.CLAIM, ("external_id",), _CLAIM_FIELDS, here),
        _Comparison(stages.LINE, ("claim", "number"), ("procedure_code",), existing_lines(practice_id)),
    )


def _unstated(session: Session, claims: Table) -> set[str]:
    """Return the statement and denial fields that are empty in every row: the file says nothing about them."""
    given = [func.count(claims.c[name]).label(name) for name in COLLECTION_COLUMNS]
    found = session.execute(select(*given)).one()._mapping
    return {name for name in COLLECTION_COLUMNS if not found[name]}


def _as_text(name: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    if name in AMOUNT_COLUMNS:
        # Whole cents, 0 or more, as the file writes them.
        dollars = func.concat(value.op("/")(100), ".", func.lpad(cast(value % 100, Text), 2, "0"))
        return case((value.is_not(None), dollars))
    return cast(value, Text)


def _follows_file(decided_here: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return whether the file's value applies. Nothing was decided here about a claim that is in its first version."""
    return case((Claim.version == 1, True), else_=~decided_here)


def decided_by_job(practice_id: int) -> ColumnElement[bool]:
    """Return, as SQL, whether a job settled the claim, and that its status depends on that."""
    by_job = exists().where(
        JobItem.practice_id == practice_id, JobItem.claim_id == Claim.id, JobItem.outcome == Outcome.SETTLED
    )
    return and_(or_(Claim.billing_status == SETTLED, Claim.reopened), by_job.correlate(Claim))


def _decided_by_user(practice_id: int) -> ColumnElement[bool]:
    acts = exists().where(
        AuditEntry.practice_id == practice_id,
        AuditEntry.subject == literal("claim:") + Claim.external_id,
        AuditEntry.act.in_(_HOLD_ACTS),
    )
    return or_(Claim.hold_by.is_not(None), acts.correlate(Claim))


def list_differences(session: Session, origins: Origins) -> Differences:
    """Return the staged differences: their counts, and the first `LISTED_MAX`."""
    of = _FOUND.c
    counts = session.execute(
        select(of.record, of.field, func.count()).group_by(of.record, of.field).order_by(*_FIELD_ORDER)
    ).all()
    if not counts:
        return Differences({}, [])
    stages.analyze(session, _FOUND.name)
    found = {f"{record} {name.replace('_', ' ')}": count for record, name, count in counts}
    legal_holds = session.scalars(select(func.count()).select_from(_FOUND).where(ENDS_LEGAL_HOLD)).one()
    return Differences(found, list(_read(session, origins, limit=LISTED_MAX)), legal_holds)


def all_differences(session: Session, origins: Origins) -> Iterator[Difference]:
    """Yield every difference, in the transaction of the import, in constant memory."""
    yield from _read(session, origins, limit=None)


def _read(session: Session, origins: Origins, *, limit: int | None) -> Iterator[Difference]:
    of = _FOUND.c
    of_record = {stages.record_of(stage): origin for stage, origin in origins.items()}
    rows = select(of.record, of.number, of.field, of.old, of.new, of.at).order_by(*_FIELD_ORDER, of.at)
    options = {} if limit else {"yield_per": _READ_AT_ONCE}
    for row in session.execute(rows.limit(limit), execution_options=options):
        origin = of_record.get(row.record)
        file, line = ("", row.at) if origin is None else origin.place(row.at)
        yield Difference(row.record, row.number, row.field, file, line, row.old, row.new)
