"""Scenarios of the sample's claims: one row for each, with its share and the balance that it leaves."""

from bisect import bisect
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

from core.enums.claims import BALANCE_DUE, SETTLED, ClaimStatus

Dues = tuple[int, int]  # (insurance, patient) in cents
SMALL_BELOW: Final = 25_00
ONE_CENT_SHARE: Final = 0.02

WITH_PAYER: Final = (ClaimStatus.AT_CLEARINGHOUSE.value, ClaimStatus.AT_PAYER.value, ClaimStatus.ACKNOWLEDGED.value)
_NONE: Final = (ClaimStatus.NONE.value,)
_RECEIVED: Final = (ClaimStatus.ERA_RECEIVED.value,)
_BILL_INSURANCE: Final = "Bill Insurance"


def _small(random: float) -> int:
    """Return 0.01 to 24.99, smaller amounts more often."""
    return 1 if random < ONE_CENT_SHARE else 2 + int((SMALL_BELOW - 2) * random**1.5)


def _larger(random: float, fee: int) -> int:
    """Return 25.00 up to most of the fee."""
    return SMALL_BELOW + int(random * max(0, fee * 0.6 - SMALL_BELOW))


@dataclass(frozen=True)
class Scenario:
    """One course of events. Shares are weights, among recent claims and among older ones."""

    name: str
    recent: float
    older: float
    billing_statuses: tuple[str, ...]
    primary_statuses: tuple[str, ...] = _RECEIVED
    # (random, random, fee of the first line) → the balances left. None: not adjudicated, the whole charge is owed.
    amounts_left: Callable[[float, float, int], Dues] | None = None
    insured: bool = True  # False: may be a claim without a payer
    with_secondary: bool = False
    credit_on_second_line: bool = False
    owes: bool = True


def _nothing(_a: float, _b: float, _fee: int) -> Dues:
    return 0, 0


NOT_SUBMITTED: Final = Scenario("not submitted", 6, 0.3, ("Not Submitted",), _NONE)
SCENARIOS: Final = (
    Scenario("in process", 65, 0, (_BILL_INSURANCE,), WITH_PAYER),
    NOT_SUBMITTED,
    Scenario("rejected", 4, 1.5, ("Internal Review", _BILL_INSURANCE), (ClaimStatus.REJECTED.value,)),
    Scenario("denied", 1, 4, ("Internal Review", _BILL_INSURANCE), (ClaimStatus.ERA_DENIED.value,)),
    Scenario("coordination of benefits", 1, 0.7, (_BILL_INSURANCE,), (ClaimStatus.COORDINATION_OF_BENEFITS.value,)),
    Scenario(
        "small patient due", 12, 30, (BALANCE_DUE,), amounts_left=lambda a, _, _fee: (0, _small(a)), insured=False
    ),
    Scenario(
        "small insurance due", 1, 11, (BALANCE_DUE, _BILL_INSURANCE), amounts_left=lambda a, _, _fee: (_small(a), 0)
    ),
    Scenario("patient due", 6, 17, (BALANCE_DUE,), amounts_left=lambda a, _, fee: (0, _larger(a, fee)), insured=False),
    Scenario(
        "insurance due", 1, 9, (_BILL_INSURANCE, BALANCE_DUE), amounts_left=lambda a, _, fee: (_larger(a, fee), 0)
    ),
    Scenario("both due", 1, 6, (BALANCE_DUE,), amounts_left=lambda a, b, fee: (_small(a), _larger(b, fee // 2))),
    Scenario(
        "waits for the secondary",
        1,
        4,
        ("Bill Secondary Insurance",),
        amounts_left=lambda a, _, fee: (_larger(a, fee // 2), 0),
        with_secondary=True,
    ),
    Scenario(
        "patient credit", 0.5, 1.6, ("Internal Review", BALANCE_DUE), amounts_left=lambda a, _, _fee: (0, -_small(a))
    ),
    Scenario(
        "insurance credit", 0.3, 1.2, ("Internal Review", BALANCE_DUE), amounts_left=lambda a, _, _fee: (-_small(a), 0)
    ),
    Scenario(
        "credit under a sum",
        0.1,
        1,
        (BALANCE_DUE,),
        amounts_left=lambda a, b, fee: (-_small(a), _larger(b, fee) + 5_00),
    ),
    Scenario(
        "credit on one line",
        0.1,
        0.9,
        (BALANCE_DUE,),
        amounts_left=lambda a, _, fee: (0, _larger(a, fee)),
        credit_on_second_line=True,
    ),
    Scenario("paid", 4, 6.5, ("Paid In Full",), amounts_left=_nothing, insured=False, owes=False),
    Scenario("settled before", 0, 5, (SETTLED,), amounts_left=_nothing, owes=False),
)

_RECENT: Final = tuple(accumulate(story.recent for story in SCENARIOS))
_OLDER: Final = tuple(accumulate(story.older for story in SCENARIOS))


def draw_scenario(seed: Random, *, recent: bool) -> Scenario:
    """Draw a scenario by its share."""
    shares = _RECENT if recent else _OLDER
    return SCENARIOS[bisect(shares, seed.random() * shares[-1])]
