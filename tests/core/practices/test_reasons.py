"""The practice's own reasons: who may change them, what they are, and that history keeps the words of its time."""

from typing import Any

import pytest

from core.access.permissions import Actor
from core.enums.ledger import REASON_NAMES, WriteOffReason
from core.enums.practices import PayerClass
from core.errors import NotAllowed
from core.jobs.preview.job_request import BadRequest
from core.jobs.results import certificates
from core.ledger import ledger_queries
from core.models.practices import PracticeReason
from core.practices import reasons
from core.practices.reasons import BadReason, LastReason, NoSuchReason, ReasonInUse, ReasonNameTaken
from core.schedules import schedule_commands
from core.schedules.requests import BadSchedule
from tests.core.schedules.conftest import a_request
from tests.factories import GivenPractice, Line, a_practice

HARDSHIP = {"name": "Hardship discount", "kind": "charity", "adjustment_code": "HD", "gl_account": "4711"}


def listed(practice: GivenPractice) -> dict[str, PracticeReason]:
    return {reason.code: reason for reason in practice.do(reasons.list_reasons, practice.id)}


def test_a_new_practice_has_the_built_in_reasons(practice: GivenPractice) -> None:
    found = listed(practice)

    assert {code: (one.kind.value, one.name) for code, one in found.items()} == {
        kind.value: (kind.value, name) for kind, name in REASON_NAMES.items()
    }


def test_a_reason_is_added_changed_retired_and_restored_and_each_is_audited(
    practice: GivenPractice, admin: Actor
) -> None:
    made = practice.act(reasons.add, **HARDSHIP, by=admin)
    practice.act(reasons.change, made.code, {"name": " Hardship  2026 "}, by=admin)
    practice.act(reasons.change, made.code, {"name": "Hardship 2026"}, by=admin)
    practice.act(reasons.retire, made.code, by=admin)
    practice.act(reasons.retire, made.code, by=admin)
    assert listed(practice)[made.code].retired_at is not None
    practice.act(reasons.restore, made.code, by=admin)

    now = listed(practice)["hardship_discount"]
    assert (now.name, now.kind, now.adjustment_code, now.gl_account, now.retired_at) == (
        "Hardship 2026", WriteOffReason.CHARITY, "HD", "4711", None,
    )  # fmt: skip
    acts = [(entry.act, entry.facts) for entry in practice.audited(subject="reason:hardship_discount")]
    assert acts == [
        ("reason.added", HARDSHIP),
        ("reason.changed", {"name": {"from": "Hardship discount", "to": "Hardship 2026"}}),
        ("reason.retired", {}),
        ("reason.restored", {}),
    ]


@pytest.mark.parametrize(
    ("changed", "faulty"),
    [
        ({"name": " "}, {"name"}), ({"name": "x" * 61}, {"name"}), ({"name": "a\x00b"}, {"name"}),
        ({"kind": "spite"}, {"kind"}), ({"adjustment_code": "x" * 41, "gl_account": "\x07"},
                                        {"adjustment_code", "gl_account"}),
    ],
)  # fmt: skip
def test_faults_are_named_by_field(
    practice: GivenPractice, admin: Actor, changed: dict[str, str], faulty: set[str]
) -> None:
    with pytest.raises(BadReason) as refused:
        practice.act(reasons.add, **{**HARDSHIP, **changed}, by=admin)

    assert set(refused.value.facts["faults"]) == faulty


def test_names_and_codes_are_unique(practice: GivenPractice, admin: Actor) -> None:
    practice.act(reasons.add, **{**HARDSHIP, "name": "Bad-debt"}, by=admin)

    assert "bad_debt_2" in listed(practice)
    with pytest.raises(ReasonNameTaken):
        practice.act(reasons.add, **{**HARDSHIP, "name": "bad DEBT"}, by=admin)
    with pytest.raises(ReasonNameTaken):
        practice.act(reasons.change, "bad_debt_2", {"name": "Charity"}, by=admin)


