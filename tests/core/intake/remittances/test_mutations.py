"""Whatever happens to a remittance: no crash, and no posting that its answer does not explain to the cent."""

import io
import random
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from core.enums.ledger import PaidBy, Responsibility
from core.enums.remittances import POSTED_OUTCOMES, RuleAction
from core.intake.remittances.answers import Answer, of_paid_claim
from core.intake.remittances.decide import decide
from core.intake.remittances.decision import Context
from core.intake.remittances.our_claim import OurClaim, OurLine
from core.x12.problems import FileRefused
from core.x12.read import read
from core.x12.remittance import PaidClaim
from tests import x12_files
from tests.factories import GivenPractice, Line
from tests.remittances import SERVICE_ON, clp, st, svc, take, write

ROUNDS: Final = 3_000
ROUNDS_IN_BOOKS: Final = 24
FILES_ON_CLAIMS: Final = 4
CODES: Final = ("CO*45*", "CO*97*", "PI*45*", "OA*23*", "OA*94*", "PR*1*", "PR*100*", "CO*253*")


def claims(dice: random.Random) -> list[list[str]]:
    """Return answers on claims A1 to A4 that balance, with amounts of any sign."""
    found = []
    for number in ("A1", "A2", "A3", "A4", "A1"):
        parts = [dice.choice((0, 10, 20, -20)), dice.choice((0, 5, 20)), dice.choice((0, 7, -7))]
        cas = [f"{dice.choice(CODES)}{cents}" for cents in parts if cents]
        first = svc("60", str(60 - sum(parts)), *cas)
        second = svc("40", "40", control="2" if dice.random() < 0.3 else "")
        paid = 100 - sum(parts)
        status = dice.choice("1111222")
        whole = f"{dice.choice(CODES)}{dice.choice((5, 15, -5))}" if dice.random() < 0.3 else ""
        paid -= int(whole.split("*")[2]) if whole else 0
        found.append(clp(number, "100", str(paid), first, second, status=status, cas=[whole] if whole else []))
    return found


def mutate(dice: random.Random, text: str) -> str:
    """Damage a file: cut, double or swap segments, change a sign, an amount or a character."""
    segments = text.split("~")
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        at, other = dice.randrange(len(segments)), dice.randrange(len(segments))
        match dice.randrange(6):
            case 0:
                segments[at:at] = [segments[at]]
            case 1:
                segments[at], segments[other] = segments[other], segments[at]
            case 2:
                del segments[at]
            case 3:
                segments[at] = segments[at].replace("*-", "*", 1) if "*-" in segments[at] else segments[at] + "*-5"
            case 4:
                segments[at] = segments[at].replace(dice.choice("0123456789"), dice.choice("0123456789."), 1)
            case _:
                segments = segments[: max(2, at)] if dice.random() < 0.2 else segments
        if not segments:
            return ""
    return "~".join(segments)


def read_answers(text: str) -> list[Answer]:
    try:
        events = list(read(io.BytesIO(text.encode()), "era.835"))
    except FileRefused:
        return []
    return [of_paid_claim(place, one) for place, one in enumerate(events, 1) if isinstance(one, PaidClaim)]


def a_file(dice: random.Random) -> str:
    body = claims(dice)
    paid = sum(int(claim[0].split("*")[4]) for claim in body)
    return mutate(dice, x12_files.PLAIN.write(x12_files.interchange([st(*body, paid=str(paid))])))


@pytest.mark.parametrize("seed", range(3))
def test_each_decision_explains_its_postings_and_leaves_no_balance_below_zero(seed: int) -> None:
    dice, posted = random.Random(seed), 0
    for _ in range(ROUNDS // 3):
        lines = [
            OurLine(1, "99213", 6_000, dice.choice((6_000, 6_000, 3_000)), 0),
            OurLine(2, "99213", 4_000, 4_000, 0),
        ]
        ours = OurClaim(1, "A1", SERVICE_ON, tuple(PaidBy)[: dice.choice((1, 2))], False, False, False, lines)
        for answer in read_answers(a_file(dice)):
            decision = decide(answer, ours, [], Context({}, accepts=dice.random() < 0.5))
            moved = Counter[tuple[int, Responsibility]]()
            for one in decision.postings:
                moved[one.line, one.responsibility] += one.amount_cents
            assert bool(decision.postings) <= (decision.outcome in POSTED_OUTCOMES)
            if decision.outcome not in POSTED_OUTCOMES or answer.is_reversal:
                continue
            posted += bool(decision.postings)
            adjusted = sum(one.cents for one in answer.adjustments if one.action == RuleAction.POST)
            assert sum(moved.values()) == -(answer.paid_cents + adjusted)
            for line in lines:
                insurance, patient = (moved[line.number, side] for side in Responsibility)
                assert insurance >= 0 or line.insurance_due + insurance >= 0
                assert patient >= 0
    assert posted > ROUNDS / 10, "most answers would have been held"


def test_the_books_stay_right_whatever_the_file(practice: GivenPractice, tmp_path: Path) -> None:
    dice, outcomes = random.Random(0), Counter[str]()
    file = write(tmp_path / "era.835")
    for place in range(ROUNDS_IN_BOOKS):
        numbers = [f"{place // FILES_ON_CLAIMS}A{number}" for number in range(1, 5)]
        if place % FILES_ON_CLAIMS == 0:
            for number in numbers:
                payer = practice.ids["Payer"] if dice.random() < 0.5 else None
                practice.claim(number, Line(6_000), Line(4_000), service_date=SERVICE_ON, secondary_payer_id=payer)
            practice.settle({"claim_ids": [numbers[1]]}, key=numbers[1])
        text = a_file(dice).replace("T000001", f"T{place}").replace("CLP*A", f"CLP*{numbers[0][:-2]}A")
        for _ in range(2):  # the second time, it posts nothing
            file.write_text(text)
            before = [practice.read(number).version for number in numbers]
            try:
                checked = take(practice, file, is_check=True)
                found = take(practice, file)
            except FileRefused:
                break
            assert checked.facts() == found.facts(), "the check shows what the import does"
            outcomes += found.outcomes
        else:
            assert [practice.read(number).version for number in numbers] == before
        if place % FILES_ON_CLAIMS == 0:
            assert practice.violations() == []
    assert practice.violations() == []
    assert {"posted", "warned", "held"} <= set(outcomes)
