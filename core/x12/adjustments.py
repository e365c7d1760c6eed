"""The adjustments of a CAS segment, which 835 and 837 share."""

from dataclasses import dataclass
from typing import Final

PATIENT_GROUP: Final = "PR"
GROUPS: Final = frozenset(("CO", "OA", "PI", PATIENT_GROUP))
OLD_GROUP: Final = "CR"  # correction and reversal, in version 4010
CAS_ELEMENTS_MAX: Final = 20  # the id, the group and six triplets


@dataclass(slots=True)
class Adjustment:
    """One reason of a CAS segment. Cents above zero lower the payment, cents below zero raise it."""

    group: str
    reason: str
    cents: int
    quantity: str
    is_unreadable: bool = False  # the amount is not known, and counts as 0
