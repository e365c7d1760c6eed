"""Claim holds with their author, reason and end date; patients and payers excluded from write-offs."""

import datetime as dt
import threading
import time
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from core.access.permissions import Actor
from core.claims import feed, holds
from core.claims.claim_filter import ClaimFilter
from core.claims.holds import BadHold
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.job_items import Outcome
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.errors import NotAllowed, NotFound
from core.jobs.execution import engine
from core.models.claims import Claim
from core.models.people import AuditEntry
from core.models.practices import Patient
from core.practices import exclusions
from core.practices.exclusions import AlreadyExcluded, BadExclusion
from tests.factories import NOW, TODAY, GivenPractice, Line, a_practice, ticking
from tests.waiting import eventually

YESTERDAY, TOMORROW = TODAY - dt.timedelta(days=1), TODAY + dt.timedelta(days=1)


def exclude(practice: GivenPractice, by: Actor, *, now: dt.datetime = NOW, **given: Any) -> int:
    return practice.do(exclusions.exclude, **{"reason": "Court order", **given}, by=by, now=now)


def end(practice: GivenPractice, number: int, by: Actor) -> None:
    practice.act(exclusions.end, number, by=by)


def hold(practice: GivenPractice, number: str, kind: Hold | None, now: dt.datetime = NOW, **given: Any) -> Claim:
    return practice.act(holds.set_hold, number, kind, **given, now=now)


def matching(practice: GivenPractice, now: dt.datetime = NOW, **given: Any) -> set[str]:
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=now)
        page = feed.page(session, practice.id, ClaimFilter.of(given), cursor=None, limit=50, terms=terms)
        return {row.claim_id for row in page.rows}


def patient(practice: GivenPractice, number: str) -> int:
    with transaction(practice.sessions) as session:
        made = insert(Patient).values(practice_id=practice.id, external_id=number, name=f"Patient {number}")
        return session.scalars(made.returning(Patient.id)).one()


def given_four_claims(practice: GivenPractice) -> None:
    """Add claims of another patient, of another primary payer, of another secondary payer, and an ordinary one."""
    other = practice.payer("P2", PayerClass.COMMERCIAL)
    practice.claim("patient", Line(0, 100), patient_id=patient(practice, "2"))
    practice.claim("first", Line(0, 100), primary_payer_id=other)
    practice.claim("second", Line(0, 100), secondary_payer_id=other, secondary_status="ERA Received")
    practice.claim("self-pay", Line(0, 100), primary_payer_id=None)


@pytest.mark.parametrize(
    ("whom", "excluded_claims"), [({"patient": "2"}, {"patient"}), ({"payer": "P2"}, {"first", "second"})]
)
def test_an_excluded_claim_is_on_hold_in_feed_and_preview(
    practice: GivenPractice, admin: Actor, whom: dict[str, str], excluded_claims: set[str]
) -> None:
    given_four_claims(practice)
    exclude(practice, admin, **whom)

    every = {"patient", "first", "second", "self-pay"}
    assert matching(practice, on_hold=True) == excluded_claims
    assert matching(practice, on_hold=False) == every - excluded_claims
    assert matching(practice, eligibility="on_hold") == excluded_claims
    assert matching(practice, eligibility="can_settle") == every - excluded_claims

    job = practice.settle()

    assert {number for number in every if practice.item(job, number).outcome is Outcome.SKIPPED} == excluded_claims
    item = practice.item(job, min(excluded_claims))
    assert (item.code, item.why) == ("on_hold", {"hold": "excluded", "excluded": next(iter(whom))})
    assert practice.violations() == []


@pytest.mark.parametrize("whom", [{"patient": "2"}, {"payer": "P2"}])
def test_claims_excluded_after_the_preview_are_skipped_by_the_run(
    practice: GivenPractice, admin: Actor, whom: dict[str, str]
) -> None:
    given_four_claims(practice)
    job = practice.confirmed(chunk_claims=2)
    versions = {number: practice.read(number).version for number in ("patient", "first", "second")}

    exclude(practice, admin, **whom)
    practice.run()

    excluded_claims = ["patient"] if "patient" in whom else ["first", "second"]
    for number in excluded_claims:
        assert (practice.item(job, number).outcome, practice.item(job, number).code) == (Outcome.SKIPPED, "on_hold")
        assert practice.read(number).version == versions[number], "no claim is touched by an exclusion"
    assert practice.counts(job)["settled"] == 4 - len(excluded_claims)
    assert practice.violations() == []