def test_only_an_administrator_of_the_practice_changes_reasons(practice: GivenPractice, admin: Actor) -> None:
    practice.act(reasons.add, **HARDSHIP, by=admin)
    other = a_practice(practice.sessions, name="Harbor")

    acts: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
        (reasons.add, (), HARDSHIP), (reasons.change, ("charity", {"name": "x"}), {}),
        (reasons.retire, ("charity",), {}), (reasons.restore, ("charity",), {}),
    ]  # fmt: skip
    for act, given, more in acts:
        with pytest.raises(NotAllowed):
            practice.act(act, *given, **more)
    assert "hardship_discount" not in listed(other)
    with pytest.raises(NoSuchReason):
        practice.act(reasons.retire, "hardship", by=admin)


def test_rules_know_the_kind_of_the_practices_reason(practice: GivenPractice, admin: Actor) -> None:
    practice.act(reasons.add, **HARDSHIP, by=admin)
    practice.act(reasons.add, name="Staff family", kind="courtesy", by=admin)
    practice.claim("1", Line(0, 5_00), primary_payer_id=practice.payer("Care", PayerClass.MEDICARE))

    verdicts = {
        code: practice.item(practice.preview(reason=code, key=code), "1").verdict_code
        for code in ("hardship_discount", "staff_family")
    }

    assert verdicts == {"hardship_discount": None, "staff_family": "medicare_cost_share"}


def test_history_keeps_the_words_of_its_time(practice: GivenPractice, admin: Actor) -> None:
    practice.act(reasons.add, **HARDSHIP, by=admin)
    practice.claim("1", Line(0, 5_00))
    job = practice.settle(reason="hardship_discount")

    practice.act(reasons.change, "hardship_discount", {"name": "Renamed", "adjustment_code": "R"}, by=admin)
    practice.act(reasons.retire, "hardship_discount", by=admin)

    settled = practice.read_job(job)
    assert (settled.reason, settled.reason_code, settled.reason_name) == (
        WriteOffReason.CHARITY, "hardship_discount", "Hardship discount",
    )  # fmt: skip
    certificate = practice.do(certificates.for_job, job)
    assert (certificate.reason, certificate.reason_name, certificate.adjustment_code) == (
        "charity", "Hardship discount", "HD",
    )  # fmt: skip
    rows = practice.do(ledger_queries.list_ledger_rows, practice.id, practice.read("1").id)
    assert [row.reason_name for row in rows if row.write_off_reason] == ["Hardship discount"]


def test_a_job_of_an_earlier_version_has_the_words_of_its_kind(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 5_00))
    job = practice.settle()
    practice.sql("UPDATE settle_job SET practice_reason = '{}'")

    settled = practice.read_job(job)

    assert (settled.reason_code, settled.reason_name) == ("small_balance", "Small balance")
    rows = practice.do(ledger_queries.list_ledger_rows, practice.id, practice.read("1").id)
    assert [row.reason_name for row in rows if row.write_off_reason] == ["Small balance"]


def test_a_retired_or_unknown_reason_is_refused_with_those_in_use(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 5_00))
    before = practice.preview(key="before")
    practice.act(reasons.retire, "small_balance", by=admin)

    with pytest.raises(BadRequest, match="reason: this reason is retired; give one of administrative, bad_debt"):
        practice.preview(key="after")
    with pytest.raises(BadRequest, match="reason: give one of administrative"):
        practice.preview(reason="spite", key="unknown")
    with pytest.raises(BadSchedule, match="reason: this reason is retired"):
        practice.act(schedule_commands.create, a_request(), by=admin)
    assert practice.preview(key="before") == before  # the same request again finds its job


def test_a_reason_that_a_schedule_uses_and_the_last_one_are_not_retired(practice: GivenPractice, admin: Actor) -> None:
    made = practice.act(reasons.add, **HARDSHIP, by=admin)
    practice.act(schedule_commands.create, a_request(reason=made.code, name="Nightly"), by=admin)
    practice.act(schedule_commands.create, a_request(reason="bad_debt", name="Debts"), by=admin)

    for code, name in ((made.code, "Nightly"), ("bad_debt", "Debts")):
        with pytest.raises(ReasonInUse, match=name):
            practice.act(reasons.retire, code, by=admin)
    practice.act(reasons.retire, "charity", by=admin)  # of the kind of the schedule's reason, and not its reason

    practice.sql("UPDATE schedule SET deleted_at = now()")
    *others, last = [code for code, one in listed(practice).items() if one.retired_at is None]
    for code in others:
        practice.act(reasons.retire, code, by=admin)
    with pytest.raises(LastReason):
        practice.act(reasons.retire, last, by=admin)
