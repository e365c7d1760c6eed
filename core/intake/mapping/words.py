"""What the words of US practice-management systems usually mean. A mapping can say otherwise."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from core.enums.claims import BALANCE_DUE, NOT_SUBMITTED, NOT_SUBMITTED_WORDS, ClaimStatus, ClaimType, Hold
from core.enums.ledger import Responsibility
from core.enums.practices import PAYER_CLASS_NAMES, PayerClass
from core.intake.mapping.mapping import OUR_WORDS, STANDARD_STATUSES
from core.intake.mapping.targets import Field

_NOTED_MAX: Final = 20
PAYERS_SHOWN_MAX: Final = 100  # in the form of a mapping; the others are classed by name

# The first match wins. Each pattern is searched for in the lowercase payer name.
_CLASSES: Final = (
    (r"dual|medicare.*medicaid|medi-?medi", PayerClass.DUAL),
    # The last four are Medicare Advantage plans whose names do not say so.
    (r"medicare|\bmcr\b|railroad|gold plus|gold choice|senior advantage|secure ?horizons", PayerClass.MEDICARE),
    (r"medicaid|\bmcd\b|medi-?cal\b|\bchip\b", PayerClass.MEDICAID),
    (r"tricare|champus|champva|\bva\b|veterans", PayerClass.TRICARE),
    (r"work(er|man|men)?'?s'? ?comp|\bwc\b|state fund", PayerClass.WORKERS_COMP),
    (r"\bauto\b|no-?fault|\bmva\b|\bpip\b", PayerClass.AUTO),
    (r"^(self|self[ -]?pay|cash|none|no insurance|no ins|uninsured|patient|private pay|n/?a)$", PayerClass.SELF_PAY),
)
_MEANINGS: Final[dict[Field, dict[str, str]]] = {
    Field.BILLING_STATUS: {
        **dict.fromkeys(("open ins", "insurance", "ins", "billed insurance", "bill ins", "open", "pending insurance",
                         "submitted", "billed", "ins pending", "primary"), "Bill Insurance"),
        **dict.fromkeys(("secondary", "billed secondary", "bill secondary"), "Bill Secondary Insurance"),
        **dict.fromkeys(("patient", "pt", "pt resp", "patient resp", "patient responsibility", "open pt", "self pay",
                         "statement", "patient balance", "bill patient", "pt balance", "balance due patient"),
                        BALANCE_DUE),
        **dict.fromkeys(("closed", "paid", "zero balance", "complete", "completed"), "Paid In Full"),
        **dict.fromkeys(("hold", "review", "on hold", "pending review"), "Internal Review"),
        **dict.fromkeys(NOT_SUBMITTED_WORDS, NOT_SUBMITTED),
    },
    Field.RESPONSIBILITY: {
        **dict.fromkeys(("i", "ins", "insurance", "payer", "primary", "secondary", "p1", "i1", "i2", "carrier"),
                        Responsibility.INSURANCE),
        **dict.fromkeys(("p", "pt", "pat", "patient", "self", "guarantor", "self pay", "g"), Responsibility.PATIENT),
    },
    Field.HOLD: {
        **dict.fromkeys(("y", "yes", "true", "x", "1"), Hold.HOLD),
        **dict.fromkeys(("n", "no", "false", "0", "none"), ""),
        **dict.fromkeys(("legal", "attorney"), Hold.LEGAL), "appeal": Hold.APPEAL,
        **dict.fromkeys(("payment plan", "plan", "budget"), Hold.PAYMENT_PLAN),
    },
    Field.PRIMARY_STATUS: {
        **dict.fromkeys(("in process", "pending", "submitted", "billed", "at payer"), ClaimStatus.AT_PAYER),
        **dict.fromkeys(("accepted", "acknowledged"), ClaimStatus.ACKNOWLEDGED),
        **dict.fromkeys(("rejected", "error"), ClaimStatus.REJECTED),
        # The payer answered, and the rest is the patient's.
        **dict.fromkeys(("paid", "processed", "era", "closed", "finalized", "pt resp", "patient resp",
                         "patient responsibility"), ClaimStatus.ERA_RECEIVED),
        **dict.fromkeys(("denied", "denial"), ClaimStatus.ERA_DENIED),
        "cob": ClaimStatus.COORDINATION_OF_BENEFITS,
    },
    Field.CLAIM_TYPE: {
        **dict.fromkeys(("p", "prof", "professional", "1500", "cms-1500", "hcfa", "837p"), ClaimType.PROFESSIONAL),
        **dict.fromkeys(("i", "inst", "institutional", "ub", "ub04", "ub-04", "837i"), ClaimType.INSTITUTIONAL),
    },
}  # fmt: skip


def meaning(field: Field, word: str) -> str | None:
    """Return our word for the file's word, or None if it has no usual meaning."""
    key = " ".join(word.split()).casefold()
    if field is Field.PAYER_CLASS:
        exact = next((one for one in PayerClass if key.replace(" ", "_") == one.value), None)
        return exact or payer_class(word)
    if field is Field.BILLING_STATUS and key in STANDARD_STATUSES:
        return STANDARD_STATUSES[key]
    ours = {one.casefold(): str(one) for one in OUR_WORDS[field] or ()}
    usual = _MEANINGS.get(Field.PRIMARY_STATUS if field is Field.SECONDARY_STATUS else field, {})
    found = ours.get(key, usual.get(key))
    return None if found is None else str(found)


@lru_cache(maxsize=4_096)  # payers repeat
def payer_class(name: str) -> PayerClass:
    """Return the class that the payer's name suggests, or commercial."""
    words = " ".join(name.split()).lower()
    return next((one for pattern, one in _CLASSES if re.search(pattern, words)), PayerClass.COMMERCIAL)


def describe_payer_classes(payers: Sequence[str]) -> str:
    """Return the class that each payer's name suggests, so that users see a wrong one before the import."""
    classes = {name: payer_class(name) for name in dict.fromkeys(payers)}
    told = [f"{name} is {PAYER_CLASS_NAMES[one]}" for name, one in classes.items() if one is not PayerClass.COMMERCIAL]
    if not told:
        return "Based on payer names, all payers are commercial."
    left = len(told) - _NOTED_MAX
    more = f" {left:,} more {'has' if left == 1 else 'have'} a class other than commercial." if left > 0 else ""
    return f"Based on payer names: {'; '.join(told[:_NOTED_MAX])}.{more} All other payers are commercial."
