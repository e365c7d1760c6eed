"""Ways in which one person could write off past the limits alone. Each takes a second person."""

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from core.access import audit, password_links, tokens, user_management
from core.access.permissions import ALL_SCOPES, Actor
from core.access.user_management import NotIndependent
from core.access.users import actor_for
from core.claims import holds
from core.enums.claims import Hold
from core.enums.jobs import JobStatus
from core.enums.ledger import Responsibility
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.errors import NotAllowed
from core.jobs import requesters
from core.jobs.approval import inbox
from core.jobs.keys import JobKey
from core.ledger import manual_postings
from core.ledger.entries import Adjustment
from core.models.jobs import SettleJob
from core.models.people import User
from core.money import UNLIMITED
from core.practices import limits, write_off_setting
from core.schedules import time_zone
from tests.factories import NOW, GivenPractice, Line

WAITS, RUNS = JobStatus.AWAITING_APPROVAL, JobStatus.CONFIRMED
DAY = dt.timedelta(hours=24)
LATER = NOW + DAY
MINUTE = dt.timedelta(minutes=1)
_keys = itertools.count(1)


def add(practice: GivenPractice, role: Role, *, by: Actor, now: dt.datetime = NOW - 2 * DAY) -> Actor:
    number = next(_keys)
    new = {"email": f"new{number}@lakeside.example", "name": f"New {number}", "role": role}
    limits_ = {"claim_cents": UNLIMITED, "job_cents": UNLIMITED}
    user, _link = practice.do(user_management.add, **new, **limits_, by_mail=False, by=by, now=now)
    return actor_for(user)


def over_limit(practice: GivenPractice, *, by: Actor) -> JobKey:
    """Return a job by that user that waits for approval."""
    practice.limit(job=1)
    number = f"X{next(_keys)}"
    practice.claim(number, Line(1_000))
    key = practice.preview({"claim_ids": [number]}, by=by, key=number)
    assert practice.confirm(key, by=by).status is WAITS
    return key


def refusal(practice: GivenPractice, job: JobKey, by: Actor, *, now: dt.datetime = NOW) -> str:
    with practice.sessions() as session:
        assert (job.job_id in {one.id for one in inbox.jobs_to_approve(session, by, now=now)}) is False
        eligible = requesters.approvers(session, session.get_one(SettleJob, job), now=now)
        assert by.user_id not in {user.id for user in eligible}
    with pytest.raises(NotAllowed) as refused:
        practice.approve(job, by=by, now=now)
    return refused.value.code


def codes(job: SettleJob) -> list[str]:
    return [one["code"] for one in job.limits_exceeded]


def job_on(practice: GivenPractice, number: str, *, now: dt.datetime = NOW, by: Actor | None = None) -> SettleJob:
    key = practice.preview({"claim_ids": [number]}, by=by, key=f"two people {next(_keys)}", now=now)
    return practice.confirm(key, by=by, now=now)


def test_an_account_that_the_requester_added_cannot_approve_their_job(practice: GivenPractice, admin: Actor) -> None:
    second = add(practice, Role.APPROVER, by=admin)

    job = over_limit(practice, by=admin)

    assert refusal(practice, job, second) == "controlled_account"
    other = practice.person("other@lakeside.example", Role.APPROVER)
    assert practice.approve(job, by=other).status is RUNS


@pytest.mark.parametrize(
    "act",
    [
        lambda practice, user, by: (
            practice.do(user_management.deactivate, user, by=by, now=NOW - 3 * DAY),
            practice.do(user_management.reactivate, user, by=by, now=NOW - 2 * DAY),
        ),
        lambda practice, user, by: practice.do(user_management.change_role, user, Role.ADMIN, by=by, now=NOW - 2 * DAY),
        lambda practice, user, by: (
            practice.do(user_management.set_limits, user, claim_cents=5, by=by, now=NOW - 3 * DAY),
            practice.do(user_management.set_limits, user, claim_cents=6, by=by, now=NOW - 2 * DAY),
        ),
    ],
    ids=["reactivated", "raised", "higher limits"],
)
def test_an_account_that_the_requester_reactivated_or_raised_cannot_approve_their_job(
    practice: GivenPractice, admin: Actor, act: Callable[[GivenPractice, int, Actor], Any]
) -> None:
    approver = practice.person("approver@lakeside.example", Role.APPROVER)
    act(practice, approver.user_id, admin)

    assert refusal(practice, over_limit(practice, by=admin), approver) == "controlled_account"


