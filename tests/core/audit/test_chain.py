"""The audit chain: concurrent writers form one chain, and every way to change the past is detected."""

import csv
import datetime as dt
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, make_url, select, text
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Actor
from core.audit import log
from core.audit.log import AuditFilter
from core.books.invariants import violations
from core.books.invariants_audit import AUDIT_INVARIANTS
from core.claims import holds, lookup
from core.db.engine import Sessions, make_sessions, transaction
from core.enums.claims import Hold
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.intake.csv.postings_import import import_postings
from core.jobs import commands
from core.migrations.run import migrate_database
from core.models.people import AuditEntry, AuditHead, AuditLink
from core.practices import exclusions
from tests.at_once import raised_at_once
from tests.factories import NOW, TODAY, GivenPractice, Line, a_practice
from tests.servers import Databases

CHAIN = ("every_act_is_chained", "the_chain_has_no_gap", "every_digest_is_right", "the_head_is_the_last_link")


def act(session: Session, practice: GivenPractice, number: int, now: dt.datetime = NOW) -> None:
    audit.record(
        session, "job.confirmed", Subject.of("job", number, practice_id=practice.id), by=None, now=now, n=number
    )


def links(practice: GivenPractice) -> list[tuple[int, str]]:
    """Return the number and subject of each link, in order."""
    with practice.sessions() as session:
        of_entry = (AuditEntry.practice_id == AuditLink.practice_id) & (AuditEntry.id == AuditLink.entry_id)
        found = select(AuditLink.number, AuditEntry.subject).join(AuditEntry, of_entry)
        rows = session.execute(found.where(AuditLink.practice_id == practice.id).order_by(AuditLink.number))
        return [(number, subject) for number, subject in rows]


def broken_invariants(practice: GivenPractice) -> set[str]:
    return {violation.invariant for violation in practice.violations()}


def test_acts_of_one_transaction_are_chained_in_order(practice: GivenPractice) -> None:
    before = len(links(practice))
    with transaction(practice.sessions) as session:
        for number in range(1, 51):
            act(session, practice, number)

    assert links(practice)[before:] == [(before + n, f"job:{n}") for n in range(1, 51)]
    assert broken_invariants(practice) == set()


def test_a_rolled_back_act_leaves_no_link_and_no_gap(practice: GivenPractice) -> None:
    before = len(links(practice))
    with practice.sessions() as session:
        act(session, practice, 1)
        session.rollback()
    with transaction(practice.sessions) as session:
        act(session, practice, 2)
        with session.begin_nested() as savepoint:
            act(session, practice, 3)
            savepoint.rollback()
        act(session, practice, 4)

    assert links(practice)[before:] == [(before + 1, "job:2"), (before + 2, "job:4")]
    assert broken_invariants(practice) == set()


def test_the_first_acts_of_a_practice_are_chained_when_two_sessions_commit_at_once(sessions: Sessions) -> None:
    for attempt in range(5):
        practice = a_practice(sessions, name=f"New {attempt}")
        with practice.sessions() as one, practice.sessions() as other:
            act(one, practice, 1)
            act(other, practice, 2)
            assert raised_at_once(one.commit, other.commit) == []
        assert {subject for _, subject in links(practice)} >= {"job:1", "job:2"}
        assert broken_invariants(practice) == set()


def test_acts_of_four_threads_form_one_chain_without_a_deadlock(practice: GivenPractice) -> None:
    other = a_practice(practice.sessions, name="Hill")
    before = len(links(practice))

    def write(first: int) -> None:
        for number in range(first, first + 40):
            with transaction(practice.sessions) as session:
                act(session, practice, number)
                act(session, practice, number + 1_000)
            practice.do(act, other, number)

    assert raised_at_once(*(lambda first=first: write(first) for first in (100, 200, 300, 400))) == []
    assert [number for number, _ in links(practice)] == list(range(1, before + 4 * 80 + 1))
    assert broken_invariants(practice) == set()


def test_recording_an_act_does_not_block_others_until_the_commit(practice: GivenPractice) -> None:
    with practice.sessions() as slow:
        act(slow, practice, 1)
        with transaction(practice.sessions) as session:
            session.execute(text("SET LOCAL lock_timeout = '2s'"))
            act(session, practice, 2)
        slow.commit()

    assert [subject for _, subject in links(practice)][-2:] == ["job:2", "job:1"], "in the order of the commits"
    assert broken_invariants(practice) == set()


