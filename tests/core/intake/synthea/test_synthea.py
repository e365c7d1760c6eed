"""Every total of Synthea's 1,267 claims, to the cent, for each of the four imports and after settling them."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import select, text

from core.db.engine import Sessions, make_sessions, transaction
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.intake.loading.imported import Imported
from core.intake.synthea.synthea_import import Payments, import_synthea
from core.models.claims import Claim
from core.models.practices import Practice
from core.money import CENTS_MAX
from tests.factories import NOW, GivenPractice, add_user
from tests.servers import Databases
from tests.shared_app import engine_on
from tests.worlds import World

MASTER_DATA = {"offices": 63, "providers": 166, "payers": 10, "patients": 27}


class ClaimTotals(NamedTuple):
    """Claims by the sign of their balance, then cents."""

    due: int
    zero: int
    credit: int
    insurance: int
    patient: int
    primary_paid: int
    secondary_paid: int
    patient_paid: int
    owing_in_both: int
    with_several_open_lines: int


TOTALS_SQL = """
    SELECT count(*) FILTER (WHERE insurance_due + patient_due > 0),
           count(*) FILTER (WHERE insurance_due + patient_due = 0),
           count(*) FILTER (WHERE insurance_due + patient_due < 0),
           sum(insurance_due), sum(patient_due), sum(primary_paid), sum(secondary_paid), sum(patient_paid),
           count(*) FILTER (WHERE insurance_due > 0 AND patient_due > 0),
           (SELECT count(*) FROM (SELECT claim_id FROM line_item WHERE insurance_due <> 0 OR patient_due <> 0
                                  GROUP BY claim_id HAVING count(*) > 1) several)
    FROM claim
