"""Load filled stages into a practice: check, compare with existing rows, insert new ones, all or none."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.books.closing import IMPORT_LOCK
from core.enums.notices import EventKind
from core.errors import NotAllowed
from core.intake.loading import stages
from core.intake.loading.additions import (
    Additions,
    HeldBack,
    HoldBack,
    count_additions,
    gaining_claims,
    hold_back,
    insert_additions,
    report_faulty_additions,
)
from core.intake.loading.agreement import compare_balances, keep_file_balances
from core.intake.loading.balance_reasons import mark_uncorrected
from core.intake.loading.checks import Origins
from core.intake.loading.closed_months import report_postings_in_months
from core.intake.loading.compare import delete_known_rows, report_conflicts, report_second_charges
from core.intake.loading.corrections import Corrections, Dating, all_corrections, list_corrections
from core.intake.loading.corrections_sql import find_corrections, keep_corrections
from core.intake.loading.differences import (
    Differences,
    all_differences,
    find_differences,
    list_differences,
)
from core.intake.loading.forecast import forecast
from core.intake.loading.import_run import ImportRun
from core.intake.loading.imported import Imported
from core.intake.loading.insert import insert_claims, insert_reference_rows, sum_lines
from core.intake.loading.known_postings import Known, Totals, date_postings, find_known, find_known_postings
from core.intake.loading.look_alike_ids import report_look_alikes
from core.intake.loading.new_postings import NewPostings, all_new_postings, list_new_postings
from core.intake.loading.post_corrections import stage_corrections
from core.intake.loading.post_rows import lock_claims, lowering_facts, new_claim_facts
from core.intake.loading.recognize import recognize, remember
from core.intake.loading.returned import mark_returned
from core.intake.loading.sent_before import SentBefore, set_aside
from core.intake.loading.staged_checks import check_staged
from core.intake.loading.summary import look_alikes, summarize
from core.intake.loading.take_changes import changed_claims, keep_legal_holds, may_end_legal_holds, take_changes
from core.intake.loading.totals import check_expected_total, control_totals, first_claims
from core.models.claims import Claim
from core.notices.record import tell_webhooks
from core.practices import periods, practice_days

_COUNTED_STAGES: Final = (
    ("offices", stages.OFFICE),
    ("providers", stages.PROVIDER),
    ("payers", stages.PAYER),
    ("patients", stages.PATIENT),
    ("claims", stages.CLAIM),
    ("lines", stages.LINE),
    ("postings", stages.POSTING),
)


def load(
    run: ImportRun,
    origins: Origins,
    *,
    holds_back: HoldBack | None = None,
    totals: Totals | None = None,
    changed_later: Sequence[Select[Any]] = (),
) -> Imported:
    """Load the staged rows into the practice.

    `holds_back` says which existing claims get no new rows. The caller itself changes the claims `changed_later`. Other
    imports and a month-end close wait until the commit. Raise `NotAllowed`, `ImportRefused` and `ExpectedTotalDiffers`.
    """
    session, practice_id, source, options = run.session, run.practice_id, run.source, run.options
    sent, known = _check_rows(run, origins, totals)
    closed = periods.closed_months(session, practice_id)
    redated = [] if totals is None else date_postings(session, practice_id, totals, known, closed)
    recognized = recognize(session, practice_id, source, totals, known)
    known = known._replace(postings=known.postings or recognized.postings > 0)
    sum_lines(session)
    in_file, first = sent.in_file or control_totals(session), sent.first_claims or first_claims(session, practice_id)
    check_expected_total(in_file, options.expected_total_cents)
    dating = Dating.of(run.practice, totals, closed, now=run.now)
    differences, corrections = _compare(run, origins, dating, known)
    kept = differences.legal_holds if options.take_changes and not may_end_legal_holds(run.by) else 0
    staged, takes = _counts(session), options.take_changes and differences.count > kept
    corrected = stage_corrections(session, origins, dating) if options.post_corrections and corrections.found else 0
    if corrected:
        find_corrections(session, practice_id, source, gives_totals=dating.gives_totals)
    mark_uncorrected(session, practice_id, corrections)
    may_hold_back = known.claims if holds_back is HoldBack.ALL else corrections.found
    held_back = hold_back(session, practice_id, holds_back) if holds_back and may_hold_back else HeldBack()
    delete_known_rows(session, practice_id, known)
    changed = [*([changed_claims(practice_id)] if takes else []), *changed_later]
    on_existing = _check_new(run, origins, changed, known, closed)
    if is_part := (added := _counts(session)) != staged or corrected > 0:
        sum_lines(session)
    already_there = {kind: staged[kind] - added[kind] for kind in staged}
    already_there["postings"] += corrected - held_back.postings
    done = Imported(
        added=added, already_there=already_there, corrected=corrected, recognized=recognized,
        held_back=held_back.postings, redated=redated, in_file=in_file, changes_taken=takes, holds_kept=kept,
        first_claims=first, new=control_totals(session) if is_part else in_file, on_existing=on_existing,
        differences=differences, new_postings=_list_new(run, on_existing),
        corrections=corrections, summary=None, warnings=[*corrections.warnings(), *sent.warnings()],
    )  # fmt: skip
    if not options.check_only:
        done = _write(run, done, totals)
    return _with_balances(run, done, totals, to_post_cents=corrections.to_post_cents + held_back.to_post_cents)


def _tell_webhooks(run: ImportRun, done: Imported) -> None:
    """Record one event for all postings of the import, because a file may have a million."""
    if not done.added["postings"]:
        return
    import_id = run.options.import_id
    of_upload = {} if import_id is None else {"import_id": import_id}
    counts = {kind: done.added[kind] for kind in ("claims", "lines", "postings")}
    facts = {
        **of_upload, "source": run.source, **counts, "on_existing_claims": done.on_existing.postings,
        **done.on_existing.moved.facts(),
    }  # fmt: skip
    tell_webhooks(run.session, EventKind.POSTINGS_IMPORTED, facts, practice_id=run.practice_id, now=run.now)


def _with_balances(run: ImportRun, done: Imported, totals: Totals | None, *, to_post_cents: int) -> Imported:
    """Compare the balances after the import, or in a check if the import would move none. A check forecasts them.

    Files with only charges have no balances to compare.
    """
    if totals is not None and totals.only_charges:
        return done
    compared, gives_totals = (run.session, run.practice_id, run.source), totals is not None
    if done.summary is None:
        found = forecast(*compared, done.in_file, done.new, to_post_cents=to_post_cents, gives_totals=gives_totals)
        done = replace(done, forecast=found)
    moves = any(done.added.values()) or done.corrections.changed or done.corrections.missing
    if moves and done.summary is None:
        return done
    with run.session.begin_nested() as trial:
        if done.summary is None:  # the reasons need what the files contain of a write-off
            remember(run.session, run.practice_id, source=run.source, by=run.by, now=run.now)
        agreement = compare_balances(*compared, file_cents=done.in_file.total_cents, gives_totals=gives_totals)
        if done.summary is None:
            trial.rollback()
    return replace(done, agreement=agreement)


def lock_imports(session: Session, practice_id: int) -> None:
    """Take the practice's import lock, so that other imports and month-end closes wait until the commit."""
    session.execute(select(func.pg_advisory_xact_lock(IMPORT_LOCK + practice_id)))


