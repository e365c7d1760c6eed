"""Any sequence of settling, paying and reversing: balances and write-offs match a simple model."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from core.access.permissions import Actor
from core.books.invariants import violations
from core.db.engine import Sessions, make_sessions, transaction
from core.enums.people import Role
from core.jobs import commands
from core.jobs.keys import JobKey
from core.ledger import manual_postings
from core.ledger.entries import parse_entry
from tests import repeats
from tests.factories import NOW, GivenPractice, Line, a_practice
from tests.servers import Databases
from tests.shared_app import engine_on

_names = itertools.count(1)
_acts = st.one_of(
    st.tuples(st.just("pay"), st.integers(1, 150)),
    st.tuples(st.just("adjust"), st.integers(1, 60)),
    st.tuples(st.just("transfer"), st.integers(1, 40)),  # moved to the patient, who owes again
    st.tuples(st.just("settle"), st.just(0)),
    st.tuples(st.just("reverse"), st.just(0)),
)


@pytest.fixture(scope="module")
def one_database(databases: Databases) -> Iterator[Sessions]:
    """One database for all examples, because each example creates its own practice."""
    with databases.fresh() as url:
        engine = engine_on(url)
        sessions = make_sessions(engine)
        yield sessions
        with sessions() as session:
            assert violations(session) == [], "in any practice of any example"
        engine.dispose()


@settings(max_examples=repeats.times(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(charged=st.integers(1, 200), acts=st.lists(_acts, max_size=10))
def test_no_dollar_is_lost_and_no_credit_is_false(
    one_database: Sessions, charged: int, acts: list[tuple[str, int]]
) -> None:
    practice = a_practice(one_database, name=f"late{next(_names)}")
    approver = practice.person(f"approver@{practice.id}.example", Role.APPROVER)
    practice.claim("1", Line(400, charged))
    due, written_off, insurance, paid, keys = charged, 0, 400, 0, itertools.count(1)
    restorable = 0  # what late postings reversed since the last job
    untouched: JobKey | None = None  # the last job, until a later posting changes its claim

    for act, cents in acts:
        key = f"k{next(keys)}"
        if act in ("pay", "adjust"):
            if act == "pay":
                _post(practice, "payment", cents, key, responsibility="patient", paid_by="patient")
                paid += cents
            else:
                _post(practice, "adjustment", cents, key, responsibility="patient", group_code="CO", reason_code="45")
            due, untouched = due - cents, None
            if due < 0:
                reversed_cents = min(written_off, -due)
                written_off, due = written_off - reversed_cents, due + reversed_cents
                restorable += reversed_cents
        elif act == "transfer" and insurance >= cents:
            _post(practice, "transfer", cents, key, responsibility="insurance")
            due, insurance, untouched = due + cents, insurance - cents, None
            restored = min(restorable, max(0, due), cents)
            due, written_off, restorable = due - restored, written_off + restored, restorable - restored
        elif act == "settle":
            job = practice.settle(key=key)
            settles = due > 0 and practice.item(job, "1").outcome == "settled"
            if settles:
                written_off, due, insurance, untouched, restorable = written_off + due, 0, 0, job, 0
        elif act == "reverse" and untouched is not None:
            before = sum(one.cents for one in _unreversed(practice))
            _reverse(practice, untouched, by=approver, key=key)
            claim = practice.read("1")
            assert sum(one.cents for one in _unreversed(practice)) + claim.patient_due + claim.insurance_due == before
            written_off -= claim.patient_due
            due, insurance, untouched, restorable = claim.patient_due, claim.insurance_due, None, 0

        claim = practice.read("1")
        of_patient = sum(one.cents for one in _unreversed(practice) if one.responsibility == "patient")
        assert (claim.patient_due, of_patient) == (due, written_off), (act, cents)
        assert due >= 0 or written_off == 0, "a credit beside a write-off is false"
        assert claim.patient_paid == paid


def _post(practice: GivenPractice, kind: str, cents: int, key: str, **entry: str) -> None:
    given_ = {"kind": kind, "line": 1, "amount_cents": cents, **entry}
    practice.act(manual_postings.post, "1", parse_entry(given_), idempotency_key=key)


def _unreversed(practice: GivenPractice) -> list[manual_postings.UnreversedWriteOff]:
    return practice.do(manual_postings.list_unreversed_write_offs, practice.id, practice.read("1").id)


def _reverse(practice: GivenPractice, job: JobKey, *, by: Actor, key: str) -> None:
    with transaction(practice.sessions) as session:
        made = commands.request_reversal(
            session, job, claim_ids=None, by=by, idempotency_key=key, note="Wrong list", now=NOW
        )
        reversal = JobKey(made.practice_id, made.id)
        commands.confirm(session, reversal, confirmation="CONFIRM", by=by, now=NOW)
    practice.run()
