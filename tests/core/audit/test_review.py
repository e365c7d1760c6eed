"""The weekly review: each kind of finding, with its people, jobs and claims, in the week of its later event."""

import datetime as dt

from sqlalchemy import select

from core.access import user_management
from core.access.permissions import Actor
from core.access.users import actor_for
from core.audit import regular_events, review
from core.audit.findings import Finding, FindingKind
from core.claims import holds
from core.enums.claims import Hold
from core.enums.ledger import Responsibility
from core.enums.notices import EventKind, NoticeKind
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.jobs import event_sentences
from core.jobs.keys import JobKey
from core.ledger import manual_postings, posting_decisions
from core.ledger.entries import Adjustment
from core.models.notices import Event, Notice, OutboxMessage
from core.money import UNLIMITED
from core.practices import exclusions, limits, one_person_choice
from core.schedules.time_zone import set_time_zone
from tests import remittances
from tests.factories import NOW, GivenPractice, Line

DAY = dt.timedelta(days=1)


def findings(practice: GivenPractice, by: Actor, *, now: dt.datetime = NOW) -> dict[FindingKind, list[Finding]]:
    """Return the kinds with findings in the week of `now`, without the sums of users that exceed no limit."""
    found = practice.do(review.for_user, by, now.date(), now=now).findings
    without = (FindingKind.WITHOUT_LIMIT, FindingKind.UNDER_LIMIT)
    return {kind: some for kind, some in found.items() if some and kind not in without}


def add(practice: GivenPractice, role: Role, *, by: Actor, now: dt.datetime) -> Actor:
    given = {"email": "new@lakeside.example", "name": "New", "claim_cents": UNLIMITED, "job_cents": UNLIMITED}
    user, _link = practice.do(user_management.add, role=role, **given, by_mail=False, by=by, now=now)
    return actor_for(user)


def settle(practice: GivenPractice, number: str, *, by: Actor, now: dt.datetime = NOW) -> JobKey:
    key = practice.preview({"claim_ids": [number]}, by=by, key=f"{number} {now}", now=now)
    practice.confirm(key, by=by, now=now)
    practice.run(now=now)
    return key


