"""The files of a matched chain in a random legal order, and a small model of what they do to each claim's balance."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.remittances import clp, st, svc
from tests.x12_files import PLAIN, claim_loop, interchange, sent_file

CLAIMS: Final = 3  # of each kind
PRIMARY, SECONDARY = ("1", "2")


class Balance(NamedTuple):
    """What is open on a claim, in cents."""

    insurance: int
    patient: int

    def plus(self, other: "Balance") -> "Balance":
        """Return the sum."""
        return Balance(self.insurance + other.insurance, self.patient + other.patient)


NOTHING: Final = Balance(0, 0)


@dataclass(frozen=True)
class Share:
    """What one payer does with a service line, in cents. All but the rest adds up to what is open."""

    charge: int
    paid: int
    reduced: int  # CO-45
    patient: int  # PR-2
    prior: int = 0  # OA-23
    denied: int = 0  # CO-97, which stays open


@dataclass(frozen=True)
class File:
    """A file of the chain."""

    name: str
    content: bytes
    moves: dict[str, Balance] = field(default_factory=dict)
    needs: tuple[str, ...] = ()  # files that come before it
    counts_with: str = ""  # a file without which nothing of this one is posted


def balances_after(files: Sequence[File]) -> dict[str, Balance]:
    """Return the balances of all claims after these files, in whatever order they came."""
    names, found = {file.name for file in files}, dict[str, Balance]()
    for file in files:
        if not file.counts_with or file.counts_with in names:
            for claim, moved in file.moves.items():
                found[claim] = found.get(claim, NOTHING).plus(moved)
    return found


def chain(dice: random.Random) -> Iterator[File]:
    """Yield the files of a chain in a random legal order, with a duplicate of one of them somewhere."""
    waiting, done = _files(dice), list[File]()
    repeats_after = dice.randrange(1, len(waiting) + 1)
    while waiting:
        names = {file.name for file in done}
        file = dice.choice([one for one in waiting if names.issuperset(one.needs)])
        waiting.remove(file)
        done.append(file)
        yield file
        if len(done) == repeats_after:
            again = dice.choice(done)
            yield File(f"again-{again.name}", again.content)


def _files(dice: random.Random) -> list[File]:
    kinds = ("plain", "denied", "two", "corrected", "taken", "odd")
    numbers = {kind: [f"{kind.upper()}{number}" for number in range(CLAIMS)] for kind in kinds}
    charges = {claim: _amounts(dice, 2, 5_000, 20_000) for claims in numbers.values() for claim in claims}
    first = {claim: [_first(dice, charge) for charge in charges[claim]] for claim in charges}
    again = {claim: [_first(dice, charge) for charge in charges[claim]] for claim in numbers["corrected"]}
    second = {claim: [_second(dice, share) for share in first[claim]] for claim in numbers["two"]}
    denied = {
        claim: [Share(charge, 0, 0, 0, denied=charge) for charge in charges[claim]] for claim in numbers["denied"]
    }
    reversed_ = {claim: [_negative(share) for share in first[claim]] for claim in (*again, *numbers["taken"])}
    two, odd = set(numbers["two"]), numbers["odd"]
    early, late = [list(part) for part in _halves(dice, list(charges))]
    paid = [claim for kind in ("plain", "two", "corrected", "taken") for claim in numbers[kind]]
    moved = {claim: _moved(first[claim], has_next=claim in two) for claim in paid}
    wrong = [_answer(claim, first[claim], off=dice.choice((-1, 1))) for claim in odd]
    corrections = [
        one for claim in again
        for one in (_answer(claim, reversed_[claim], status="22"), _answer(claim, again[claim], icn="B"))
    ]  # fmt: skip
    sent = ("early.837", "late.837")
    return [
        _sent("early.837", early, charges, two), _sent("late.837", late, charges, two),
        _paid("paid.835", 1, [_answer(claim, first[claim]) for claim in paid], moved, needs=sent),
        _paid("denied.835", 2, [_answer(*one) for one in denied.items()], needs=sent),
        _paid(
            "secondary.835", 3, [_answer(*one, status=SECONDARY, icn="S") for one in second.items()],
            {claim: _moved(shares) for claim, shares in second.items()}, needs=sent,
        ),
        _paid(
            "corrected.835", 4, corrections,
            {one: _moved(reversed_[one]).plus(_moved(again[one])) for one in again}, needs=("paid.835",),
        ),
        _paid(
            "taken.835", 5, [_answer(claim, reversed_[claim], status="22") for claim in numbers["taken"]],
            {claim: _moved(reversed_[claim]) for claim in numbers["taken"]}, needs=sent, counts_with="paid.835",
        ),
        _paid("unbalanced.835", 6, wrong, needs=sent),
    ]  # fmt: skip


def _amounts(dice: random.Random, count: int, least: int, most: int) -> list[int]:
    return [dice.randint(least, most) for _ in range(count)]


def _halves(dice: random.Random, claims: list[str]) -> tuple[list[str], list[str]]:
    dice.shuffle(claims)
    at = dice.randrange(1, len(claims))
    return claims[:at], claims[at:]


def _first(dice: random.Random, charge: int) -> Share:
    paid, reduced = (dice.randint(1, charge // 3) for _ in range(2))
    return Share(charge, paid, reduced, charge - paid - reduced)


def _second(dice: random.Random, first: Share) -> Share:
    """Return what the secondary pays of what the primary left to the patient."""
    paid = dice.randint(1, first.patient - 1)
    return Share(first.charge, paid, 0, first.patient - paid, prior=first.paid + first.reduced)


def _negative(share: Share) -> Share:
    return Share(-share.charge, -share.paid, -share.reduced, -share.patient)


def _moved(shares: list[Share], *, has_next: bool = False) -> Balance:
    """Return what an answer does. The patient's share stays with the insurance while another payer follows."""
    patient = 0 if has_next else sum(share.patient for share in shares)
    return Balance(-sum(share.paid + share.reduced for share in shares) - patient, patient)


