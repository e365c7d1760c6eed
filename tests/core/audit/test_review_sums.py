"""What an administrator could get past two people in small parts, and what the weekly review shows of it."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.access import tokens, user_management, users
from core.access.permissions import ALL_SCOPES, Actor
from core.access.users import actor_for
from core.audit import review
from core.audit.findings import FindingKind
from core.books import closing
from core.claims import holds
from core.enums.claims import Hold
from core.enums.ledger import PaidBy, Responsibility
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.exports import layouts
from core.intake.csv.csv_import import import_csv
from core.intake.csv.csv_template import write_template
from core.intake.csv.postings_import import import_postings
from core.intake.loading.imported import ImportOptions
from core.intake.parsing.faults import ImportRefused
from core.intake.remittances import commands, held
from core.intake.remittances.commands import AnswerKey
from core.ledger import credit_moves, voids
from core.ledger.entries import CreditTransfer, Place, Refund, Void
from core.models.people import User
from core.money import UNLIMITED
from core.notices import webhooks
from core.practices import limits
from core.practices.create import create_practice
from core.schedules import schedule_commands
from tests import remittances
from tests.core.audit.test_review import DAY, add, findings, settle
from tests.core.schedules.conftest import a_request
from tests.factories import NOW, GivenPractice, Line

COLUMNS = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"


def import_rows(practice: GivenPractice, folder: Path, *rows: str, by: Actor | None, now: dt.datetime = NOW) -> None:
    path = folder / "rows.csv"
    path.write_text("\n".join([COLUMNS, *rows]) + "\n", encoding="utf-8")
    practice.act(import_postings, path, practice_name="Lakeside", by=by, now=now)


def shown(practice: GivenPractice, by: Actor, kind: FindingKind, *, now: dt.datetime = NOW) -> Iterator[str]:
    return (one.sentence for one in practice.do(review.for_user, by, now.date(), now=now).findings[kind])


def test_small_parts_by_every_way_add_up_to_more_than_a_job_may(
    practice: GivenPractice, admin: Actor, tmp_path: Path
) -> None:
    practice.claims(9)
    practice.claim("ERA", Line(100_00), service_date=remittances.SERVICE_ON)
    practice.claim("CREDIT", Line(0, -9_00))
    practice.sql("UPDATE line_item SET procedure_code = '99213'")
    practice.limit_of(practice.biller, claim=20_00, job=60_00)
    coded = {"kind": "adjustment", "group_code": "CO", "reason_code": "45"}
    practice.post("C00001", 5_00, key="adjusted", **coded)
    practice.post("C00002", 5_00, key="paid")
    void = practice.post("C00003", 5_00, key="void").claim
    with practice.sessions() as session:
        (paid,) = voids.voidable_ids(session, practice.id, void.id)
    practice.act(voids.void, "C00003", paid, Void(note="x"), idempotency_key="voided")
    at = {"line": 1, "responsibility": Responsibility.PATIENT}
    refund = Refund(**at, amount_cents=5_00, paid_to=PaidBy.PATIENT, note="x")
    practice.act(credit_moves.refund, "CREDIT", refund, idempotency_key="refund")
    credit = CreditTransfer(**at, amount_cents=4_00, to=Place(claim_id="C00007", **at), note="x")
    practice.act(credit_moves.transfer, "CREDIT", credit, idempotency_key="transfer")
    rows = (
        "a,C00004,1,patient,payment,-5.00,patient,,,2026-11-20",
        "b,C00004,1,insurance,adjustment,-2.00,,CO,45,2026-11-20",
        "c,C00008,1,patient,refund,1.00,patient,,,2026-11-20",
    )
    import_rows(practice, tmp_path, *rows, by=practice.biller)
    answer = remittances.clp("ERA", "100", "1", remittances.svc("100", "1", "CO*45*3", "PR*1*96"), day="20260102")
    unknown = remittances.clp("NOWHERE", "100", "2", remittances.svc("100", "2", "PR*1*98"), day="20260102")
    remittances.take_transactions(practice, remittances.st(answer, unknown, paid="3"))
    practice.act(commands.ignore, AnswerKey(1, 2), "x")
    job = settle(practice, "C00005", by=practice.biller)
    practice.settle({"claim_ids": ["C00006"]}, target_status="Paid In Full", reason=None, key="status")

    (sentence,) = shown(practice, admin, FindingKind.ADJUSTED)

    assert sentence == (
        "In this week: adjusted 1 claim by $5.00; entered payments of $5.00 on 1 claim; voided payments of $5.00 on 1 "
        "claim; paid 1 refund of $5.00; made 1 transfer of credits of $4.00; imported payments of $5.00 and "
        "adjustments of $2.00 on 1 claim; imported "
        "refunds or lower payments of $1.00 in 1 import; ignored payers' payments of $2.00 on 1 claim; wrote "
        "off $15.00 in 1 job without approval; closed 1 claim with balances of $15.00 by their billing status; posted "
        "1 remittance with payments of $1.00 and adjustments of $3.00. Together $68.00 (limit for a job "
        "$60.00). Compare payments with the deposits."
    )
    (found,) = findings(practice, admin)[FindingKind.ADJUSTED]
    assert (found.user_ids, found.job_ids) == ((practice.biller.user_id,), (job.job_id, job.job_id + 1))
    practice.do(user_management.set_limits, practice.biller.user_id, job_cents=UNLIMITED, by=admin, now=NOW + DAY)
    assert len(list(shown(practice, admin, FindingKind.ADJUSTED))) == 1, "the lower limit of the week"


def test_an_import_by_a_command_and_a_remittance_of_a_later_day(
    practice: GivenPractice, admin: Actor, tmp_path: Path
) -> None:
    practice.claims(1)
    practice.claim("ERA", Line(100_00), service_date=remittances.SERVICE_ON)
    practice.sql("UPDATE line_item SET procedure_code = '99213'")
    practice.limit(job=4_00)
    import_rows(practice, tmp_path, "a,C00001,1,patient,payment,-5.00,patient,,,2026-11-20", by=None)
    unpaid = remittances.clp("ERA", "100", "0", remittances.svc("100", "0", "CO*45*100"), day="20260102")
    remittances.take_transactions(practice, remittances.st(unpaid, paid="0", head={"20260105": "20261130"}))
    held.post_due(practice.sessions, now=NOW + 8 * DAY)

    (found,) = findings(practice, admin)[FindingKind.ADJUSTED]
    assert found.sentence.startswith("In this week: imported payments of $5.00")
    assert found.user_ids == (0,)
    trace, _sum = sorted(shown(practice, admin, FindingKind.ADJUSTED, now=NOW + 8 * DAY))
    assert trace.startswith("Imported remittance T000001, which adjusted 1 claim by $100.00")


def test_a_claim_adjusted_by_hand_and_then_written_off_by_a_job(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("BIG", Line(0, 19_00))
    practice.limit(claim=10_00)
    practice.post("BIG", 10_00, by=admin, kind="adjustment", group_code="CO", reason_code="45")
    job = settle(practice, "BIG", by=admin)

    (found,) = findings(practice, admin)[FindingKind.ADJUSTED]

    assert found.sentence == "Took $19.00 off claim BIG in 2 adjustments and write-offs (limit $10.00)."
    assert found.job_ids == (job.job_id,)


def test_changes_that_are_shown_without_a_write_off(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    second = practice.person("second@lakeside.example", Role.APPROVER)
    practice.do(create_practice, name="Hilltop", now=NOW)
    practice.act(closing.close, dt.date(2026, 10, 1), by=admin)
    practice.act(closing.reopen, dt.date(2026, 10, 1), reason="x", by=admin)
    hook = practice.act(webhooks.add, url="https://audit.example", kinds=["audit.last_entry"], reach="public", by=admin)
    practice.act(webhooks.delete, hook.id, by=admin)
    with practice.sessions.begin() as session:
        tokens.add_token(session, session.get_one(User, second.user_id), NOW, name="x", scopes=ALL_SCOPES, days=1)
    practice.do(
        users.add_user, practice_id=practice.id, email="c@lakeside.example", name="C", role=Role.APPROVER,
        password=None, claim_cents=0, job_cents=0, now=NOW,
    )  # fmt: skip
    practice.act(user_management.deactivate, second.user_id, by=admin)
    practice.act(holds.set_hold, "C00001", Hold.LEGAL, reason="x", by=admin)
    practice.act(holds.set_hold, "C00001", Hold.LEGAL, reason="x", until=dt.date(2026, 11, 24), by=admin)

    assert [one.partition(" on 11/23/2026")[0] for one in shown(practice, admin, FindingKind.LOOSENED)] == [
        "Created another practice on this server", "Reopened October 2026", "Added webhook 1", "Deleted webhook 1",
        "Created token 1 for the API", "Added C (c@lakeside.example)", "Deactivated second (second@lakeside.example)",
        "Put claim C00001 on hold",
    ]  # fmt: skip


def test_a_limit_raised_later_hides_nothing(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    practice.limit(job=1_00)
    practice.post("C00001", 5_00)
    practice.do(limits.set_write_off_limits, job_cents=UNLIMITED, by=admin, now=NOW + 7 * DAY)

    assert len(list(shown(practice, admin, FindingKind.ADJUSTED))) == 1


@pytest.mark.parametrize("is_shared", [False, True])
def test_an_approval_where_one_user_controls_the_accounts(
    practice: GivenPractice, admin: Actor, is_shared: bool
) -> None:
    practice.claims(1)
    old = NOW - 60 * DAY
    given = {"role": Role.BILLER, "claim_cents": UNLIMITED, "job_cents": UNLIMITED, "by_mail": False}
    biller, _link = practice.do(user_management.add, email="b@lakeside.example", name="B", **given, by=admin, now=old)
    approver = add(practice, Role.APPROVER, by=admin, now=old) if is_shared else admin
    practice.sql("UPDATE app_user SET created_at = :old", old=old)
    practice.limit(job=1)
    job = practice.confirmed(by=actor_for(biller))
    practice.approve(job, by=approver)

    (found,) = findings(practice, admin)[FindingKind.YOUNG_APPROVER]

    who = "Another user controls the approver's and" if is_shared else "The approver controls"
    assert found.sentence == (
        f"Approved what this requester asked for. {who} the requester's account. The jobs wrote off $15.00."
    )
    assert found.user_ids == tuple(dict.fromkeys((approver.user_id, biller.id, admin.user_id)))
    owner = practice.person("owner@lakeside.example", Role.ADMIN)
    practice.do(user_management.vouch, biller.id, by=owner, now=NOW)
    assert FindingKind.YOUNG_APPROVER not in findings(practice, admin)


def test_an_import_that_ends_a_legal_hold(practice: GivenPractice, admin: Actor, tmp_path: Path) -> None:
    write_template(tmp_path)
    practice.act(import_csv, tmp_path, practice_name="Lakeside", by=admin)
    (new,) = shown(practice, admin, FindingKind.UNDER_LIMIT)
    assert new == (
        "Imported 2 new claims with charges of $370.50, payments of $98.00 and adjustments of $40.00. Compare them "
        "with the practice management system."
    )
    practice.sql("UPDATE claim SET hold = 'legal_hold' WHERE external_id = '184146026'")
    practice.sql("UPDATE payer SET payer_class = 'medicare' WHERE external_id = '10001'")
    for name, *rows in (
        ("claims", "NEW,P-1,MAIN,9000000001,,Professional,2025-03-04,,Balance Due,10001,ERA Received,,,,,,,,,,,,"),
        ("line_items", "NEW,1,99213,70.00,insurance"),
        ("postings", "8,NEW,1,insurance,payment,-20.00,primary,,,2025-03-20",
         "9,184146027,1,insurance,payment,-1.00,primary,,,2025-03-20"),
    ):  # fmt: skip
        with (tmp_path / f"{name}.csv").open("a", encoding="utf-8") as file:
            file.writelines(f"{row}\n" for row in rows)
    changes = ImportOptions(take_changes=True)
    practice.act(import_csv, tmp_path, practice_name="Lakeside", by=admin, options=changes)
    job = settle(practice, "184146026", by=practice.biller)

    _all_users, new = shown(practice, admin, FindingKind.UNDER_LIMIT)
    assert new.startswith(
        "Imported 3 new claims with charges of $440.50, payments of $118.00 and adjustments of $40.00"
    )
    found = findings(practice, admin)

    (ended,) = found[FindingKind.UNPROTECTED]
    assert ended.sentence == "Ended a legal hold on 11/23/2026, before a write-off."
    assert (ended.job_ids, ended.claims) == ((job.job_id,), ("184146026",))
    _hold, changed = sorted(found[FindingKind.LOOSENED], key=lambda one: len(one.claims), reverse=True)
    assert changed.sentence == "Changed the class of payer 10001 from medicare to commercial by an import on 11/23/2026"


def test_accounts_that_a_user_prepares_and_then_waits(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(1)
    old = practice.person("old@lakeside.example", Role.BILLER)
    given = {"role": Role.BILLER, "claim_cents": 0, "job_cents": 0, "by_mail": False}
    practice.act(user_management.add, email="b@lakeside.example", name="B", **given, by=admin)
    practice.act(user_management.make_password_link, old.user_id, by_mail=False, by=admin)
    practice.act(user_management.change_role, old.user_id, Role.ADMIN, by=admin)
    second = practice.person("second@lakeside.example", Role.ADMIN)
    schedule = practice.act(schedule_commands.create, a_request(filter={"claim_id": "C00001"}), by=admin)
    wanted = a_request(
        filter={"office": "1", "total_due_max_cents": 90_00, "patient": "Ann"}, cents_max=900_00, local_time="03:30",
        note="x",
    )  # fmt: skip
    practice.act(schedule_commands.change, schedule.id, wanted, version=schedule.version, by=second)
    practice.act(layouts.save, "Ours", layouts.BUILT_IN[0].layout, by=admin)
    settle(practice, "C00001", by=old, now=NOW + 2 * DAY)

    assert [one.partition(" on 11/23/2026")[0] for one in shown(practice, admin, FindingKind.LOOSENED)] == [
        "Added B (b@lakeside.example)", "Created a link to set the password of old (old@lakeside.example)",
        "Changed the role of old (old@lakeside.example)", "Changed schedule 1",
        "Saved layout 1 for write-off files",
    ]  # fmt: skip
    (changed,) = (one for one in shown(practice, admin, FindingKind.LOOSENED) if one.startswith("Changed schedule"))
    assert changed == (
        "Changed schedule 1 on 11/23/2026 (owner from admin (admin@lakeside.example), to second "
        "(second@lakeside.example); fields cents max, filter, local time, note; filter office from none, to 1, "
        "patient changed yes, claim id from C00001, to none, total due max from none, to $90.00; local time from "
        "02:30, to 03:30; dollar cap from unlimited, to $900.00)"
    )


def test_a_job_that_overrides_rules_and_gives_a_reason_for_cost_sharing(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("M1", Line(0, 5_00), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))
    job = practice.preview(by=admin, include=["in_process"])
    practice.confirm(job, by=admin, cost_share_reason="Because")

    (found,) = findings(practice, admin)[FindingKind.ALONE]

    assert found.sentence == (
        "Job 1 wrote off $5.00 without approval. Overridden rules: Claim is still in process at the clearinghouse or "
        "payer. Reason for the cost sharing: “Because”"
    )
    assert (found.user_ids, found.job_ids) == ((admin.user_id,), (job.job_id,))


def test_sums_without_a_limit_come_largest_first(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(2)
    practice.post("C00001", 9_00, by=admin)
    practice.post("C00002", 5_00, now=NOW + DAY)

    found = practice.do(review.for_user, admin, NOW.date(), now=NOW).findings

    assert [(one.user_ids, one.cents) for one in found[FindingKind.WITHOUT_LIMIT]] == [
        ((admin.user_id,), 9_00), ((practice.biller.user_id,), 5_00)
    ]  # fmt: skip
    assert found[FindingKind.ADJUSTED] == []


def test_imports_on_a_claim_add_up_over_30_days(practice: GivenPractice, admin: Actor, tmp_path: Path) -> None:
    practice.claim("BIG", Line(0, 900_00))
    practice.limit(claim=20_00)
    import_rows(practice, tmp_path, "a,BIG,1,patient,payment,-19.00,patient,,,2026-10-20", by=practice.biller)
    adjusted = "b,BIG,1,patient,adjustment,-19.00,,CO,45,2026-10-20"
    import_rows(practice, tmp_path, adjusted, by=practice.biller, now=NOW + 20 * DAY)
    again = adjusted.replace("b,", "c,")
    with pytest.raises(ImportRefused) as refused:
        import_rows(practice, tmp_path, again, by=practice.biller, now=NOW + 40 * DAY)

    assert "within 30 days exceed" in str(refused.value.faults[0])
    assert FindingKind.ADJUSTED not in findings(practice, admin)
    (found,) = findings(practice, admin, now=NOW + 20 * DAY)[FindingKind.ADJUSTED]
    assert found.sentence == (
        "Imported payments and adjustments, which took more than the limit for a claim off 1 claim in 30 days."
    )
    assert (found.user_ids, found.claims) == ((practice.biller.user_id,), ("BIG",))