def _check_rows(run: ImportRun, origins: Origins, totals: Totals | None) -> tuple[SentBefore, Known]:
    """Lock, then check the staged rows against each other and the practice's. Set those of sent claims aside.

    Raise `NotAllowed` and `ImportRefused`.
    """
    session, practice_id, source, faults = run.session, run.practice_id, run.source, run.faults
    if run.by is not None and run.by.practice_id != practice_id:
        raise NotAllowed
    lock_imports(session, practice_id)
    stages.analyze(session, *(stage.name for _, stage in _COUNTED_STAGES))
    check_staged(session, practice_id, origins, faults, today=practice_days.today(run.practice, now=run.now))
    report_look_alikes(session, practice_id, origins, faults)
    faults.refuse_if_any()
    has_charges = totals is None or totals.has_charges
    sent = set_aside(session, practice_id, source, origins, has_charges=has_charges, each=run.options.each_problem)
    find_known_postings(session, practice_id, source)
    known = find_known(session, practice_id)
    report_conflicts(session, practice_id, known, origins, faults)
    if known.claims:
        report_second_charges(session, practice_id, source, origins, faults)
    faults.refuse_if_any()
    return sent, known


def _compare(run: ImportRun, origins: Origins, dating: Dating, known: Known) -> tuple[Differences, Corrections]:
    """Compare the staged rows with the practice's."""
    session, practice_id, source, options = run.session, run.practice_id, run.source, run.options
    if known.claims:
        keep_file_balances(session, practice_id)
    find_differences(session, practice_id, known)
    if options.each_difference:
        for each in all_differences(session, origins):
            options.each_difference(each)
    corrections = Corrections()
    if known.postings:
        find_corrections(session, practice_id, source, gives_totals=dating.gives_totals)
        corrections = list_corrections(session, practice_id, source, origins, dating)
    if options.each_correction:
        for one in all_corrections(session, origins, dating):
            options.each_correction(one)
    if options.check_only and corrections.to_post:
        keep_corrections(session)
    return list_differences(session, origins), corrections


