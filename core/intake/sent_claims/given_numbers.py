"""The payer's claim numbers in the same files as a replacement, so that one import needs no second one.

An acknowledgment gives one (REF*1K), and so does a remittance (CLP07). Those of earlier files count too if their claims
had not come.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Column, Text, text
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.stages import new_stage
from core.intake.sent_claims.read_files import X12File
from core.x12.envelope_records import Kind, Opened
from core.x12.read import read
from core.x12.remittance import PaidClaim

GIVEN_NUMBER: Final = new_stage("given_number", Column("number", Text), Column("claim", Text), is_own=True)
_WANTED: Final = "SELECT DISTINCT replaces FROM stage_sent_copy WHERE frequency IN ('7', '8') AND replaces <> ''"
_OTHERS: Final = f"""
    INSERT INTO stage_given_number (number, claim)
    SELECT payer_number, claim FROM stage_acknowledged WHERE payer_number IN ({_WANTED})
    UNION SELECT payer_claim_number, claim_number FROM waiting_acknowledgment
    WHERE practice_id = :practice_id AND payer_claim_number IN ({_WANTED})
    UNION SELECT payer_claim_id, claim_number FROM remittance_claim
    WHERE practice_id = :practice_id AND claim_id IS NULL AND payer_claim_id IN ({_WANTED})
"""  # noqa: S608  constants


def stage_given_numbers(session: Session, practice_id: int, files: Sequence[X12File]) -> None:
    """Stage the numbers that replacements and voids name. Call it after claims and acknowledgments are staged."""
    if wanted := set(session.scalars(text(_WANTED))):
        stages.copy_rows(session, GIVEN_NUMBER, _of_remittances(files, wanted))
        session.execute(text(_OTHERS), {"practice_id": practice_id})


def _of_remittances(files: Sequence[X12File], wanted: Collection[str]) -> Iterator[tuple[Any, ...]]:
    for file in files:
        summaries, is_used = iter(file.checked.transactions), False
        if not any(one.kind is Kind.REMITTANCE for one in file.checked.transactions):
            continue
        with file.path.open("rb") as binary:
            for event in read(binary, file.name):
                if isinstance(event, Opened):
                    is_used = not next(summaries).is_refused
                elif is_used and isinstance(event, PaidClaim) and event.payer_claim_id in wanted:
                    yield file.base + event.segment, event.payer_claim_id, event.claim_id