def _dollars(cents: int) -> str:
    return f"{'-' * (cents < 0)}{abs(cents) // 100}.{abs(cents) % 100:02}"


def _answer(claim: str, shares: list[Share], *, status: str = PRIMARY, icn: str = "A", off: int = 0) -> list[str]:
    """Return the answer on a claim. `off` is how much it is out of balance."""
    lines = []
    for number, share in enumerate(shares, 1):
        given = {"CO*45": share.reduced, "CO*97": share.denied, "OA*23": share.prior, "PR*2": share.patient}
        cas = [f"{code}*{_dollars(cents)}" for code, cents in given.items() if cents]
        code = f"HC:9921{number}:25"
        lines.append(svc(_dollars(share.charge), _dollars(share.paid), *cas, code=code, control=f"{claim}L{number}"))
    charge, paid, patient = (sum(getattr(one, name) for one in shares) for name in ("charge", "paid", "patient"))
    return clp(
        claim, _dollars(charge), _dollars(paid + off), *lines, status=status, patient=_dollars(patient),
        icn=f"{claim}{icn}", day="20260102",
    )  # fmt: skip


def _sent(name: str, claims: list[str], charges: dict[str, list[int]], two: set[str]) -> File:
    loops = [
        claim_loop(claim, [_dollars(cents) for cents in charges[claim]], other="S" if claim in two else "")
        for claim in claims
    ]
    moves = {claim: Balance(sum(charges[claim]), 0) for claim in claims}
    return File(name, PLAIN.write(sent_file(*loops)).encode(), moves)


def _paid(
    name: str,
    number: int,
    answers: list[list[str]],
    moves: dict[str, Balance] | None = None,
    *,
    needs: tuple[str, ...],
    counts_with: str = "",
) -> File:
    """Return a remittance. A payment is never below zero: the payer carries a debt forward."""
    total = sum(round(float(answer[0].split("*")[4]) * 100) for answer in answers)
    after = [f"PLB*1234567893*20261231*FB:X*{_dollars(total)}"] if total < 0 else []
    body = st(*answers, paid=_dollars(max(0, total)), number=number, after=after)
    return File(name, PLAIN.write(interchange([body], number=number)).encode(), moves or {}, needs, counts_with)
