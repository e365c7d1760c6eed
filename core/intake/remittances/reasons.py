"""Why an answer or a whole remittance is held or posted with a warning, in words, and what a person may accept."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from core.reading import as_sentence
from core.x12.problems import Fault, Problem, Reach


class Reason(NamedTuple):
    """A reason in words, and the cure of one that holds an answer. Both begin in lower case, without a final period."""

    words: str
    cure: str = ""
    is_warning: bool = False
    may_accept: bool = False  # a person may post the answer in spite of it
    is_of_whole: bool = False  # it holds the whole remittance


class Finding(NamedTuple):
    """A reason at a place of the file. The segment is counted from 1 in the file."""

    code: str
    segment: int | None = None
    element: str = ""  # such as CLP03, or a segment id alone
    detail: str = ""  # counts or amounts in words, never an id or a name of a person

    @classmethod
    def of(cls, fault: Fault) -> Self:
        """Return a fault of the reader as it is stored."""
        return cls(code_of(fault.problem), fault.segment, fault.element, fault.detail)

    @property
    def place(self) -> str:
        """Return where it is, such as "segment 17, CLP03 (9 of 10)"."""
        segment = "" if self.segment is None else f"segment {self.segment:,}"
        return ", ".join(filter(None, (segment, self.element))) + f" ({self.detail})" * bool(self.detail)


def _accept(words: str, cure: str) -> Reason:
    return Reason(words, cure, may_accept=True)


def _warn(words: str) -> Reason:
    return Reason(words, is_warning=True)


_BY_HAND: Final = "post it by hand on the claim, then ignore this answer"
_COMPARE: Final = "compare it with the claim. Post it, or match it to another claim"
_ANSWER: Final = {
    "no_claim": Reason(
        "no claim of the practice has this number", "import the claim, or match the answer to its patient's claim"
    ),
    "several_claims": Reason(
        "several claims of the practice could have this number", "match the answer to its patient's claim"
    ),
    "shared_number": Reason(
        "several patients of the remittance have this claim number", "match the answer to its patient's claim"
    ),
    "charge_differs": Reason(
        "the charge differs from the claim's charges",
        "match it to another claim, or correct the claim's charge. Otherwise " + _BY_HAND,
    ),
    "service_date_differs": _accept("the claim's date of service is not among the payer's dates", _COMPARE),
    "member_differs": _accept("the patient's member ID is not one that the claim was sent with", _COMPARE),
    "no_such_payer": Reason(
        "the claim has no such payer", "import the claim again with this payer, then post this answer"
    ),
    "line_unmatched": Reason("a service line cannot be matched to one line of the claim", _BY_HAND),
    "unsent_line_paid": Reason("the payer pays a service line that is not on the claim", _BY_HAND),
    "line_charge_differs": Reason("the charge of a service line differs from the claim's line", _BY_HAND),
    "negative_line": Reason("the payment of a service line is below zero", _BY_HAND),
    "negative_patient_share": Reason("a patient responsibility is below zero", _BY_HAND),
    "negative_claim_level": Reason("an adjustment or payment of the whole claim is below zero", _BY_HAND),
    "cannot_spread": Reason("an amount of the whole claim is larger than its lines can take", _BY_HAND),
    "below_zero": Reason(
        "a balance would go below zero",
        "if a posting on the claim is wrong, void it, then post this answer. Otherwise " + _BY_HAND,
    ),
    "no_original": Reason(
        "no posted answer of this payer is exactly what it reverses",
        "import the remittance that it reverses, if it is missing. Otherwise " + _BY_HAND,
    ),
    "several_originals": Reason("several posted answers of this payer are what it reverses", _BY_HAND),
    "settled_claim": _accept(
        "it reverses an answer on a claim that was settled or written off",
        "decide whether the write-off stands. If you post this answer, the balance is open again",
    ),
    "claim_in_job": Reason("a running job has the claim", "wait. It is posted after the job has ended"),
    "closed_month": Reason("the month of the payment is closed", "choose another posting date"),
    "future_date": Reason(
        "the payment date is in the future", "wait. It is posted on that day. Or choose another posting date"
    ),
    "no_date": Reason("the payment has no date", "choose a posting date"),
    "secondary_without_oa23": _accept(
        "the secondary payer reduces the charge without naming what the first payer did (OA-23)",
        "post it if the reduction is new. If the first payer's answer has it, " + _BY_HAND,
    ),
    "other_adjustment": _accept(
        "an OA adjustment has no posting rule", "give it a posting rule, or post this answer to leave its amount open"
    ),
    "held_by_rule": _accept(
        "a posting rule holds an adjustment for a person",
        "decide about its amount. If you post this answer, it stays open, or moves to the patient (PR)",
    ),
    "unknown_patient": _accept("the payer does not know the patient (status 4)", "correct the claim and send it again"),
    "unknown_status": Reason("the claim status has no posting rule", _BY_HAND),
    "money_for_information": Reason("the status is for information only, but money is paid", _BY_HAND),
    "third_payer": Reason("a third payer answered, and a claim has two", _BY_HAND),
    "answered_before": _accept(
        "this payer's answer was posted before and not reversed", "post it only if it is another payment"
    ),
    "paid_before": _accept(
        "a payment of this amount by this payer is in the ledger already",
        "ignore this answer if it is the same payment. Post it if it is another one",
    ),
    "code_changed": _warn("the payer changed a procedure code"),
    "line_date_differs": _warn("the date of service of a line differs"),
    "modifiers_differ": _warn("the modifiers of a line differ"),
    "spread": _warn("amounts of the whole claim were spread over its lines, largest open line first"),
    "share_moved_back": _warn("the patient's share moved back to the insurance, because this payer answers for it"),
    "odd_remark": _warn("a remark code has an unknown form"),
    "matched_by_prefix": _warn("matched by the first 20 characters of the claim number"),
    "matched_by_replacement": _warn("matched by the number of a replacement of the claim"),
    "matched_by_hand": _warn("a person matched it to this claim"),
    "matched_by_payer_number": _warn("matched by the payer's own claim number"),
}
_REMITTANCE: Final = {
    "same_trace": _accept(
        "another remittance of this payer has the same trace number",
        "compare the two. Post this one only if it is another payment",
    ),
    "payee_unknown": _accept(
        "the payee is not an office or provider of the practice", "post it only if the money is yours"
    ),
    "payee_tax_id_unknown": _accept(
        "the payee's tax ID is not one that the practice's claims (837) were sent with",
        "post it only if the money is yours",
    ),
}
OF_DATE: Final = ("closed_month", "future_date", "no_date")  # another posting date ends these
_NO_DETAILS: Final[Mapping[str, str]] = MappingProxyType({})
_NEVER: Final = (Problem.TEST_FILE, Problem.FOREIGN_CURRENCY)
_CURES: Final = {
    Problem.PLACEHOLDER_ID: "match the answer to its patient's claim",
    Problem.TEST_FILE: "import the production file, then ignore this answer",
    Problem.FOREIGN_CURRENCY: _BY_HAND,
}


def _of_problem(problem: Problem) -> Reason:
    is_of_whole = problem.reach is Reach.TRANSACTION
    may_accept = is_of_whole and problem not in _NEVER
    return Reason(problem.wrong, _cure_of(problem), problem.reach is Reach.WARNING, may_accept, is_of_whole)


def _cure_of(problem: Problem) -> str:
    """Return what a user does with what is held. The problem's own cure is for the file."""
    if problem in _CURES:
        return _CURES[problem]
    if problem.reach is Reach.CLAIM:
        return f"ask the payer for a corrected remittance, or {_BY_HAND}"
    return f"{problem.cure}. Post an answer only if you are sure of its amounts"