def test_lower_limits_and_a_lesser_role_tie_no_account(practice: GivenPractice, admin: Actor) -> None:
    approver = practice.person("approver@lakeside.example", Role.ADMIN)
    practice.do(user_management.set_limits, approver.user_id, claim_cents=5, by=admin, now=NOW - 2 * DAY)
    practice.do(user_management.change_role, approver.user_id, Role.APPROVER, by=admin, now=NOW - 2 * DAY)

    assert practice.approve(over_limit(practice, by=admin), by=approver).status is RUNS


def test_an_account_is_tied_through_other_accounts_until_an_independent_administrator_vouches(
    practice: GivenPractice, admin: Actor
) -> None:
    puppet = add(practice, Role.ADMIN, by=admin)
    approver = add(practice, Role.APPROVER, by=puppet)
    job = over_limit(practice, by=admin)
    assert refusal(practice, job, approver) == "controlled_account"

    for by in (admin, puppet):
        with pytest.raises(NotIndependent):
            practice.do(user_management.vouch, approver.user_id, by=by, now=NOW)
    independent = practice.person("owner@lakeside.example", Role.ADMIN)
    # The puppet is signed in as the approver, and keeps what would still work later.
    token = practice.act(tokens.add_own, name="x", scopes=ALL_SCOPES, days=9, by=approver)
    _user, link = practice.act(user_management.make_password_link, approver.user_id, by_mail=False, by=puppet)
    with practice.sessions.begin() as session:
        user = session.get_one(User, approver.user_id)
        audit.record(session, "user.passkey_added", user, by=approver, now=NOW)
        (added,) = user_management.list_sign_in_changes(session, user)
        assert added.act == "user.passkey_added"
    for _ in range(2):
        practice.do(user_management.vouch, approver.user_id, by=independent, now=NOW)

    (vouched,) = practice.audited("user.vouched")
    assert vouched.facts == {"sessions_ended": 0, "tokens_revoked": 1, "sign_in_changes": 1}
    with practice.sessions() as session:
        assert tokens.find_actor_by_token(session, token, NOW) is None
        with pytest.raises(password_links.PasswordLinkInvalid):
            password_links.find_user(session, link.token, NOW)
    assert practice.approve(job, by=approver).status is RUNS


def test_a_new_approver_approves_from_the_next_day(practice: GivenPractice, admin: Actor) -> None:
    new = add(practice, Role.APPROVER, by=admin, now=NOW)
    job = over_limit(practice, by=practice.biller)

    assert refusal(practice, job, new, now=NOW + DAY - MINUTE) == "new_approver"
    assert practice.approve(job, by=new, now=LATER).status is RUNS


