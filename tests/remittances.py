"""Remittances from scratch, segment by segment, and their import."""

import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from core.db.engine import transaction as begin
from core.intake.remittances import commands, shown
from core.intake.remittances.answers import of_paid_claim
from core.intake.remittances.commands import AnswerKey
from core.intake.remittances.import_remittances import import_remittances
from core.intake.remittances.result import RemittanceResult
from core.intake.remittances.shown import AnswerDetails
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.practices import Practice
from core.models.remittances import RemittanceClaim
from core.x12.read import read
from core.x12.remittance import PaidClaim
from tests import x12_files
from tests.factories import NOW, GivenPractice, Line

SERVICE_ON = dt.date(2026, 1, 2)
_SET_CODE = """
    UPDATE line_item SET procedure_code = :code
    WHERE number = :number AND claim_id = (
        SELECT id FROM claim WHERE external_id = :claim AND practice_id = :practice_id)
"""


def svc(charge: str, paid: str, *cas: str, code: str = "HC:99213", billed: str = "", control: str = "") -> list[str]:
    """Return a service line with its adjustments, such as CO*45*20."""
    line = f"SVC*{code}*{charge}*{paid}**1" + (f"*{billed}" if billed else "")
    return [line, *(f"CAS*{one}" for one in cas), *([f"REF*6R*{control}"] if control else [])]


def clp(
    number: str,
    charge: str,
    paid: str,
    *lines: list[str],
    status: str = "1",
    patient: str = "0",
    icn: str = "ICN1",
    cas: Sequence[str] = (),
    day: str = "",
    more: Sequence[str] = (),
    name: str = "SAMPLE",
) -> list[str]:
    """Return a claim with its lines."""
    return [
        f"CLP*{number}*{status}*{charge}*{paid}*{patient}*12*{icn}*11*1", *(f"CAS*{one}" for one in cas),
        f"NM1*QC*1*{name}*PETRA****MI*W1", *more, *([f"DTM*232*{day}"] if day else []),
        *(segment for line in lines for segment in line),
    ]  # fmt: skip


def st(
    *claims: list[str], paid: str, number: int = 1, after: Sequence[str] = (), head: dict[str, str] | None = None
) -> list[str]:
    """Return an 835. `head` replaces parts of it."""
    segments = x12_files.remittance(list(claims), paid=paid, number=number, after=list(after))
    for old, new in (head or {}).items():
        segments = [segment.replace(old, new) for segment in segments]
    return segments


def write(path: Path, *transactions: list[str], **given: Any) -> Path:
    """Write a file with one interchange."""
    path.write_text(x12_files.PLAIN.write(x12_files.interchange(list(transactions), **given)))
    return path


def take(practice: GivenPractice, *files: Path, is_check: bool = False, now: dt.datetime = NOW) -> RemittanceResult:
    """Import the files. A check is rolled back."""
    with begin(practice.sessions) as session:
        result = import_remittances(
            session, session.get_one(Practice, practice.id), files, import_id=None, is_check=is_check,
            by=practice.biller, now=now,
        )  # fmt: skip
        if is_check:
            session.rollback()
        return result


def take_transactions(practice: GivenPractice, *transactions: list[str], **given: Any) -> RemittanceResult:
    """Import one file with these transactions."""
    with tempfile.TemporaryDirectory() as folder:
        return take(practice, write(Path(folder) / "era.835", *transactions, **given))


def answers(practice: GivenPractice) -> list[tuple[str, str, list[str]]]:
    """Return the claim number, the outcome and the reasons of each stored answer."""
    with practice.sessions() as session:
        rows = session.scalars(select(RemittanceClaim).order_by(RemittanceClaim.remittance_id, RemittanceClaim.ordinal))
        return [(row.claim_number, row.outcome.value, row.reasons) for row in rows]


def look(practice: GivenPractice, key: AnswerKey, *, now: dt.datetime = NOW) -> AnswerDetails:
    """Return an answer as the user sees it."""
    with practice.sessions() as session:
        return shown.show(session, practice.id, *key, now=now)


def post_shown(practice: GivenPractice, key: AnswerKey, **given: Any) -> RemittanceClaim:
    """Post a held answer as the user sees it."""
    row: RemittanceClaim = practice.act(commands.post, key, shown=look(practice, key).token, **given)
    return row


def posted(practice: GivenPractice, number: str) -> list[tuple[int, str, str, int]]:
    """Return the postings of remittances on the claim: line, responsibility, kind, cents."""
    with practice.sessions() as session:
        rows = session.scalars(
            select(Posting)
            .join(Claim, (Claim.practice_id == Posting.practice_id) & (Claim.id == Posting.claim_id))
            .where(Claim.external_id == number, Posting.source == "remittance")
            .order_by(Posting.id)
        )
        return [(row.line, row.responsibility.value, row.kind.value, row.amount_cents) for row in rows]


def add_claims(practice: GivenPractice, path: Path) -> None:
    """Add a claim with the lines of each answer, unless another answer has its number."""
    seen = set()
    with path.open("rb") as binary:
        for event in read(binary, path.name):
            if isinstance(event, PaidClaim) and event.claim_id and event.claim_id not in seen:
                seen.add(event.claim_id)
                answer = of_paid_claim(1, event)
                lines = [Line(one.charge_cents) for one in answer.lines] or [Line(answer.charge_cents)]
                day = answer.first_on or SERVICE_ON
                payer = practice.ids["Payer"]
                practice.claim(event.claim_id, *lines, service_date=day, secondary_payer_id=payer)
                for number, one in enumerate(answer.lines, 1):
                    code = one.submitted_code or one.code
                    practice.sql(_SET_CODE, code=code, number=number, claim=event.claim_id, practice_id=practice.id)