REASONS: Final[dict[str, Reason]] = {
    **{problem.name.lower(): _of_problem(problem) for problem in Problem},
    **{code: reason._replace(is_of_whole=True) for code, reason in _REMITTANCE.items()},
    **_ANSWER,
}


ACCEPTED_OF_WHOLE: Final = [code for code, reason in REASONS.items() if reason.is_of_whole and reason.may_accept]
WARNINGS: Final = [code for code, reason in REASONS.items() if reason.is_warning]


def code_of(problem: Problem) -> str:
    """Return the code of a reader's problem."""
    return problem.name.lower()


def holding(codes: Iterable[str], *, accepts: bool = False) -> list[str]:
    """Return the codes that hold an answer. A person `accepts` some of them."""
    return [code for code in codes if not REASONS[code].is_warning and not (accepts and REASONS[code].may_accept)]


def of_whole(found: Iterable[Finding]) -> list[str]:
    """Return the codes that hold a whole remittance, those first that no user may accept."""
    codes = dict.fromkeys(one.code for one in found if REASONS[one.code].is_of_whole)
    return sorted(codes, key=lambda code: REASONS[code].may_accept)


def worst_of_whole(found: Iterable[Finding]) -> str | None:
    """Return the first code that holds a whole remittance, or None."""
    return next(iter(of_whole(found)), None)


def warnings(found: Iterable[Finding]) -> list[str]:
    """Return the codes that are mere warnings."""
    return list(dict.fromkeys(one.code for one in found if REASONS[one.code].is_warning))


class Why(NamedTuple):
    """A reason with everything that helps a user decide."""

    code: str
    words: str
    places: list[str]  # of the file
    cure: str
    detail: str = ""  # what it is about, such as "payer $136.00, claim $135.00"

    @property
    def sentence(self) -> str:
        """Return what is wrong."""
        return as_sentence(f"{self.words}: {self.detail}" if self.detail else self.words)


def explain(codes: Iterable[str], found: Sequence[Finding], details: Mapping[str, str] = _NO_DETAILS) -> list[Why]:
    """Return the reasons with their places and details. A warning needs no cure."""
    return [
        Why(code, describe(code), [one.place for one in found if one.code == code and one.place], cure, detail)
        for code in codes
        for cure, detail in [("" if REASONS[code].is_warning else REASONS[code].cure, details.get(code, ""))]
    ]


def explain_decided(codes: Iterable[str], found: Sequence[Finding]) -> list[Why]:
    """Return the reasons of what no longer waits for a user. They need no cure."""
    return [one._replace(words=describe(one.code, is_held=False), cure="") for one in explain(codes, found)]


def describe(code: str, *, is_held: bool = True) -> str:
    """Return the words of a code on an answer."""
    if code not in REASONS:
        return code
    reason = REASONS[code]
    return f"the whole remittance is held: {reason.words}" if reason.is_of_whole and is_held else reason.words