def test_a_change_within_a_day_of_a_write_off_by_the_same_or_a_tied_user(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(3)
    tied = add(practice, Role.BILLER, by=admin, now=NOW - 20 * DAY)
    practice.do(limits.set_write_off_limits, claim_cents=100_00, by=admin, now=NOW)
    settle(practice, "C00001", by=practice.biller)
    assert findings(practice, admin) == {}, "the biller is another person"

    jobs = [settle(practice, "C00002", by=tied), settle(practice, "C00003", by=admin, now=NOW + DAY)]

    (found,) = findings(practice, admin)[FindingKind.CHANGED]
    assert found.sentence == (
        "Changed the practice's approval limits on 11/23/2026 (claim limit from unlimited, to $100.00)"
    )
    assert (found.user_ids, found.job_ids) == ((admin.user_id,), tuple(job.job_id for job in jobs))
    assert found.at == NOW + DAY
    assert findings(practice, admin, now=NOW + 7 * DAY) == {}


def test_adjustments_by_hand_over_the_claim_limit_in_30_days(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("MANY", Line(0, 9_000))
    practice.claim("FEW", Line(0, 9_000))
    entry = Adjustment(
        kind="adjustment", line=1, responsibility=Responsibility.PATIENT, amount_cents=600, group_code="CO",
        reason_code="45",
    )  # fmt: skip
    for number, at in (("MANY", NOW - 20 * DAY), ("MANY", NOW), ("FEW", NOW - 31 * DAY), ("FEW", NOW - 20 * DAY)):
        given = {"idempotency_key": f"{number} {at}", "now": at}
        practice.do(manual_postings.post, number, entry, by=practice.biller, **given)
    practice.limit(claim=1_000)  # above it, an entry would have waited for approval

    (found,) = findings(practice, admin)[FindingKind.ADJUSTED]

    assert found.sentence == "Took $12.00 off claim MANY in 2 adjustments and write-offs (limit $10.00)."
    assert (found.user_ids, found.claims) == ((practice.biller.user_id,), ("MANY",))
    practice.limit()
    assert findings(practice, admin) == {}


def test_a_limit_that_a_user_raised_a_day_before_the_write_off(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    practice.limit(claim=100, job=100)
    practice.do(limits.set_write_off_limits, claim_cents=UNLIMITED, job_cents=UNLIMITED, by=admin, now=NOW)
    settle(practice, "C00001", by=admin, now=NOW + DAY + DAY / 24)

    (found,) = findings(practice, admin)[FindingKind.LOOSENED]

    assert found.sentence.startswith("Changed the practice's approval limits on 11/23/2026 (job limit from $1.00")
    practice.do(limits.set_write_off_limits, claim_cents=1, by=admin, now=NOW + 7 * DAY)
    assert findings(practice, admin, now=NOW + 7 * DAY) == {}, "a lower limit is no finding"


def test_a_remittance_that_adjusts_unpaid_claims(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("A1", Line(10_000), service_date=remittances.SERVICE_ON)
    practice.sql("UPDATE line_item SET procedure_code = '99213'")
    practice.limit(job=5_000)
    unpaid = remittances.clp("A1", "100", "0.01", remittances.svc("100", "0.01", "CO*45*99.99"), day="20260102")

    remittances.take_transactions(practice, remittances.st(unpaid, paid="0.01"))

    found, _sum = sorted(one.sentence for one in findings(practice, admin)[FindingKind.ADJUSTED])
    assert found == (
        "Imported remittance T000001, which adjusted 1 claim by $99.99 and paid less than a tenth of that (limit for a "
        "job $50.00)."
    )


def test_approvals_by_new_and_just_vouched_accounts(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(2)
    new = add(practice, Role.APPROVER, by=admin, now=NOW - 2 * DAY)
    practice.sql("UPDATE app_user SET created_at = :then WHERE id <> :new", then=NOW - 90 * DAY, new=new.user_id)
    practice.limit(job=1)
    for number, approver in (("C00001", admin), ("C00002", new)):
        key = practice.preview({"claim_ids": [number]}, key=number)
        practice.confirm(key)
        practice.approve(key, by=approver)
    (found,) = findings(practice, admin)[FindingKind.YOUNG_APPROVER]
    assert found.sentence == f"Approved job {key.job_id}. The approver's account was under 30 days old."

    owner = practice.person("owner@lakeside.example", Role.ADMIN)
    practice.do(user_management.vouch, new.user_id, by=owner, now=NOW - DAY)
    practice.sql("UPDATE app_user SET created_at = :then", then=NOW - 90 * DAY)
    (found,) = findings(practice, admin)[FindingKind.YOUNG_APPROVER]
    assert found.sentence.endswith("The approver's account was vouched for less than 7 days before.")
    assert (found.user_ids, found.job_ids) == ((new.user_id, owner.user_id), (key.job_id,))

    practice.limit(claim=1)
    request = practice.post("C00001", 2).request
    assert request is not None
    practice.do(posting_decisions.approve, request.id, by=new, now=NOW)
    found, _job = sorted(findings(practice, admin)[FindingKind.YOUNG_APPROVER], key=lambda one: len(one.job_ids))
    assert found.sentence.startswith("Approved a posting by hand on claim C00001. ")


def test_write_offs_within_7_days_after_a_legal_hold_or_an_exclusion_ended(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claims(1)
    practice.claim("THEIRS", Line(0, 500), patient_id=practice.patient("Ada", number="7"))
    practice.claim("LONG AGO", Line(0, 500))
    for number, ended in (("C00001", NOW - 2 * DAY), ("LONG AGO", NOW - 8 * DAY)):
        practice.do(holds.set_hold, number, Hold.LEGAL, reason="x", by=admin, now=NOW - 9 * DAY)
        practice.do(holds.set_hold, number, None, by=admin, now=ended)
    exclusion = practice.do(exclusions.exclude, patient="7", reason="x", by=admin, now=NOW - 9 * DAY)
    practice.do(exclusions.end, exclusion, by=admin, now=NOW - DAY)
    jobs = [settle(practice, number, by=practice.biller).job_id for number in ("C00001", "THEIRS", "LONG AGO")]

    found = findings(practice, admin)[FindingKind.UNPROTECTED]

    people = (admin.user_id, practice.biller.user_id)
    assert sorted((one.sentence, one.user_ids, one.job_ids, one.claims) for one in found) == [
        ("Ended a legal hold on 11/21/2026, before a write-off.", people, (jobs[0],), ("C00001",)),
        ("Ended the exclusion of a patient on 11/22/2026, before a write-off.", people, (jobs[1],), ("THEIRS",)),
    ]
    ended = findings(practice, admin, now=NOW - 7 * DAY)[FindingKind.LOOSENED]
    assert [(one.sentence, one.claims) for one in ended if one.claims] == [
        ("Ended the exclusion of a patient. This concerns 1 claim.", ("THEIRS",)),
        ("Ended a legal hold. This concerns 1 claim.", ("C00001",)),
    ]


def test_accounts_of_one_user_that_together_exceed_the_limit(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(4, insurance=60_00, patient=0)
    old = NOW - 300 * DAY
    own = add(practice, Role.BILLER, by=admin, now=old)
    other = practice.person("other@lakeside.example", Role.BILLER)
    practice.do(user_management.make_password_link, other.user_id, by_mail=False, by=admin, now=old)
    practice.limit(job=100_00)
    jobs = [settle(practice, "C00001", by=own), settle(practice, "C00002", by=practice.biller)]
    found = practice.do(review.for_user, admin, NOW.date(), now=NOW)
    assert found.total == 0, "one account, under the limit"
    assert [(one.user_ids, one.cents) for one in found.findings[FindingKind.UNDER_LIMIT]] == [
        ((), 120_00), ((practice.biller.user_id,), 60_00), ((own.user_id,), 60_00)
    ]  # fmt: skip

    jobs.append(settle(practice, "C00003", by=other, now=NOW + 2 * DAY))

    (one,) = findings(practice, admin)[FindingKind.ADJUSTED]
    assert one.sentence == (
        "This user added, reset, linked or changed the accounts of the others. Together, 2 accounts took $120.00 off "
        "balances in this week (limit for a job $100.00)."
    )
    assert one.user_ids == (admin.user_id, own.user_id, other.user_id)
    assert one.job_ids == (jobs[0].job_id, jobs[2].job_id)


def test_a_payer_that_is_no_longer_excluded(practice: GivenPractice, admin: Actor) -> None:
    practice.payer("Acme Health", PayerClass.COMMERCIAL)
    number = practice.do(exclusions.exclude, payer="Acme Health", reason="x", until=None, by=admin, now=NOW)
    practice.do(exclusions.end, number, by=admin, now=NOW)

    (found,) = findings(practice, admin)[FindingKind.LOOSENED]

    assert found.sentence == "Ended the exclusion of payer Acme Health on 11/23/2026"


def test_jobs_that_ran_without_a_second_person(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    practice.limit(job=1)
    practice.do(one_person_choice.choose, by=admin, now=NOW)
    job = settle(practice, "C00001", by=admin, now=NOW + 7 * DAY)

    assert [one.sentence[:30] for one in findings(practice, admin)[FindingKind.ALONE]] == [
        "Chose that one person works he"
    ]
    (found,) = findings(practice, admin, now=NOW + 7 * DAY)[FindingKind.ALONE]
    assert (found.job_ids, found.user_ids) == ((job.job_id,), (admin.user_id,))

    practice.claim("HAND", Line(0, 500))
    practice.limit(claim=1)
    assert practice.post("HAND", 2, by=admin, now=NOW + 8 * DAY).request is None
    found, _job = findings(practice, admin, now=NOW + 7 * DAY)[FindingKind.ALONE]
    assert found.sentence == "Posted to claim HAND by hand, over the per-claim limit without approval."


def test_the_last_day_of_another_approver_before_the_choice_is_shown(practice: GivenPractice, admin: Actor) -> None:
    second = practice.person("second@lakeside.example", Role.APPROVER)
    practice.do(user_management.deactivate, second.user_id, by=admin, now=NOW - DAY)
    practice.do(one_person_choice.choose, by=admin, now=NOW)

    (found,) = findings(practice, admin)[FindingKind.ALONE]

    assert found.sentence.endswith("Another user could approve until 11/22/2026, so this applies 30 days later.")
    assert found.user_ids == (admin.user_id, second.user_id)


def test_administrators_and_approvers_get_one_notice_on_monday_at_8(practice: GivenPractice, admin: Actor) -> None:
    def told() -> list[tuple[int, NoticeKind]]:
        with practice.sessions() as session:
            return [(one.user_id, one.kind) for one in session.scalars(select(Notice).order_by(Notice.id))]

    monday = dt.datetime(2026, 11, 30, 13, 0, tzinfo=dt.UTC)  # 8:00 AM in New York
    for at in (NOW, monday - dt.timedelta(seconds=1), monday + 2 * DAY):
        regular_events.record_due(practice.sessions, now=at)
    assert told() == [], "not before, not for a week before the practice existed, and not days later"

    practice.do(one_person_choice.choose, by=admin, now=NOW)
    approver = practice.person("approver@lakeside.example", Role.APPROVER)
    for at in (monday, monday + dt.timedelta(minutes=1)):
        regular_events.record_due(practice.sessions, now=at)
    practice.sql("UPDATE practice SET time_zone = 'America/Los_Angeles'")
    regular_events.record_due(practice.sessions, now=monday + dt.timedelta(hours=3))

    assert told() == [(admin.user_id, NoticeKind.REVIEW), (approver.user_id, NoticeKind.REVIEW)]
    with practice.sessions() as session:
        event = session.scalars(select(Event).where(Event.kind == EventKind.REVIEW_READY)).one()
        assert event_sentences.sentence(event) == "Weekly review of 11/23/2026 to 11/29/2026: 1 finding"
        assert len(session.scalars(select(OutboxMessage)).all()) == 2
    regular_events.record_due(practice.sessions, now=monday + 7 * DAY + dt.timedelta(hours=4))
    assert len(told()) == 4


def test_a_changed_time_zone_leaves_no_hours_between_two_weeks(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    monday = dt.datetime(2026, 11, 30, 8, 30, tzinfo=dt.UTC)  # 3:30 AM in New York, and Sunday in Honolulu
    practice.post("C00001", 5_00, now=monday)
    practice.do(set_time_zone, "Pacific/Honolulu", by=admin, now=monday + 6 * DAY / 24)

    found = practice.do(review.for_user, admin, monday.date(), now=monday).findings

    assert [one.cents for one in found[FindingKind.WITHOUT_LIMIT]] == [5_00]


def test_no_change_of_the_time_zone_makes_the_review_late(practice: GivenPractice, admin: Actor) -> None:
    monday = dt.datetime(2026, 11, 30, 19, 0, tzinfo=dt.UTC)
    for zone in ("Etc/GMT+12", "Pacific/Kiritimati"):  # 7:00 AM on Monday, and 9:00 AM on Tuesday
        practice.sql(f"UPDATE practice SET time_zone = '{zone}'")
        regular_events.record_due(practice.sessions, now=monday)

    with practice.sessions() as session:
        assert session.scalars(select(Notice.user_id)).all() == [admin.user_id]
