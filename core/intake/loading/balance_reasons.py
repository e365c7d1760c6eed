"""Why the balance of a claim differs from the files after an import, and what the office does about it."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, Text, and_, cast, func, select, update
from sqlalchemy.orm import Session

from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.corrections import Corrections
from core.intake.loading.due_postings import due_postings, totals_due
from core.ledger import entry_postings
from core.models.claims import Claim
from core.models.ledger import Posting
from core.money import format_cents

NOT_CORRECTED: Final = "not_corrected"
CORRECTED_BEFORE: Final = "corrected_before"
HELD_BACK: Final = "held_back"
WRITTEN_OFF: Final = "written_off"
REVERSED: Final = "reversed"
ENTERED: Final = "entered"
WILL_REVERSE: Final = "will_reverse"
WILL_RESTORE: Final = "will_restore"
AFTER_IMPORT: Final = "after_import"
CHARGED_BY_837: Final = "charged_by_837"
NOT_THIS_CLAIM: Final = "not_this_claim"
UNKNOWN: Final = "unknown"
_WORDS: Final[Mapping[str, str]] = {
    NOT_CORRECTED: "The import did not post the changes to this claim's postings. Upload the file again, and check "
    "“Also post”.",
    CORRECTED_BEFORE: "A posting changed again after an earlier correction. Post the difference on the claim's page.",
    HELD_BACK: "A new posting was not imported, because the file has no line numbers. Add a column with them, or post "
    "it on the claim's page.",
    WRITTEN_OFF: "The file does not contain {cents} in write-offs yet. Enter them in your system. Write-offs to "
    "post lists them.",
    REVERSED: "A write-off of {cents} was reversed here, and the file still contains it. Reverse it in your system "
    "too. Write-offs to post lists the reversal.",
    ENTERED: "The file does not contain {cents} in postings that were entered in Batch Settle. Enter them in your "
    "system, or void them on the claim's page.",
    WILL_REVERSE: "The import reverses a write-off of {cents}, which the files still contain. After the import, "
    "reverse it in your system too. Write-offs to post will list the reversal.",
    WILL_RESTORE: "The import restores a write-off of {cents}, which the files do not contain. After the import, "
    "enter it in your system. Write-offs to post will list it.",
    AFTER_IMPORT: "The import's page shows the reason for {cents} after the import.",
    CHARGED_BY_837: "837 files charged this claim, so the file posts no money on it. Import the payer's remittances "
    "(835), or post the difference on the claim's page.",
    NOT_THIS_CLAIM: "The 837 files have another charge, date of service or patient, so nothing of the claim is "
    "imported. Correct it in your system, or send a replacement (837).",
    UNKNOWN: "{cents} has no known reason. Compare the claim's postings with your system, and post the difference on "
    "the claim's page.",
}
_FILE: Final = stages.FILE_BALANCE
_RECOGNIZED: Final = stages.RECOGNIZED
# Marked when the file's amounts are set aside. Nothing else on the claim explains the difference.
_ALONE: Final = (CHARGED_BY_837, NOT_THIS_CLAIM, WRITTEN_OFF)


class Reason(NamedTuple):
    """A reason with the cents that it explains. Below zero lowers the balance in Batch Settle."""

    code: str
    cents: int

    @property
    def words(self) -> str:
        """Return the reason and the next step, for people."""
        return _WORDS[self.code].format(cents=format_cents(abs(self.cents)))

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self._asdict(), "words": self.words}


def mark_claims(session: Session, practice_id: int, claim_numbers: Select[Any], code: str) -> None:
    """Keep a reason for claims in the files. Call it before known rows are deleted."""
    claims = select(Claim.id).where(Claim.practice_id == practice_id, Claim.external_id.in_(claim_numbers))
    session.execute(update(_FILE).where(_FILE.c.claim_id.in_(claims)).values(reason=code))


def mark_uncorrected(session: Session, practice_id: int, corrections: Corrections) -> None:
    """Mark the claims whose postings differ from the files and are not corrected by this import."""
    if not corrections.found:
        return
    found = stages.CORRECTION
    for code, condition in ((CORRECTED_BEFORE, found.c.corrected_before), (NOT_CORRECTED, ~found.c.corrected_before)):
        mark_claims(session, practice_id, select(found.c.claim).where(condition), code)


def find_reasons(
    session: Session,
    practice_id: int,
    source: str,
    differences: Mapping[str, tuple[int, str | None]],
    *,
    gives_totals: bool,
) -> dict[str, list[Reason]]:
    """Return the reasons by claim number. `differences` has the cents of each difference, and the marked reason."""
    own = _own_cents(session, practice_id, source, differences, gives_totals=gives_totals)
    found = {}
    for number, (cents, marked) in differences.items():
        if marked in _ALONE:
            found[number] = [Reason(marked, cents)]
            continue
        reasons = [Reason(code, own[number][code]) for code in (WRITTEN_OFF, REVERSED, ENTERED) if own[number][code]]
        rest = cents - sum(one.cents for one in reasons)
        if marked is not None:
            reasons.insert(0, Reason(marked, rest))
        elif rest:
            reasons.append(Reason(UNKNOWN, rest))
        found[number] = reasons
    return found


def reasons_before(
    session: Session,
    practice_id: int,
    source: str,
    differences: Mapping[str, tuple[int, int, str | None]],
    *,
    gives_totals: bool,
) -> dict[str, tuple[Reason, ...]]:
    """Return, before an import, the reasons by claim number why the balance will differ.

    `differences` has the cents of each difference, those of write-offs that the import reverses, and the marked reason.
    What else the import recognizes on a claim is not in the ledger yet, so the reason for the rest comes after it.
    """
    rests = {
        number: (cents - moved, marked) for number, (cents, moved, marked) in differences.items() if cents != moved
    }
    recognized = set(session.scalars(select(_RECOGNIZED.c.claim).where(_RECOGNIZED.c.claim.in_(rests)).distinct()))
    known = {
        number: (cents, None if marked == NOT_CORRECTED else marked)  # the import can still post the corrections
        for number, (cents, marked) in rests.items()
        if number not in recognized
    }
    found = find_reasons(session, practice_id, source, known, gives_totals=gives_totals) if known else {}
    found |= {number: [Reason(AFTER_IMPORT, rests[number][0])] for number in recognized}
    return {
        number: (
            *([Reason(WILL_REVERSE if moved > 0 else WILL_RESTORE, moved)] if moved else []), *found.get(number, ())
        )
        for number, (_, moved, _) in differences.items()
    }  # fmt: skip


def _own_cents(
    session: Session, practice_id: int, source: str, claim_numbers: Collection[str], *, gives_totals: bool
) -> Mapping[str, Counter[str]]:
    """Return, by claim and reason, the cents of what the practice posted itself and the files do not contain."""
    own: defaultdict[str, Counter[str]] = defaultdict(Counter)
    of_claim = and_(Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id)
    of_claims = (Posting.practice_id == practice_id, Claim.external_id.in_(claim_numbers))
    place = (Claim.external_id, Posting.line, cast(Posting.responsibility, Text))
    written_off = select(*place).join(Claim, of_claim).where(*of_claims, Posting.kind == PostingKind.WRITE_OFF)
    places = set(map(tuple, session.execute(written_off)))
    numbers = select(Claim.external_id).where(Claim.practice_id == practice_id, Claim.external_id.in_(claim_numbers))
    rows = due_postings(practice_id, source, numbers, gives_totals=gives_totals).subquery("rows_due")
    for number, line, side, paid, cents in session.execute(totals_due(rows)):
        if paid or (number, line, side) not in places:
            own[number][ENTERED] += cents
        else:
            own[number][WRITTEN_OFF if cents < 0 else REVERSED] += cents
    if not gives_totals:
        entered = select(Claim.external_id, func.sum(Posting.amount_cents)).join(Claim, of_claim)
        by_claim = entered.where(*of_claims, Posting.source == entry_postings.SOURCE).group_by(Claim.external_id)
        for number, cents in session.execute(by_claim):
            own[number][ENTERED] += int(cents)
    return own