"""

WRITTEN_OFF = "SELECT count(*), count(DISTINCT claim_id), -sum(amount_cents) FROM posting WHERE kind = 'write_off'"


def imported(
    sessions: Sessions, folder: Path, payments: Payments = Payments.ALL, *, time_zone: str | None = None
) -> Imported:
    with transaction(sessions) as session:
        return import_synthea(session, folder, practice_name="Synthea", payments=payments, time_zone=time_zone, now=NOW)


def claim_totals(sessions: Sessions) -> ClaimTotals:
    with sessions() as session:
        return ClaimTotals(*map(int, session.execute(text(TOTALS_SQL)).one()))


def practice(sessions: Sessions, *, write_off: WriteOffSetting) -> GivenPractice:
    with transaction(sessions) as session:
        found = session.scalars(select(Practice)).one()
        found.write_off = write_off
        found.write_off_chosen = True
        found.small_balance_max_cents = CENTS_MAX
        biller = add_user(session, found.id, "biller@synthea.example", Role.ADMIN)
        return GivenPractice(sessions, found.id, biller)


WorldOf = Callable[[Payments], tuple[Imported, World]]


@pytest.fixture(scope="module")
def world_of(databases: Databases, synthea: Path) -> Iterator[WorldOf]:
    """Return a function that imports each kind once. It returns what the import did, and its books."""
    with ExitStack() as stack:

        @cache
        def world(payments: Payments) -> tuple[Imported, World]:
            url = stack.enter_context(databases.fresh())
            engine = engine_on(url)
            done = imported(make_sessions(engine), synthea, payments)
            given = practice(make_sessions(engine), write_off=WriteOffSetting.BOTH)
            engine.dispose()
            made = World(databases, url, given)
            stack.callback(made.close)
            return done, made

        yield world


# Postings, and the totals of the claims.
EXPECTED = {
    Payments.ALL: (5_101, (0, 1_077, 190, -11_101_22, 0, 14_950_30, 523_28, 1_088_030_37)),
    Payments.WITHOUT_LAST: (3_883, (1_218, 49, 0, 1_270_87, 683_965_65, 14_950_30, 211_19, 392_004_72, 0, 0)),
    Payments.ONLY_COPAYS: (3_703, (1_029, 49, 189, 4_372_36, 1_059_490_37, None, None, None, 144, 82)),
    Payments.NONE: (3_258, (1_218, 49, 0, 32_912_36, 1_059_490_37, 0, 0, 0, 286, 82)),
}


@pytest.mark.parametrize("payments", EXPECTED)
def test_each_kind_of_import_matches_its_expected_totals_to_the_cent(world_of: WorldOf, payments: Payments) -> None:
    postings, expected = EXPECTED[payments]

    done, world = world_of(payments)

    assert done.added == MASTER_DATA | {"claims": 1_267, "lines": 1_545, "postings": postings}
    for found, total in zip(claim_totals(world.shared.sessions), expected, strict=False):
        assert total in (None, found)
    assert world.shared.violations() == []


def test_the_import_makes_1418_charges_1840_transfers_and_1843_payments(world_of: WorldOf) -> None:
    with world_of(Payments.ALL)[1].shared.sessions() as session:
        kinds = session.execute(text("SELECT kind, count(*) FROM posting GROUP BY kind")).all()

    assert dict(map(tuple, kinds)) == {"charge": 1_418, "transfer": 1_840, "payment": 1_843}


def test_one_claims_credit_is_hidden_under_a_positive_total(world_of: WorldOf) -> None:
    with world_of(Payments.WITHOUT_LAST)[1].shared.sessions() as session:
        dues = session.execute(select(Claim.insurance_due, Claim.patient_due).where(Claim.has_credit_line)).all()

    assert [tuple(due) for due in dues] == [(-1, 43_87)]


@pytest.mark.parametrize(
    ("payments", "setting", "reason", "settled", "skipped", "with_money", "write_offs", "cents"),
    [
        (Payments.WITHOUT_LAST, "both", "small_balance", 1_266, 1, 1_217, 1_217, 685_192_66),
        (Payments.WITHOUT_LAST, "both", "administrative", 1_156, 111, None, None, 684_740_57),
        (Payments.WITHOUT_LAST, "patient", "small_balance", 1_266, 1, 1_018, None, 683_921_78),
        (Payments.WITHOUT_LAST, "insurance", "small_balance", 1_266, 1, 199, None, 1_270_88),
        (Payments.ONLY_COPAYS, "both", "small_balance", 1_078, 189, 1_029, 1_383, 1_074_963_94),
        (Payments.NONE, "both", "small_balance", 1_267, 0, None, 1_714, 1_092_402_73),
    ],
)
def test_settling_everything_writes_off_to_the_cent(
    world_of: WorldOf,
    payments: Payments,
    setting: str,
    reason: str,
    settled: int,
    skipped: int,
    with_money: int | None,
    write_offs: int | None,
    cents: int,
) -> None:
    with world_of(payments)[1].copied() as given:
        given.set_write_off(WriteOffSetting(setting))

        job = given.settle(reason=reason, cost_share_reason="Financial hardship on file")

        assert given.counts(job) == {"settled": settled, "skipped": skipped, "failed": 0, "remaining": 0}
        with given.sessions() as session:
            count, claims, total = session.execute(text(WRITTEN_OFF)).one()
        assert given.violations() == []
    assert total == cents
    assert write_offs in (None, count)
    assert with_money in (None, claims)


def test_a_second_import_adds_nothing_even_after_the_claims_were_settled(world_of: WorldOf, synthea: Path) -> None:
    with world_of(Payments.WITHOUT_LAST)[1].copied() as given:
        given.settle(reason="small_balance", cost_share_reason="Financial hardship on file")

        again = imported(given.sessions, synthea, Payments.WITHOUT_LAST)

    assert again.nothing_new
    assert again.already_there == MASTER_DATA | {"claims": 1_267, "lines": 1_545, "postings": 3_883}


def test_payments_left_out_at_first_come_in_with_a_later_import(world_of: WorldOf, synthea: Path) -> None:
    with world_of(Payments.NONE)[1].copied() as given:
        later = imported(given.sessions, synthea, Payments.ALL)

        assert claim_totals(given.sessions)[:8] == EXPECTED[Payments.ALL][1]
        assert given.violations() == []
    assert (later.added["claims"], later.added["lines"], later.added["postings"]) == (0, 0, 1_843)


def test_identifiers_of_a_patient_beyond_name_and_birth_date_are_not_stored(world_of: WorldOf) -> None:
    with world_of(Payments.ALL)[1].shared.sessions() as session:
        stored = session.scalars(text("SELECT string_agg(p::text, ' ') FROM patient p")).one()

    assert "Maynard46" in stored
    assert "999-17-5017" not in stored  # SSN
    assert "S99994942" not in stored  # driver's license
    assert "X79835501X" not in stored  # passport


def test_dates_of_service_are_in_the_practices_time_zone(sessions: Sessions, synthea: Path) -> None:
    imported(sessions, synthea, time_zone="Asia/Tokyo")

    with sessions() as session:
        claim = session.scalars(
            select(Claim).where(Claim.external_id == "9120543f-28b9-96ae-09eb-d54f6d918234")  # 16:17:47 UTC
        ).one()

    assert (claim.service_date, claim.service_time) == (dt.date(2023, 1, 28), dt.time(1, 17, 47))
