"""A small practice with every kind of entry, and an owner of its database who edits it by hand.

A careful owner also recomputes whatever is derived from the ledger: balances, sums, items and chunks.
"""

import datetime as dt
import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core.access import users
from core.access.permissions import Actor
from core.books import closing
from core.claims import holds
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.intake.csv.postings_import import import_postings
from core.ledger import balances, credit_moves, voids
from core.ledger.entries import Refund, Void
from core.models.claims import Claim
from core.practices import exclusions, limits, write_off_setting
from core.single_sign_on import settings, sign_in
from core.single_sign_on.id_token import Identity
from core.single_sign_on.wanted import GroupToRole
from tests import remittances
from tests.factories import EARLIER, NOW, GivenPractice, Line

_IMPORT: Final = """posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date
i1,I,1,patient,payment,-10.00,patient,,,2026-11-20
i2,I,1,insurance,payment,-40.00,primary,,,2026-11-20
"""
_ANSWER: Final = remittances.clp("R", "100", "70", remittances.svc("100", "70", "CO*45*20", "PR*2*10"), patient="10")
_GUARDED: Final = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
_ITEMS: Final = """
    UPDATE job_item i SET insurance_cents = s.insurance, patient_cents = s.patient FROM (
        SELECT practice_id, job_id, claim_id,
               coalesce(sum(abs(amount_cents)) FILTER (WHERE responsibility = 'insurance'), 0) AS insurance,
               coalesce(sum(abs(amount_cents)) FILTER (WHERE responsibility = 'patient'), 0) AS patient
        FROM posting WHERE job_id IS NOT NULL GROUP BY 1, 2, 3
    ) s WHERE s.practice_id = i.practice_id AND s.job_id = i.job_id AND s.claim_id = i.claim_id
      AND i.outcome = 'settled'"""
_CHUNKS: Final = """
    UPDATE job_chunk k SET settled = s.settled, skipped = s.skipped, failed = s.failed,
        insurance_cents = s.insurance, patient_cents = s.patient,
        insurance_before_cents = k.insurance_after_cents + s.sign * s.insurance,
        patient_before_cents = k.patient_after_cents + s.sign * s.patient
    FROM (
        SELECT k.practice_id, k.job_id, k.first_position, CASE j.kind WHEN 'reverse' THEN -1 ELSE 1 END AS sign,
               count(*) FILTER (WHERE outcome = 'settled') AS settled,
               count(*) FILTER (WHERE outcome = 'skipped') AS skipped,
               count(*) FILTER (WHERE outcome = 'failed') AS failed,
               coalesce(sum(i.insurance_cents) FILTER (WHERE outcome = 'settled'), 0) AS insurance,
               coalesce(sum(i.patient_cents) FILTER (WHERE outcome = 'settled'), 0) AS patient
        FROM job_chunk k JOIN settle_job j ON j.practice_id = k.practice_id AND j.id = k.job_id
        JOIN job_item i ON i.practice_id = k.practice_id AND i.job_id = k.job_id
          AND i.position BETWEEN k.first_position AND k.last_position
        WHERE k.state = 'done' GROUP BY 1, 2, 3, 4
    ) s WHERE s.practice_id = k.practice_id AND s.job_id = k.job_id AND s.first_position = k.first_position"""


def add_books(practice: GivenPractice) -> None:
    """Fill the practice through the product's own commands."""
    admin, approver = (_user(practice, role) for role in (Role.ADMIN, Role.APPROVER))
    practice.act(limits.set_write_off_limits, by=admin, now=EARLIER, job_cents=400_00)
    for setting in (WriteOffSetting.PATIENT, WriteOffSetting.BOTH):
        practice.act(
            write_off_setting.set_for_practice, practice_id=practice.id, setting=setting, by=admin, now=EARLIER
        )
    for number, line in (
        ("A", Line(100_00, 50_00)), ("B", Line(90_00, 60_00)), ("C", Line(80_00, 70_00)), ("D", Line(70_00, 80_00))
    ):  # fmt: skip
        practice.claim(number, line)
    approved = practice.preview(chunk_claims=2, key="approved")
    practice.confirm(approved)
    practice.approve(approved, by=approver)
    practice.run()
    practice.claim("E", Line(0, 30_00))
    practice.claim("F", Line(0, 20_00))
    small = practice.settle({"claim_ids": ["E", "F"]}, key="small")
    practice.reverse(small, "F", by=admin)
    practice.run()
    practice.post("E", 10_00, key="late")
    practice.claim("R", Line(100_00, 0))
    for number in ("H", "X", "O", "I", "V", "Q"):
        practice.claim(number, Line(100_00, 50_00), patient_id=practice.patient(number))
    practice.act(holds.set_hold, "H", Hold.LEGAL, reason="Court", by=admin)
    for number in ("X", "V"):
        practice.act(exclusions.exclude, patient=f"P-{number}", reason="Dispute", by=admin)
    practice.act(exclusions.end, _exclusion(practice), by=admin)
    _enter(practice)
    _import(practice)
    remittances.take_transactions(practice, remittances.st(_ANSWER, paid="70"))
    _sign_on(practice, admin)
    practice.confirmed({"claim_ids": ["Q"]}, key="waits")
    practice.act(closing.close, dt.date(2026, 4, 1), by=admin)


