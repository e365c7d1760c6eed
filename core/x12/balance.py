"""The three balances of an 835. An adjustment above zero lowers the payment, of a claim and of a provider."""

from typing import Final

from core.money import format_cents
from core.x12.problems import Problem
from core.x12.remittance import PaidClaim
from core.x12.transaction_reader import TransactionReader

_INFORMATION: Final = ("AMT02", "CLP05")  # amounts outside of every balance


def check_claim(reader: TransactionReader, claim: PaidClaim) -> None:
    """Add a fault for each line that does not balance, for the claim, and for a wrong patient responsibility.

    Line: SVC02 - its adjustments = SVC03. Claim: CLP03 - all adjustments of claim and lines = CLP04. If the claim has
    lines, their charges are the claim's: otherwise a line without adjustments could be missing.
    """
    if claim.unreadable:
        # The amount that cannot be read explains the difference. If it is the payment, the other amounts give what the
        # balance of the transaction needs. The claim is held, so nothing of it is posted.
        places = {(one.segment, one.element) for one in claim.unreadable if one.element not in _INFORMATION}
        if places == {(claim.segment, "CLP04")}:
            claim.paid_cents = claim.charge_cents - claim.all_adjusted_cents
        return
    adjusted, charges = claim.adjusted_cents, 0
    for line in claim.lines:
        adjusted += line.adjusted_cents
        charges += line.charge_cents
        if line.charge_cents - line.adjusted_cents != line.paid_cents:
            detail = _difference(line.charge_cents, line.adjusted_cents, line.paid_cents)
            reader.add(Problem.LINE_OUT_OF_BALANCE, line.segment, "SVC", detail)
    if claim.lines and charges != claim.charge_cents:
        detail = f"claim {format_cents(claim.charge_cents)}, lines {format_cents(charges)}"
        reader.add(Problem.LINES_DIFFER, claim.segment, "CLP03", detail)
    if claim.charge_cents - adjusted != claim.paid_cents:
        detail = _difference(claim.charge_cents, adjusted, claim.paid_cents)
        reader.add(Problem.CLAIM_OUT_OF_BALANCE, claim.segment, "CLP", detail)
    if claim.patient_cents != claim.patient_adjusted_cents and not claim.is_reversal:
        detail = f"CLP05 {format_cents(claim.patient_cents)}, PR {format_cents(claim.patient_adjusted_cents)}"
        reader.add(Problem.PATIENT_SHARE, claim.segment, "CLP05", detail)


def check_payment(reader: TransactionReader, number: int, *, total: int, claims: int, provider: int) -> None:
    """Add a fault unless the claims' payments - the provider adjustments = BPR02."""
    if claims - provider != total:
        detail = (
            f"claims {format_cents(claims)}, provider adjustments {format_cents(provider)}, payment "
            f"{format_cents(total)}"
        )
        reader.add(Problem.OUT_OF_BALANCE, number, "BPR02", detail)


def _difference(charge: int, adjusted: int, paid: int) -> str:
    return f"charge {format_cents(charge)}, adjustments {format_cents(adjusted)}, payment {format_cents(paid)}"