def test_a_new_exclusion_waits_for_the_chunk_in_progress(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    job = practice.confirmed()
    done: list[float] = []

    def exclude_it() -> None:
        exclude(practice, admin, patient="1")
        done.append(time.monotonic())

    with transaction(practice.sessions) as session:  # like a chunk in the middle of its transaction
        assert exclusions.lock_active_exclusions(session, practice.id, on=TODAY) == exclusions.NO_EXCLUSIONS
        excluding = threading.Thread(target=exclude_it)
        excluding.start()
        with practice.sessions() as watching:
            waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            eventually(lambda: watching.scalar(waits) == 1)
        assert done == []
    excluding.join()

    engine.work(practice.sessions, worker="tester", clock=ticking(NOW))
    assert practice.item(job, "C00001").code == "on_hold"


def test_an_exclusion_applies_through_its_last_day_and_then_ends_by_itself(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claims(1)
    exclude(practice, admin, patient="1", until=TODAY)

    assert matching(practice, on_hold=True) == {"C00001"}
    assert matching(practice, now=NOW + dt.timedelta(days=1), on_hold=True) == set()
    renewed = exclude(practice, admin, patient="1", now=NOW + dt.timedelta(days=1))
    rows = practice.do(exclusions.list_exclusions, practice.id, today=TOMORROW, lasting_only=False)
    assert [(row.id == renewed, row.lasts, row.ended_by) for row in rows] == [(True, True, None), (False, False, None)]


def test_an_exclusion_is_ended_once_and_its_claims_settle_again(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    number = exclude(practice, admin, payer="1", until=TOMORROW)
    for _ in range(2):
        end(practice, number, admin)

    assert practice.counts(practice.settle())["settled"] == 1
    with practice.sessions() as session:
        acts = session.scalars(select(AuditEntry.act).where(AuditEntry.subject == f"exclusion:{number}")).all()
    assert acts == ["exclusion.made", "exclusion.ended"]


def test_a_patient_cannot_be_excluded_twice(practice: GivenPractice, admin: Actor) -> None:
    exclude(practice, admin, patient="1")

    with pytest.raises(AlreadyExcluded):
        exclude(practice, admin, patient="1", until=TOMORROW)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"patient": "1", "reason": " "}, "why"),
        ({"patient": "1", "reason": "x" * 501}, "why"),
        ({"patient": "1", "until": YESTERDAY}, "until"),
        ({"patient": "9"}, "whom"),
        ({"payer": ""}, "whom"),
        ({"payer": "a\x00"}, "whom"),
        ({}, "whom"),
        ({"patient": "1", "payer": "1"}, "whom"),
    ],
)
def test_an_exclusion_must_name_a_patient_or_payer_and_a_reason(
    practice: GivenPractice, admin: Actor, given: dict[str, Any], fault: str
) -> None:
    with pytest.raises(BadExclusion) as refused:
        exclude(practice, admin, **given)

    assert list(refused.value.facts["faults"]) == [fault]


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.OPS])
def test_only_an_administrator_adds_or_ends_an_exclusion(practice: GivenPractice, admin: Actor, role: Role) -> None:
    other_user = practice.person("other@lakeside.example", role)

    with pytest.raises(NotAllowed):
        exclude(practice, other_user, patient="1")
    with pytest.raises(NotAllowed):
        end(practice, exclude(practice, admin, patient="1"), other_user)


def test_an_exclusion_affects_only_its_practice_and_is_ended_only_there(practice: GivenPractice, admin: Actor) -> None:
    other = a_practice(practice.sessions, name="Hill")
    practice.claims(1)
    other.claims(1)
    number = exclude(practice, admin, patient="1")

    assert matching(other, on_hold=True) == set()
    with pytest.raises(NotFound):
        end(other, number, other.person("admin@hill.example", Role.ADMIN))