def _user(practice: GivenPractice, role: Role) -> Actor:
    given = {"practice_id": practice.id, "email": f"{role}@lakeside.example", "name": role.value, "role": role}
    return users.actor_for(practice.do(users.add_user, **given, password=None, now=EARLIER))


def _exclusion(practice: GivenPractice) -> int:
    with practice.sessions() as session:
        return int(session.execute(text("SELECT max(id) FROM exclusion")).scalar_one())


def _enter(practice: GivenPractice) -> None:
    """Enter a posting of each kind by hand."""
    practice.post("O", 5_00, key="payment")
    adjustment = {"group_code": "CO", "reason_code": "45", "responsibility": "insurance"}
    practice.post("O", 7_00, key="adjustment", kind="adjustment", **adjustment)
    practice.post("O", 3_00, key="transfer", kind="transfer", responsibility="insurance")
    wrong = practice.post("V", 60_00, key="wrong")
    refund = {"line": 1, "responsibility": "patient", "amount_cents": 4_00, "paid_to": "patient", "note": "Overpaid"}
    practice.act(credit_moves.refund, "V", Refund.of(refund), idempotency_key="refund")
    assert wrong.credit_cents == 10_00
    paid = practice.post("O", 1_00, key="void me").claim
    with practice.sessions() as session:
        last = session.execute(text("SELECT max(id) FROM posting WHERE claim_id = :id"), {"id": paid.id}).scalar_one()
    practice.act(voids.void, "O", last, Void.of({"note": "Twice"}), idempotency_key="void")


def _import(practice: GivenPractice) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "payments.csv"
        file.write_text(_IMPORT)
        practice.do(import_postings, file, practice_name="Lakeside", now=NOW + dt.timedelta(seconds=1))


def _sign_on(practice: GivenPractice, admin: Actor) -> None:
    """Set an identity provider, and let the biller sign in there."""
    given = settings.wanted_of(None)._replace(
        active=True, issuer="https://idp.example", client_id="c", client_secret="x", domains=["lakeside.example"],
        groups_claim="groups", groups=[GroupToRole("Billers", Role.BILLER), GroupToRole("Chiefs", Role.ADMIN)],
    )  # fmt: skip
    saved = practice.act(settings.save, given, reach="public", by=admin)
    of = Identity(
        issuer="https://idp.example", subject="7", email=practice.biller.email, is_email_verified=True, name="B",
        groups=("Billers",), has_second_factor=True, signed_in_at=NOW, id_token="-",
    )  # fmt: skip
    with transaction(practice.sessions) as session:
        sign_in.sign_in(session, session.merge(saved), of, now=NOW)


@contextmanager
def edited(practice: GivenPractice, *statements: str, tidy: bool = False) -> Iterator[Session]:
    """Yield a session that sees the edits. They are rolled back. The triggers do not run for the edits."""
    with practice.sessions() as session:
        edit(session, *statements)
        if tidy:
            tidy_up(session, practice.id)
        yield session
        session.rollback()


def edit(session: Session, *statements: str) -> None:
    """Run the statements without triggers."""
    tables = session.scalars(text(_GUARDED)).all()
    for table in tables:
        session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    for statement in statements:
        session.connection().exec_driver_sql(statement.replace("%", "%%"))
    for table in tables:
        session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    for statement in statements:
        if "DISABLE TRIGGER" in statement:
            session.execute(text(statement))


def tidy_up(session: Session, practice_id: int) -> None:
    """Recompute what is derived from the ledger."""
    sums: Any = importlib.import_module("core.migrations.versions.0021_write_off_summaries")
    balances.recompute(session, practice_id, select(Claim.id).where(Claim.practice_id == practice_id))
    edit(session, _ITEMS, _CHUNKS, "DELETE FROM ledger_sum", sums._sums("posting"))
