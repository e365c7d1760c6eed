"""The sums of the write-offs report always equal the ledger, however it was posted."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from core.access.permissions import Actor
from core.enums.practices import PayerClass
from core.jobs.execution import settle_chunk
from core.jobs.keys import JobKey
from core.ledger import sums as ledger_sums, voids
from core.ledger.entries import Void
from core.ledger.ledger_queries import list_ledger_rows
from tests.factories import NOW, GivenPractice, Line

_SUMS = """SELECT s.kind, u.payer, sum(u.insurance + u.patient) FROM ledger_sum s,
    unnest(s.payer_ids, s.insurance_cents, s.patient_cents) u (payer, insurance, patient)
    WHERE s.kind <> 'charge' GROUP BY 1, 2 HAVING sum(u.insurance + u.patient) <> 0"""


def sums(practice: GivenPractice) -> dict[tuple[str, int | None], int]:
    """Return the cents by kind and payer, without the charges."""
    with practice.sessions() as session:
        return {(kind, payer): int(cents) for kind, payer, cents in session.execute(text(_SUMS))}


@pytest.fixture
def job(practice: GivenPractice) -> JobKey:
    """A job of two chunks that settled a claim of the payer and one without a payer."""
    practice.claim("1", Line(30_00, 20_00), Line(5_00, 0))
    practice.claim("2", Line(0, 100_00), primary_payer_id=None)
    return practice.settle(chunk_claims=1)


@pytest.fixture(autouse=True)
def verified(practice: GivenPractice) -> Iterator[None]:
    """After each test, `settle verify` finds nothing."""
    yield
    assert practice.violations() == []


def test_a_job_and_the_reversal_of_one_claim(practice: GivenPractice, job: JobKey, admin: Actor) -> None:
    written_off = {("write_off", practice.ids["Payer"]): 55_00, ("write_off", None): 100_00}
    assert sums(practice) == written_off

    practice.reverse(job, "2", by=admin)
    practice.run()

    assert sums(practice) == {**written_off, ("reversal", None): 100_00}


def test_a_finished_job_has_one_row(practice: GivenPractice, job: JobKey, admin: Actor) -> None:
    practice.reverse(job, by=admin, chunk_claims=1)
    practice.run()

    with practice.sessions() as session:
        rows = session.execute(text("SELECT kind, count(*) FROM ledger_sum WHERE kind <> 'charge' GROUP BY 1")).all()
    assert sorted(map(tuple, rows)) == [("reversal", 1), ("write_off", 1)]


def test_payments_adjustments_and_voids_after_the_write_off(practice: GivenPractice, job: JobKey) -> None:
    before = sums(practice)
    late = practice.post("2", 40_00, key="payment")
    practice.post("2", 7_00, key="adjusted", kind="adjustment", group_code="CO", reason_code="45")
    assert sums(practice) == {**before, ("recovery", None): 40_00, ("replacement", None): 7_00}

    with practice.sessions() as session:
        rows = list_ledger_rows(session, practice.id, late.claim.id)
    payment = next(row.id for row in rows if row.kind == "payment" and row.amount_cents == -40_00)
    void = Void.of({"note": "Mistyped"})
    practice.do(voids.void, "2", payment, void, by=practice.biller, idempotency_key="void", now=NOW)

    assert sums(practice) == {**before, ("replacement", None): 7_00}


def test_a_claim_that_gets_another_payer_or_provider_takes_its_sums_along(practice: GivenPractice, job: JobKey) -> None:
    practice.post("2", 40_00, key="payment")
    tricare = practice.payer("T", PayerClass.TRICARE)

    practice.change("2", primary_payer_id=tricare, billing_provider_id=practice.provider("P", write_off=None))

    assert {key: cents for key, cents in sums(practice).items() if key[1] != practice.ids["Payer"]} == {
        ("write_off", tricare): 100_00,
        ("recovery", tricare): 40_00,
    }


def test_a_job_with_a_failed_claim(practice: GivenPractice) -> None:
    practice.claims(3)
    practice.refuse_to_settle("C00002")
    practice.settle()

    assert sums(practice) == {("write_off", practice.ids["Payer"]): 30_00}


def test_the_trigger_adds_what_a_worker_of_the_previous_version_posts(
    practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.claims(2)
    practice.sql(
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER forget BEFORE INSERT ON ledger_sum FOR EACH ROW WHEN (pg_trigger_depth() = 0)"
        "EXECUTE FUNCTION forget()"
    )
    monkeypatch.setattr(settle_chunk, "_ALSO", ", set_config('jit', 'off', true)")
    monkeypatch.setattr(ledger_sums, "combine", lambda *_: None)

    practice.settle()

    assert sums(practice) == {("write_off", practice.ids["Payer"]): 30_00}