ATTACKS = {
    "an act's facts are changed": (["UPDATE audit_entry SET facts = '{\"n\": 9}' WHERE subject = 'job:2'"],
                                   {"every_digest_is_right"}),
    "an act is attributed to another user": (["UPDATE audit_entry SET user_id = 1 WHERE subject = 'job:2'"],
                                          {"every_digest_is_right"}),
    "an act is backdated": (["UPDATE audit_entry SET at = at - interval '1 microsecond' WHERE subject = 'job:2'"],
                             {"every_digest_is_right"}),
    "an act is deleted": (["DELETE FROM audit_entry WHERE subject = 'job:2'"], {"the_chain_has_no_gap"}),
    "an act and its link are deleted": (
        ["DELETE FROM audit_link WHERE entry_id = (SELECT id FROM audit_entry WHERE subject = 'job:2')",
         "DELETE FROM audit_entry WHERE subject = 'job:2'"], {"the_chain_has_no_gap", "every_digest_is_right"}),
    "an act is removed and the rest renumbered": (
        ["DELETE FROM audit_link WHERE entry_id = (SELECT id FROM audit_entry WHERE subject = 'job:2')",
         "DELETE FROM audit_entry WHERE subject = 'job:2'",
         "UPDATE audit_link SET number = number - 1 WHERE number > (SELECT max(number) - 1 FROM audit_link)",
         "UPDATE audit_head SET number = number - 1"], {"every_digest_is_right"}),
    "two acts are swapped": (
        ["UPDATE audit_link l SET entry_id = -entry_id",
         ("UPDATE audit_link l SET entry_id = e.id FROM audit_entry e, audit_entry was WHERE was.id = -l.entry_id AND "
         "e.subject = CASE was.subject WHEN 'job:1' THEN 'job:2' WHEN 'job:2' THEN 'job:1' ELSE was.subject END")],
        {"every_digest_is_right"}),
    "the tail is cut off": (
        ["DELETE FROM audit_link WHERE number = (SELECT max(number) FROM audit_link)",
         "DELETE FROM audit_entry WHERE subject = 'job:3'"], {"the_head_is_the_last_link"}),
    "the tail is cut off except its entry": (
        ["DELETE FROM audit_link WHERE number = (SELECT max(number) FROM audit_link)"],
        {"the_head_is_the_last_link", "every_act_is_chained"}),
    "an act is slipped in": (
        [("INSERT INTO audit_entry (practice_id, at, act, subject, facts) "
         "SELECT practice_id, at, act, 'job:4', facts FROM audit_entry WHERE subject = 'job:2'")],
        {"every_act_is_chained"}),
    "the head is moved": (["UPDATE audit_head SET digest = 'x'"], {"the_head_is_the_last_link"}),
    "the head is gone": (["DELETE FROM audit_head"], {"the_head_is_the_last_link"}),
    "the digest's function is replaced, then an act is written": (
        [("CREATE OR REPLACE FUNCTION audit_digest(previous text, entry audit_entry, posted jsonb) RETURNS text "
         "LANGUAGE sql IMMUTABLE AS $$ SELECT 'forged' $$"), "SET LOCAL session_replication_role = origin",
         ("INSERT INTO audit_entry (practice_id, at, act, subject, facts) SELECT practice_id, at, act, 'job:4', facts "
         "FROM audit_entry WHERE subject = 'job:2'")], {"every_digest_is_right", "guards_are_in_place"}),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_changing_the_past_behind_the_triggers_is_detected(
    practice: GivenPractice, database_url: str, attack: str
) -> None:
    with transaction(practice.sessions) as session:
        for number in (1, 2, 3):
            act(session, practice, number)
    assert broken_invariants(practice) == set()
    statements, seen = ATTACKS[attack]

    superuser = create_engine(_as_superuser(database_url))
    with superuser.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no trigger, no foreign key
        for statement in statements:
            connection.execute(text(statement))
    superuser.dispose()

    assert broken_invariants(practice) == seen


@pytest.mark.parametrize("head_saved", [False, True])
def test_a_wiped_audit_is_detected_by_the_jobs_or_by_a_saved_head(
    practice: GivenPractice, database_url: str, head_saved: bool
) -> None:
    practice.claim("1", Line(0, 100))
    practice.settle()
    with practice.sessions() as session:
        head = log.head(session, practice.id)
        assert log.contains_head(session, practice.id, head)

    superuser = create_engine(_as_superuser(database_url))
    with superuser.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("audit_link", "audit_head", "audit_entry"):
            connection.execute(text(f"DELETE FROM {table}"))
        if head_saved:  # and the attacker writes a whole new chain, which covers up what was done
            connection.execute(text("SET LOCAL session_replication_role = origin"))
            for act_ in ("job.confirmed", "job.completed"):
                connection.execute(
                    text("INSERT INTO audit_entry (practice_id, at, act, subject, facts) "
                         "SELECT practice_id, now(), :act, 'job:' || id, '{}' FROM settle_job"), {"act": act_}
                )  # fmt: skip
    superuser.dispose()

    rows = {"postings_have_their_act", "users_are_as_the_audit_says", "jobs_name_the_users_of_their_acts"}
    assert broken_invariants(practice) == (rows if head_saved else {*rows, "every_job_has_its_acts"})
    with practice.sessions() as session:
        assert not log.contains_head(session, practice.id, head)


@pytest.mark.parametrize("table", ["audit_entry", "audit_link"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET practice_id = 1", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_product_cannot_change_the_past(practice: GivenPractice, table: str, statement: str) -> None:
    practice.do(act, practice, 1)

    with pytest.raises(Exception, match="only grows"), transaction(practice.sessions) as session:
        session.execute(text(statement.format(table)))


def test_upgrading_an_old_database_chains_its_existing_acts(databases: Databases) -> None:
    with databases.empty() as url:
        migrate_database(url, "0003")
        engine = create_engine(url)
        with engine.begin() as connection:
            for name in ("Hill", "Vale", "Empty"):
                connection.execute(
                    text("INSERT INTO practice (name, time_zone, write_off, recent_payment_days, created_at) "
                         "VALUES (:name, 'America/New_York', 'both', 0, now())"), {"name": name}
                )  # fmt: skip
            connection.execute(
                text("INSERT INTO audit_entry (practice_id, at, act, subject, facts) "
                     "SELECT 1 + n % 2, timestamptz '2026-11-01 12:00:00.123456Z' + n * interval '1 s', 'job.x', "
                     """'job:' || n, '{"was": ["x"], "é": 1}' FROM generate_series(1, 41) n""")
            )  # fmt: skip
        migrate_database(url)
        sessions = make_sessions(engine)
        with transaction(sessions) as session:
            for practice_id in (1, 2, 3):
                audit.record(session, "job.confirmed", Subject.of("job", 1, practice_id=practice_id), by=None, now=NOW)
        with sessions() as session:
            assert [one for one in violations(session) if one.invariant in AUDIT_INVARIANTS] == []
            heads = select(AuditHead.practice_id, AuditHead.number).order_by(AuditHead.practice_id)
            assert [tuple(row) for row in session.execute(heads)] == [(1, 21), (2, 22), (3, 1)]
        engine.dispose()


def test_the_acts_of_a_claim_or_job_are_all_that_concern_it(practice: GivenPractice, tmp_path: Path) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.claim("1", Line(0, 100_00))
    practice.claim("2", Line(0, 100_00), primary_payer_id=practice.payer("P2", PayerClass.COMMERCIAL))
    job = practice.settle()
    with transaction(practice.sessions) as session:
        of: dict[str, Any] = {"claim_ids": None, "by": admin, "idempotency_key": "r", "note": "Wrong list", "now": NOW}
        made = commands.request_reversal(session, job, **of)
        exclusions.exclude(session, payer="P2", reason="Contract", by=admin, now=NOW)
    file = tmp_path / "march.csv"
    head = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"
    file.write_text(f"{head}\nq,1,1,patient,payment,-50.00,patient,,,2026-11-20\n", encoding="utf-8")
    practice.do(import_postings, file, practice_name="Lakeside", now=NOW + dt.timedelta(seconds=1))

    def found(**wanted: Any) -> set[tuple[str, str]]:
        with practice.sessions() as session:
            acts = log.acts(session, practice.id, AuditFilter(**wanted))
            return {(act.act, act.subject) for act in acts}

    assert ("job.requested", f"job:{made.id}") in found(job=job.job_id)
    assert ("job.requested", f"job:{job.job_id}") not in found(job=made.id)
    assert ("postings.imported", f"practice:{practice.id}") in found(claim="1")
    assert not {act for act, _ in found(claim="2")} & {"postings.imported"}
    assert {act for act, _ in found(claim="2")} > {"exclusion.made", "job.completed"}
    assert "exclusion.made" not in {act for act, _ in found(claim="1")}
    assert found(claim="3") == set()


def test_an_auditor_can_recompute_every_digest_from_the_file_alone(practice: GivenPractice) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.claim("=1+1", Line(100, 50))
    with transaction(practice.sessions) as session:
        holds.set_hold(session, "=1+1", Hold.HOLD, by=practice.biller, now=NOW)
        holds.set_hold(session, "=1+1", None, by=practice.biller, now=NOW)
    practice.settle()
    practice.act(log.authorize_export, AuditFilter(), by=admin)
    with practice.sessions() as session:
        written = "".join(log.csv_file(session, practice.id, AuditFilter()))

    rows = list(csv.DictReader(io.StringIO(written.removeprefix("\ufeff"))))
    previous = ""
    for number, row in enumerate(rows, start=1):
        assert int(row["Number"]) == number
        assert row["Checksum input"].startswith(f'["{previous}", {practice.id}, ')
        previous = hashlib.sha256(row["Checksum input"].encode()).hexdigest()
        assert row["Checksum"] == previous
    assert [row["Action code"] for row in rows][-1] == "audit.exported"
    assert "Put claim =1+1 on hold" in {row["Action"] for row in rows}
    assert all(not cell.startswith("=") for row in rows for cell in row.values())


def seen_by(practice: GivenPractice, **wanted: object) -> list[str]:
    with practice.sessions() as session:
        return [act.act for act in log.acts(session, practice.id, AuditFilter(**wanted))]  # type: ignore[arg-type]


def test_the_audit_is_filtered_by_user_claim_job_and_day(practice: GivenPractice) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    practice.claims(2)
    practice.do(holds.set_hold, "C00002", Hold.LEGAL, by=admin, now=NOW - dt.timedelta(days=2))
    job = practice.settle({"claim_ids": ["C00001"]})

    assert seen_by(practice, person=admin.user_id) == ["claim.held"]
    assert seen_by(practice, claim="C00002") == ["claim.held"]
    of_job = ["job.completed", "job.confirmed", "job.requested"]
    assert seen_by(practice, claim="C00001") == of_job, "the acts of a job are acts on its claims"
    assert seen_by(practice, job=job.job_id) == of_job
    two_days_ago = TODAY - dt.timedelta(days=2)
    assert seen_by(practice, first_day=two_days_ago, last_day=two_days_ago) == ["claim.held"]
    assert "claim.held" not in seen_by(practice, first_day=two_days_ago + dt.timedelta(days=1))
    assert seen_by(practice, claim="C00002", job=job.job_id) == []
    assert seen_by(practice, claim="no such claim") == []


def test_the_audit_is_read_a_page_at_a_time(practice: GivenPractice) -> None:
    with transaction(practice.sessions) as session:
        for number in range(25):
            act(session, practice, number)
    every: list[int] = []
    with practice.sessions() as session:
        while page := log.acts(session, practice.id, AuditFilter(), before=every[-1] if every else None, limit=10):
            every += [act.number for act in page]
        total = session.scalar(select(func.count()).select_from(AuditLink))
        head = log.head(session, practice.id)
    assert every == list(range(total or 0, 0, -1))
    assert head.number == total


def test_the_act_that_ends_a_job_records_its_totals_and_a_digest_of_its_chunks(practice: GivenPractice) -> None:
    practice.claims(5)
    practice.change("C00001", hold=Hold.HOLD)
    job = practice.settle(chunk_claims=2)

    ended = practice.do(log.acts, practice.id, AuditFilter(job=job.job_id))[0]
    assert ended.act == "job.completed"
    digests = ("chunks_sha256", "postings_sha256")
    assert {name: value for name, value in ended.facts.items() if name not in ("faults", *digests)} == {
        "settled": 4, "skipped": 1, "failed": 0, "insurance_cents": 4_000, "patient_cents": 2_000,
    }  # fmt: skip
    assert [len(ended.facts[name]) for name in digests] == [64, 64]


def _as_superuser(url: str) -> str:
    return make_url(url).set(username="postgres").render_as_string(hide_password=False)


def test_who_looked_at_a_claim_is_recorded_once_for_each_user_claim_and_hour(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.alike(["A", "B"], Line(10_00))
    hour, moment = dt.timedelta(hours=1), dt.timedelta(microseconds=1)

    for claim, by, at in (
        ("A", practice.biller, NOW), ("A", practice.biller, NOW + hour - moment), ("A", practice.biller, NOW + hour),
        ("A", admin, NOW), ("B", practice.biller, NOW),
    ):  # fmt: skip
        with practice.sessions.begin() as session:
            seen = lookup.find(session, practice.id, claim)
            audit.record_hourly(session, "claim.viewed", seen, by=by, now=at)

    acts = [(one.subject, one.user_id, one.at) for one in practice.audited("claim.viewed")]
    biller = practice.biller.user_id
    assert acts == [
        ("claim:A", biller, NOW), ("claim:A", biller, NOW + hour), ("claim:A", admin.user_id, NOW),
        ("claim:B", biller, NOW),
    ]  # fmt: skip
    assert practice.violations() == []