def _check_new(
    run: ImportRun, origins: Origins, changed: Sequence[Select[Any]], known: Known, closed: set[dt.date]
) -> Additions:
    """Lock the existing claims that the import touches, and check the new rows. Return what is new on such claims.

    A check takes no locks, because jobs and users would wait until it ends.
    """
    session, practice_id, faults = run.session, run.practice_id, run.faults
    on_existing = count_additions(session, practice_id) if known.claims else Additions()
    if (on_existing.claims or changed) and not run.options.check_only:
        lock_claims(session, practice_id, Claim.external_id.in_(union_all(gaining_claims(), *changed)))
    report_postings_in_months(session, practice_id, closed, origins, faults)
    if on_existing.claims:
        report_faulty_additions(session, run.practice, origins, faults, by=run.by, now=run.now)
    faults.refuse_if_any()
    return on_existing


def _list_new(run: ImportRun, on_existing: Additions) -> NewPostings:
    """List the new postings on existing claims."""
    if not on_existing.postings:
        return NewPostings()
    stages.analyze(run.session, stages.POSTING.name)  # most rows were deleted, because they are known
    if run.options.each_new_posting:
        for one in all_new_postings(run.session, run.practice_id):
            run.options.each_new_posting(one)
    return list_new_postings(run.session, run.practice_id)


def _write(run: ImportRun, done: Imported, totals: Totals | None) -> Imported:
    """Insert the new rows and apply the changes. The result contains the effects on write-offs, and the summary."""
    session, practice_id, source, by, now = run.session, run.practice_id, run.source, run.by, run.now
    alike = look_alikes(session, practice_id)
    if done.recognized.postings or done.corrected:
        remember(session, practice_id, source=source, by=by, now=now)
    insert_reference_rows(session, practice_id)
    if any(done.added[kind] for kind in ("offices", "providers", "payers", "patients")):
        # Without statistics, PostgreSQL would scan the new patients once for each claim.
        stages.refresh_statistics(session, "office", "provider", "payer", "patient")
    facts = new_claim_facts(session, practice_id, others=done.on_existing.claims) if done.added["claims"] else {}
    if done.on_existing.claims:
        # Before the new claims, because after that, all staged rows would be on existing claims.
        facts |= lowering_facts(session, run.practice, by=by, now=now)
        moved = insert_additions(session, run.practice, source=source, by=by, now=now)
        done = replace(done, on_existing=replace(done.on_existing, moved=moved))
    if done.added["claims"]:
        insert_claims(session, practice_id, source=source, by=by, now=now)
        stages.refresh_statistics(session, "claim", "line_item", "posting")
    if done.changes_taken:
        # Last, so that a status from the file wins.
        if done.holds_kept:
            keep_legal_holds(session)
        counts = done.differences.counts_without(done.holds_kept)
        take_changes(session, practice_id, counts, by=by, now=now)
    if any(done.added.values()) or done.recognized.postings:
        existing = {"on_existing_claims": done.on_existing.postings} if done.on_existing.postings else {}
        late = {"late": done.on_existing.moved.late} if done.on_existing.moved.late else {}
        recognized = {"recognized": done.recognized.postings} if done.recognized.postings else {}
        facts = {"source": source, **done.added, **existing, **facts, **late, **recognized}
        audit.record(session, "practice.imported", Subject.practice(practice_id), by=by, now=now, **facts)
    if done.recognized.postings:
        mark_returned(session, practice_id, source, gives_totals=totals is not None)
    _tell_webhooks(run, done)
    new_claims = done.new if not done.on_existing.claims else None
    return replace(done, summary=summarize(session, practice_id, alike, new_claims))


def _counts(session: Session) -> dict[str, int]:
    counts = (select(func.count()).select_from(stage).scalar_subquery().label(kind) for kind, stage in _COUNTED_STAGES)
    return dict(session.execute(select(*counts)).one()._mapping)
