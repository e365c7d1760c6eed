"""Why an answer or a whole remittance is held or posted with a warning, in words, and what a person may accept."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from core.x12.problems import Problem, Reach


class Reason(NamedTuple):
    """A reason in words."""

    words: str
    is_warning: bool = False
    may_accept: bool = False  # a person may post the answer in spite of it


_ANSWER: Final = {
    "no_claim": Reason("no claim of the practice has this number"),
    "several_claims": Reason("several claims of the practice could have this number"),
    "shared_number": Reason("several patients of the remittance have this claim number"),
    "charge_differs": Reason("the charge differs from the claim's charges"),
    "service_date_differs": Reason("the claim's date of service is not among the payer's dates", may_accept=True),
    "member_differs": Reason("the patient's member ID is not one that the claim was sent with", may_accept=True),
    "no_such_payer": Reason("the claim has no such payer: add the payer to the claim first"),
    "line_unmatched": Reason("a service line cannot be matched to one line of the claim"),
    "unsent_line_paid": Reason("the payer pays a service line that is not on the claim"),
    "line_charge_differs": Reason("the charge of a service line differs from the claim's line"),
    "negative_line": Reason("the payment of a service line is below zero"),
    "negative_patient_share": Reason("a patient responsibility is below zero"),
    "negative_claim_level": Reason("an adjustment or payment of the whole claim is below zero"),
    "cannot_spread": Reason("an amount of the whole claim is larger than its lines can take"),
    "below_zero": Reason("a balance would go below zero"),
    "no_original": Reason("no posted answer of this payer is exactly what it reverses"),
    "several_originals": Reason("several posted answers of this payer are what it reverses"),
    "settled_claim": Reason("it reverses an answer on a claim that was settled or written off", may_accept=True),
    "claim_in_job": Reason("a running job has the claim: post it after the job has ended"),
    "closed_month": Reason("the month of the payment is closed: choose another posting date"),
    "future_date": Reason("the payment date is in the future: post it then, or choose another posting date"),
    "no_date": Reason("the payment has no date: choose a posting date"),
    "secondary_without_oa23": Reason(
        "the secondary payer reduces the charge without naming what the first payer did (OA-23)", may_accept=True
    ),
    "other_adjustment": Reason("an OA adjustment has no posting rule", may_accept=True),
    "held_by_rule": Reason("a posting rule holds an adjustment for a person", may_accept=True),
    "unknown_patient": Reason("the payer does not know the patient (status 4)", may_accept=True),
    "unknown_status": Reason("the claim status has no posting rule"),
    "money_for_information": Reason("the status is for information only, but money is paid"),
    "third_payer": Reason("a third payer answered, and a claim has two"),
    "answered_before": Reason("this payer's answer was posted before and not reversed", may_accept=True),
    "remittance_held": Reason("the whole remittance is held", may_accept=True),
    "code_changed": Reason("the payer changed a procedure code", is_warning=True),
    "line_date_differs": Reason("the date of service of a line differs", is_warning=True),
    "modifiers_differ": Reason("the modifiers of a line differ", is_warning=True),
    "spread": Reason("amounts of the whole claim were spread over its lines, largest open line first", is_warning=True),
    "odd_remark": Reason("a remark code has an unknown form", is_warning=True),
    "matched_by_prefix": Reason("matched by the first 20 characters of the claim number", is_warning=True),
    "matched_by_replacement": Reason("matched by the number of a replacement of the claim", is_warning=True),
    "matched_by_hand": Reason("a person matched it to this claim", is_warning=True),
    "matched_by_payer_number": Reason("matched by the payer's own claim number", is_warning=True),
}
_REMITTANCE: Final = {
    "same_trace": Reason("another remittance of this payer has the same trace number", may_accept=True),
    "payee_unknown": Reason("the payee is not an office or provider of the practice", may_accept=True),
    "payee_tax_id_unknown": Reason(
        "the payee's tax ID is not one that the practice's claims (837) were sent with", may_accept=True
    ),
}
_NEVER: Final = (Problem.TEST_FILE, Problem.FOREIGN_CURRENCY)


def _of_problem(problem: Problem) -> Reason:
    is_of_transaction = problem.reach is Reach.TRANSACTION and problem not in _NEVER
    return Reason(problem.wrong, is_warning=problem.reach is Reach.WARNING, may_accept=is_of_transaction)


REASONS: Final[dict[str, Reason]] = {
    **{problem.name.lower(): _of_problem(problem) for problem in Problem}, **_REMITTANCE, **_ANSWER
}  # fmt: skip


def code_of(problem: Problem) -> str:
    """Return the code of a reader's problem."""
    return problem.name.lower()


def holding(codes: Iterable[str], *, accepts: bool = False) -> list[str]:
    """Return the codes that hold an answer. A person `accepts` some of them."""
    return [code for code in codes if not REASONS[code].is_warning and not (accepts and REASONS[code].may_accept)]


def describe(code: str) -> str:
    """Return the words of a code."""
    return REASONS[code].words if code in REASONS else code