def test_a_hold_shows_its_author_reason_and_last_day(practice: GivenPractice) -> None:
    practice.claims(1)
    hold(practice, "C00001", Hold.LEGAL, reason=" Lawyer's letter ", until=TOMORROW)

    with practice.sessions() as session:
        held = holds.hold_of_claim(session, practice.id, "C00001", today=TODAY)
        row = feed.find_row(session, practice.id, "C00001", terms=feed.terms_for(session, practice.id, now=NOW))
    assert held is not None
    assert (held.hold, held.reason, held.until, held.by, held.at) == (
        Hold.LEGAL, "Lawyer's letter", TOMORROW, "biller", NOW,
    )  # fmt: skip
    assert (row.hold, row.hold_reason, row.hold_until, row.hold_by) == (
        Hold.LEGAL, "Lawyer's letter", TOMORROW, "biller",
    )  # fmt: skip
    assert practice.item(practice.preview(), "C00001").why == {"hold": "legal_hold", "hold_until": str(TOMORROW)}


def test_a_hold_ends_after_its_last_day(practice: GivenPractice) -> None:
    practice.claims(1)
    hold(practice, "C00001", Hold.HOLD, until=TODAY)
    tomorrow = NOW + dt.timedelta(days=1)

    assert matching(practice, on_hold=True) == {"C00001"}
    assert matching(practice, now=tomorrow, on_hold=True) == set()
    assert matching(practice, now=tomorrow, eligibility="can_settle") == {"C00001"}
    with practice.sessions() as session:
        assert holds.list_held_claims(session, practice.id, today=TODAY) != []
        assert holds.list_held_claims(session, practice.id, today=TOMORROW) == []
    job = practice.preview(now=tomorrow)
    practice.confirm(job, now=tomorrow)
    practice.run(now=tomorrow)
    assert practice.item(job, "C00001").outcome is Outcome.SETTLED
    assert practice.violations() == []


def test_a_holds_last_day_ends_at_midnight_in_the_practices_time_zone(practice: GivenPractice) -> None:
    practice.claims(1)
    hold(practice, "C00001", Hold.HOLD, until=TODAY)
    midnight_there = dt.datetime(2026, 11, 24, 5, 0, tzinfo=dt.UTC)  # in New York

    assert matching(practice, now=midnight_there - dt.timedelta(seconds=1), on_hold=True) == {"C00001"}
    assert matching(practice, now=midnight_there, on_hold=True) == set()


def test_repeating_a_hold_changes_nothing_but_a_new_reason_or_last_day_does(practice: GivenPractice) -> None:
    practice.claims(1)
    versions = [
        hold(practice, "C00001", kind, **given).version
        for kind, given in (
            (Hold.HOLD, {"reason": "a"}), (Hold.HOLD, {"reason": "a "}), (Hold.HOLD, {"reason": "b"}),
            (Hold.HOLD, {"reason": "b", "until": TODAY}), (None, {}), (None, {"reason": "ignored"}),
        )
    ]  # fmt: skip

    assert versions == [2, 2, 3, 4, 5, 5]
    released = practice.read("C00001")
    assert (released.hold, released.hold_reason, released.hold_until, released.hold_by, released.hold_at) == (None,) * 5


@pytest.mark.parametrize(
    ("given", "fault"), [({"reason": "x" * 501}, "why"), ({"reason": "\x00"}, "why"), ({"until": YESTERDAY}, "until")]
)
def test_an_invalid_hold_is_refused_field_by_field(practice: GivenPractice, given: dict[str, Any], fault: str) -> None:
    practice.claims(1)

    with pytest.raises(BadHold) as refused:
        hold(practice, "C00001", Hold.HOLD, **given)

    assert list(refused.value.facts["faults"]) == [fault]
    assert practice.read("C00001").hold is None


def test_the_audit_contains_neither_reasons_nor_names(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    hold(practice, "C00001", Hold.HOLD, reason="Secret words", until=TOMORROW)
    exclude(practice, admin, patient="1", reason="Secret words", until=TOMORROW)

    with practice.sessions() as session:
        written = " ".join(str(facts) for facts in session.scalars(select(AuditEntry.facts)))
    assert "Secret" not in written
    assert "Patient" not in written
    assert str(TOMORROW) in written