def test_a_raised_limit_counts_from_the_next_day(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(3)
    practice.limit(claim=100)
    practice.limit_of(practice.biller, job=100)

    practice.do(limits.set_write_off_limits, claim_cents=UNLIMITED, by=admin, now=NOW)
    practice.do(user_management.set_limits, practice.biller.user_id, job_cents=UNLIMITED, by=admin, now=NOW)

    assert codes(job_on(practice, "C00001")) == ["over_claim_limit", "over_user_job_limit"]
    assert job_on(practice, "C00002", now=LATER).status is RUNS


def test_a_lowered_limit_counts_at_once(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    practice.do(limits.set_write_off_limits, claim_cents=100, by=admin, now=NOW)

    assert codes(job_on(practice, "C00001")) == ["over_claim_limit"]


LOOSENED: dict[str, Callable[[GivenPractice, Actor], Any]] = {
    "time_zone.changed": lambda practice, by: practice.do(time_zone.set_time_zone, "Asia/Tokyo", by=by, now=NOW),
    "write_off_setting.changed": lambda practice, by: (
        practice.set_write_off(WriteOffSetting.PATIENT),
        practice.do(
            write_off_setting.set_for_practice, practice_id=practice.id, setting=WriteOffSetting.BOTH, by=by, now=NOW
        ),
    ),
    "small_balance_limit.changed": lambda practice, by: (
        practice.do(limits.set_rule_limits, {"small_balance_max_cents": 20_00}, by=by, now=NOW - 2 * DAY),
        practice.do(limits.set_rule_limits, {"small_balance_max_cents": 30_00}, by=by, now=NOW),
    ),
    "statement_rules.changed": lambda practice, by: (
        practice.do(limits.set_rule_limits, {"statements_min": 3}, by=by, now=NOW - 2 * DAY),
        practice.do(limits.set_rule_limits, {"statements_min": 0}, by=by, now=NOW),
    ),
}


@pytest.mark.parametrize("act", LOOSENED)
def test_a_job_after_a_loosened_rule_needs_approval_for_a_day(practice: GivenPractice, admin: Actor, act: str) -> None:
    practice.claims(3)
    practice.limit(job=1_000_00)
    LOOSENED[act](practice, admin)

    waits = job_on(practice, "C00001", by=admin)
    assert waits.limits_exceeded[0]["code"] == "loosened_rule"
    assert waits.limits_exceeded[0]["acts"] == [act]
    # The biller is another person, whose account the administrator does not control.
    assert job_on(practice, "C00002").status is RUNS
    assert job_on(practice, "C00003", by=admin, now=LATER).status is RUNS


def test_a_loosened_rule_counts_for_an_account_that_the_user_controls(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    practice.limit(job=1_000_00)
    puppet = add(practice, Role.BILLER, by=admin)
    LOOSENED["time_zone.changed"](practice, admin)

    assert codes(job_on(practice, "C00001", by=puppet)) == ["loosened_rule"]


def test_a_stricter_rule_a_first_choice_or_no_limits_need_no_approval(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(2)
    LOOSENED["time_zone.changed"](practice, admin)
    assert job_on(practice, "C00001", by=admin).status is RUNS

    later = LATER + MINUTE
    practice.limit(job=1_000_00)
    practice.sql("UPDATE practice SET write_off_chosen = false, write_off = 'neither'")
    setting = {"practice_id": practice.id, "setting": WriteOffSetting.BOTH}
    practice.do(write_off_setting.set_for_practice, **setting, by=admin, now=later)
    practice.do(limits.set_rule_limits, {"small_balance_max_cents": 1}, by=admin, now=later)
    assert job_on(practice, "C00002", by=admin, now=later).status is RUNS


def test_adjustments_by_hand_count_toward_the_sum_of_24_hours(practice: GivenPractice) -> None:
    practice.claims(3)
    practice.limit(job=2_000)
    entry = Adjustment(
        kind="adjustment", line=1, responsibility=Responsibility.PATIENT, amount_cents=500, group_code="CO",
        reason_code="45",
    )  # fmt: skip
    for number in ("C00001", "C00002"):
        practice.do(manual_postings.post, number, entry, by=practice.biller, idempotency_key=number, now=NOW)

    waits = job_on(practice, "C00003", now=NOW + MINUTE)

    assert waits.limits_exceeded == [
        {"code": "over_day_limit", "limit": 2_000, "found": 2_500, "claims": 1, "jobs": [], "by_hand_cents": 1_000}
    ]
    assert practice.violations() == []


def test_the_reversal_of_an_approved_job_needs_approval(practice: GivenPractice, admin: Actor) -> None:
    job = over_limit(practice, by=practice.biller)
    practice.approve(job, by=admin)
    practice.run()
    practice.limit()

    reversal = practice.confirm(practice.request_reversal(job, by=admin), by=admin)

    assert (reversal.status, reversal.limits_exceeded[0]["code"]) == (WAITS, "reverses_approved_job")
    assert reversal.limits_exceeded[0]["jobs"] == [job.job_id]
    second = practice.person("second@lakeside.example", Role.APPROVER)
    practice.approve(JobKey(practice.id, reversal.id), by=second)
    practice.run()
    assert practice.read_job(JobKey(practice.id, reversal.id)).status is JobStatus.COMPLETED
    assert practice.violations() == []


def test_only_a_role_that_may_exclude_ends_a_legal_hold(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    practice.do(holds.set_hold, "C00001", Hold.LEGAL, by=practice.biller, now=NOW)

    for instead in (None, Hold.HOLD):
        with pytest.raises(NotAllowed, match="Only an administrator"):
            practice.do(holds.set_hold, "C00001", instead, by=practice.biller, now=NOW)
    assert practice.read("C00001").hold is Hold.LEGAL

    practice.do(holds.set_hold, "C00001", None, by=admin, now=NOW)
    assert practice.read("C00001").hold is None
