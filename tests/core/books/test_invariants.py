"""One seeded bug for each invariant: a statement that breaks it, and the check that detects it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from core.books.invariants import violations
from core.books.invariants_sql import INVARIANTS
from core.books.mismatches import flag_mismatches
from core.db.engine import transaction
from core.enums.ledger import PostingKind, WriteOffReason
from core.ledger import late_payments, manual_postings
from core.ledger.entries import parse_entry
from core.ledger.late_payments import WriteOffChanges
from core.models.ledger import Posting
from tests import remittances
from tests.core.books.edits import EDITS
from tests.factories import GivenPractice, Line
from tests.servers import Databases
from tests.worlds import World, a_world

POSTING = """INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on,
  created_at, write_off_reason, claim_version, job_id, reverses_id)
  SELECT practice_id, claim_id, line, responsibility, {kind}, {amount}, posted_on, created_at, {reason}, {version},
  {job}, {reverses} FROM posting WHERE kind = 'write_off' ORDER BY id LIMIT 1"""


def _posting(kind: str, amount: str, *, reason: str = "NULL", version: str = "NULL", job: str = "NULL",
             reverses: str = "NULL") -> str:  # fmt: skip
    return POSTING.format(kind=f"'{kind}'", amount=amount, reason=reason, version=version, job=job, reverses=reverses)


# A posting dated in October, made after its close by a process that did not lock the month.
CLOSED_OCTOBER = """WITH closed AS (INSERT INTO period (practice_id, month, state, closed_at, totals, digest)
  SELECT id, '2026-10-01', 'closed', '{at}', '{totals}', {digest} FROM practice)
  INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at)
  SELECT practice_id, claim_id, line, responsibility, 'transfer', 5, '2026-10-15', '2026-11-01'
  FROM posting WHERE kind = 'write_off' ORDER BY id LIMIT 1"""

# A payment on a written-off balance: the whole write-off is reversed and no remainder is re-posted.
LATE_PAYMENT = """WITH paid AS (INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents,
  posted_on, created_at, paid_by) SELECT practice_id, claim_id, line, responsibility, 'payment', {amount}, posted_on,
  created_at, 'patient' FROM posting WHERE kind = 'write_off' AND responsibility = 'patient' RETURNING id)
  INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at,
  reverses_id, caused_by_id, origin_job_id) SELECT practice_id, claim_id, line, responsibility, 'reversal',
  -amount_cents, posted_on, created_at, p.id, paid.id, {origin} FROM posting p, paid
  WHERE kind = 'write_off' AND responsibility = 'patient'"""

# A manual posting on the claim that no job settled, and the reversal of one posting.
MANUAL = """INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at,
  paid_by, source, source_id) SELECT practice_id, id, 1, 'patient', '{kind}', {amount}, '2026-11-23', '2026-11-23',
  {paid_by}, 'entry', '{source_id}' FROM claim WHERE external_id = 'open'"""
VOID = """INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at,
  note, user_id, reverses_id, source, source_id) SELECT practice_id, claim_id, line, responsibility, 'reversal',
  -amount_cents, posted_on, created_at, 'Why', 1, id, 'entry', 'v:0' FROM posting WHERE {of} ORDER BY id LIMIT 1"""

# A claim that a payer paid, and one with a payment that it reversed.
ANSWERS = [
    remittances.clp(number, *amounts, remittances.svc(*amounts, *cas), **more)
    for number, amounts, cas, more in (
        ("paid", ("100", "70"), ("CO*45*20", "PR*2*10"), {"patient": "10"}),
        ("answered", ("100", "70"), ("CO*45*30",), {}),
        ("answered", ("-100", "-70"), ("CO*45*-30",), {"status": "22"}),
    )
]

WITHOUT_ITS_GUARD = {
    "one_write_off_for_each_line": "DROP INDEX one_write_off_for_each_line_responsibility_and_version",
    "no_empty_posting": "ALTER TABLE posting DROP CONSTRAINT posting_amount_not_zero, "
    "DROP CONSTRAINT charge_raises_the_due",
    "chunks_equal_items": "ALTER TABLE job_chunk DROP CONSTRAINT a_done_chunk_has_an_outcome_for_every_item",
    "completed_jobs_have_nothing_open": "SELECT 1",
    "every_act_is_chained": "ALTER TABLE audit_entry DISABLE TRIGGER audit_is_chained",
    "the_chain_has_no_gap": "ALTER TABLE audit_link DISABLE TRIGGER USER",
    "every_digest_is_right": "ALTER TABLE audit_entry DISABLE TRIGGER USER",
    "every_job_has_its_acts": "ALTER TABLE audit_entry DISABLE TRIGGER USER",
    "the_head_is_the_last_link": "ALTER TABLE audit_link DISABLE TRIGGER USER",
}

BREAKS = {
    "lines_equal_postings": ["UPDATE line_item SET patient_due = patient_due + 1 WHERE number = 2"],
    "claims_equal_lines": ["UPDATE claim SET insurance_due = 7 WHERE external_id = 'open'"],
    "aging_equals_ledger": ["UPDATE claim SET patient_due = patient_due - 1 WHERE external_id = 'open'"],
    "claims_equal_ledger": ["UPDATE claim SET patient_paid = 1 WHERE external_id = 'open'"],
    "settled_claims_have_nothing_due": ["UPDATE claim SET billing_status = 'Balance Due' WHERE external_id = 'done'"],
    "one_write_off_for_each_line": [
        _posting("write_off", "amount_cents", reason="write_off_reason", version="claim_version", job="job_id")
    ],
    "job_postings_belong_to_settled_items": [
        _posting("write_off", "-1", reason="'charity'", version="claim_version + 9", job="job_id")
    ],
    "settled_items_equal_postings": ["UPDATE job_item SET patient_cents = patient_cents + 1 WHERE outcome = 'settled'"],
    "chunks_equal_items": ["UPDATE job_chunk SET settled = settled + 1"],
    "chunks_cover_the_job": ["UPDATE settle_job SET claims_total = claims_total + 1"],
    "completed_jobs_have_nothing_open": ["UPDATE job_chunk SET state = 'open'"],
    "items_are_claims": ["UPDATE job_item SET claim_id = 999999 WHERE outcome = 'skipped'"],
    "no_charge_beside_an_837": [
        MANUAL.format(kind="charge", amount=5, paid_by="NULL", source_id="charge:open:1").replace("'entry'", "'x12'")
    ],
    "no_empty_posting": [_posting("charge", "0")],
    "write_offs_make_no_credit": [
        _posting("write_off", "-1", reason="'charity'", version="claim_version + 1")
    ],
    "credits_are_untouched": [
        ("INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at,"
        " write_off_reason, claim_version, job_id) SELECT practice_id, claim_id, 1, 'patient', 'write_off', -1,"
        " current_date, now(), 'charity', 1, job_id FROM job_item WHERE outcome = 'skipped'")
    ],
    "reversals_answer_one_posting": [_posting("reversal", "-amount_cents - 1", reverses="id")],
    "money_moves_by_confirmed_jobs": ["UPDATE settle_job SET kind = 'status', reason = NULL"],
    "jobs_over_a_limit_were_approved": ["""UPDATE settle_job SET limits = '{"user_claim_cents": 1}'"""],
    "jobs_of_one_day_were_added_up": [
        """UPDATE settle_job SET limits = '{"practice_job_cents": 300}' WHERE confirmed_at IS NOT NULL""",
        (
            "UPDATE settle_job SET confirmed_at = confirmed_at - interval '1 hour'"
            " WHERE id = (SELECT min(id) FROM settle_job)"
        ),
    ],
    "closed_months_are_as_they_were_closed": [CLOSED_OCTOBER.format(at="2026-11-02", totals="{}", digest="''")],
    "a_month_is_as_the_audit_says": [
        ("INSERT INTO period (practice_id, month, state, closed_at, totals, digest)"
        " SELECT id, '2026-10-01', 'closed', '2026-11-02', '{}', '' FROM practice")
    ],
    "nothing_is_posted_into_a_closed_month": [CLOSED_OCTOBER.format(at="2026-10-31", totals="{}", digest="''")],
    "late_payments_reverse_write_offs": [
        ("INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at,"
        " write_off_reason, claim_version, caused_by_id) SELECT practice_id, claim_id, line, responsibility, kind, -1,"
        " posted_on, created_at, write_off_reason, 9, id FROM posting WHERE kind = 'write_off' ORDER BY id LIMIT 1")
    ],
    "late_payments_reverse_just_enough": [LATE_PAYMENT.format(amount=-1, origin="job_id")],
    "no_more_is_restored_than_was_reversed": [
        ("INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at,"
        " write_off_reason, claim_version, caused_by_id) SELECT practice_id, claim_id, line, responsibility, kind, -1,"
        " posted_on, created_at, write_off_reason, 9, id FROM posting WHERE kind = 'write_off' ORDER BY id LIMIT 1")
    ],
    "what_came_late_names_its_job": [LATE_PAYMENT.format(amount=-50, origin="NULL")],
    "no_credit_beside_a_write_off": [
        "UPDATE line_item SET patient_due = -1 FROM claim c WHERE c.id = claim_id AND c.external_id = 'done'"
    ],
    "voids_reverse_manual_postings": [VOID.format(of="kind = 'write_off'")],
    "voids_reverse_whole_entries": [
        MANUAL.format(kind="transfer", amount=-5, paid_by="NULL", source_id="t:0"),
        MANUAL.format(kind="transfer", amount=5, paid_by="NULL", source_id="t:1"),
        VOID.format(of="source_id = 't:0'"),
    ],
    "transfers_move_balances_of_one_patient": [
        MANUAL.format(kind="transfer", amount=-5, paid_by="NULL", source_id="t:0")
    ],
    "refunds_stay_within_credits": [MANUAL.format(kind="payment", amount=1, paid_by="'patient'", source_id="r:0")],
    "postings_by_hand_over_a_limit_were_approved": [
        MANUAL.format(kind="payment", amount=-50, paid_by="'patient'", source_id="b:0")
        .replace("source, source_id)", "source, source_id, user_id)").replace("'b:0'", "'b:0', 1"),
        ("INSERT INTO audit_entry (practice_id, at, user_id, act, subject, facts) SELECT practice_id, created_at, 1,"
        " 'claim.posted', 'claim:open', jsonb_build_object('posting_id', id, 'limit_cents', 49)"
        " FROM posting WHERE source_id = 'b:0'"),
    ],
    "approved_postings_are_as_requested": [
        ("INSERT INTO posting_request (practice_id, claim_id, source_id, kind, line, responsibility, amount_cents,"
        " posted_on, credit_cents, limit_cents, total_cents, state, requested_by, requested_at, decided_by, decided_at)"
        " SELECT practice_id, id, 'b', 'payment', 1, 'patient', 50, '2026-11-23', 0, 49, 50, 'posted', 1, '2026-11-23',"
        " 2, '2026-11-23' FROM claim WHERE external_id = 'open'"),
    ],
    "report_sums_equal_postings": [
        "UPDATE ledger_sum SET insurance_cents[1] = insurance_cents[1] + 1 WHERE kind = 'charge'"
    ],
    "report_sums_equal_certificates": [
        "UPDATE ledger_sum SET patient_cents[1] = patient_cents[1] + 1 WHERE kind = 'write_off'"
    ],
    "jobs_reconcile": ["UPDATE job_chunk SET insurance_before_cents = insurance_before_cents + 1"],
    "every_act_is_chained": [
        ("INSERT INTO audit_entry (practice_id, at, act, subject, facts)"
        " SELECT practice_id, at, act, subject, facts FROM audit_entry LIMIT 1")
    ],
    "the_chain_has_no_gap": ["DELETE FROM audit_link WHERE number = 2"],
    "every_digest_is_right": ["UPDATE audit_entry SET facts = '{}' WHERE act = 'job.completed'"],
    "the_head_is_the_last_link": ["DELETE FROM audit_link WHERE number = (SELECT max(number) FROM audit_link)"],
    "every_job_has_its_acts": ["UPDATE audit_entry SET act = 'job.paused' WHERE act = 'job.completed'"],
    "a_job_is_as_it_ended": ["UPDATE job_chunk SET settled = settled - 1, skipped = skipped + 1"],
    "excluded_claims_are_not_written_off": [
        ("INSERT INTO exclusion (practice_id, patient_id, reason, created_by, created_at)"
        " SELECT c.practice_id, c.patient_id, 'x', u.id, '2026-11-23 12:00Z' FROM claim c, app_user u LIMIT 1")
    ],
    "remittances_post_what_they_say": ["UPDATE remittance_claim SET paid_cents = paid_cents - 1 WHERE ordinal = 1"],
    "remittances_reverse_whole_answers": [
        "UPDATE remittance_claim SET reverses_ordinal = 1 WHERE reverses_ordinal IS NOT NULL"
    ],
    "remittance_postings_have_their_answer": [
        """UPDATE remittance_claim SET outcome = 'held', reasons = '["no_claim"]' WHERE ordinal = 1"""
    ],
    "imported_postings_have_their_import": [
        ("INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at,"
        " source, source_id) SELECT practice_id, claim_id, line, responsibility, 'charge', 1, posted_on,"
        " created_at - interval '1 day', 'x12', 'charge:open:9' FROM posting WHERE kind = 'charge' LIMIT 1")
    ],
    "remittances_leave_no_credit": [
        ("INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at,"
        " paid_by, source, source_id) SELECT practice_id, claim_id, line, responsibility, kind, -100000, posted_on,"
        " created_at, paid_by, source, '1.1.9' FROM posting WHERE source = 'remittance' AND kind = 'payment'"
        " ORDER BY id LIMIT 1")
    ],
    "remittances_balance": ["UPDATE remittance SET provider_cents = 1, paid_cents = paid_cents - 1"],
    "waived_cost_share_has_a_reason": [
        """UPDATE settle_job SET preview = preview || '{"cost_share": {"job_cents": 1}}' WHERE kind = 'settle'"""
    ],
}  # fmt: skip


def add_settled(practice: GivenPractice) -> None:
    """Add claims that a job settled, one that it skipped, and one created later."""
    practice.claim("done", Line(100, 50), Line(30, 0))
    practice.claim("credit", Line(-100, 0))
    practice.settle()
    practice.claim("too", Line(150, 0))
    practice.settle({"claim_ids": ["too"]}, key="second")
    practice.claim("open", Line(100, 50), Line(0, 20))
    practice.claim("paid", Line(10_000, 0))
    practice.claim("answered", Line(10_000, 0))
    remittances.take_transactions(practice, remittances.st(*ANSWERS, paid="70"))


@pytest.fixture(scope="module")
def world(databases: Databases) -> Iterator[World]:
    with a_world(databases, add_settled) as world:
        yield world


@pytest.fixture(scope="module")
def only_read(world: World) -> Iterator[GivenPractice]:
    """The same practice for tests that roll back what they change."""
    with world.copied() as practice:
        yield practice


@pytest.fixture
def settled(world: World) -> Iterator[GivenPractice]:
    """A practice with claims that a job settled, one that it skipped, and one created later."""
    with world.copied() as practice:
        yield practice


def test_a_correct_ledger_breaks_no_invariant(settled: GivenPractice) -> None:
    assert settled.violations() == []


def test_each_invariant_has_a_bug_or_an_edit_that_breaks_it() -> None:
    assert {*BREAKS, *(edit.found_by for edit in EDITS.values())} == set(INVARIANTS)


@pytest.mark.parametrize("name", BREAKS)
def test_each_invariant_detects_the_bug_that_breaks_it(only_read: GivenPractice, name: str) -> None:
    with only_read.sessions() as session:
        session.execute(text(WITHOUT_ITS_GUARD.get(name, "SELECT 1")))
        for statement in BREAKS[name]:
            session.execute(text(statement))
        found = {violation.invariant: violation for violation in violations(session)}
        session.rollback()

    assert name in found
    assert found[name].rows >= 1
    assert "practice" in found[name].subjects[0]


def test_a_posting_that_names_an_unknown_remittance_is_found(settled: GivenPractice) -> None:
    settled.sql(
        "INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, paid_by, posted_on,"
        " created_at, source, source_id) SELECT practice_id, claim_id, line, responsibility, kind, -1, paid_by,"
        " posted_on, created_at, source, '99.1.1' FROM posting WHERE source = 'remittance' AND kind = 'payment' LIMIT 1"
    )

    assert "remittance_postings_have_their_answer" in {violation.invariant for violation in settled.violations()}


def _reposts_nothing(session: Session, write_offs: Any, _credit: int, _version: int, common: Any) -> int:
    for one in write_offs:
        reversal = {"kind": PostingKind.REVERSAL, "amount_cents": one.cents, "reverses_id": one.id}
        session.execute(insert(Posting).values(**common, **reversal, origin_job_id=one.job_id))
    return 1


def _reposts_under_another_reason(*given: Any) -> int:
    write_offs = [replace(one, reason=WriteOffReason.CHARITY) for one in given[1]]
    return _REVERSE(given[0], write_offs, *given[2:])


_REVERSE = late_payments._reverse


@pytest.mark.parametrize(
    ("name", "bug", "invariant"),
    [
        ("_reverse", _reposts_nothing, "late_payments_reverse_just_enough"),
        ("_reverse", _reposts_under_another_reason, "what_came_late_names_its_job"),
        ("match_write_offs", lambda *_, **__: WriteOffChanges(), "no_credit_beside_a_write_off"),
    ],
)
def test_a_wrong_reversal_by_a_late_payment_is_detected(
    settled: GivenPractice, monkeypatch: pytest.MonkeyPatch, name: str, bug: Any, invariant: str
) -> None:
    for given in (
        {"kind": "adjustment", "amount_cents": 5, "group_code": "CO", "reason_code": "45"},
        {"kind": "payment", "amount_cents": 7, "paid_by": "patient"},
    ):
        entry = parse_entry({"line": 1, "responsibility": "patient", **given})
        settled.act(manual_postings.post, "done", entry, idempotency_key=given["kind"])
        monkeypatch.setattr(late_payments, name, bug)

    assert invariant in {violation.invariant for violation in settled.violations()}


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE posting SET amount_cents = 1",
        "DELETE FROM posting",
        "TRUNCATE posting CASCADE",
        "UPDATE period_event SET reason = 'x'",
        "DELETE FROM period_event",
        "UPDATE audit_entry SET act = 'x'",
        "DELETE FROM audit_entry",
    ],
)
def test_rows_of_the_ledger_and_the_audit_cannot_be_changed_or_deleted(settled: GivenPractice, act: str) -> None:
    with pytest.raises(Exception, match="only grows"), transaction(settled.sessions) as session:
        session.execute(text(act))


def test_a_claim_whose_balance_differs_from_its_ledger_is_flagged_until_they_agree(settled: GivenPractice) -> None:
    settled.sql(
        "UPDATE line_item SET patient_due = patient_due + 5 WHERE claim_id = "
        "(SELECT id FROM claim WHERE external_id = 'open') AND number = 1"
    )
    with transaction(settled.sessions) as session:
        assert flag_mismatches(session, practice_id=settled.id) == 1
    assert settled.read("open").balance_mismatch
    assert settled.item(settled.preview(key="flagged"), "open").verdict_code == "balance_mismatch"

    settled.sql(
        "UPDATE line_item SET patient_due = patient_due - 5 WHERE claim_id = "
        "(SELECT id FROM claim WHERE external_id = 'open') AND number = 1"
    )
    with transaction(settled.sessions) as session:
        assert flag_mismatches(session, practice_id=settled.id) == 1
    assert not settled.read("open").balance_mismatch
