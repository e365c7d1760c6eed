"""X12 files with damage: whole ones to start from, and seeded mutations of them."""

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.remittances import clp, st, svc
from tests.x12_files import PLAIN, acknowledgment, claim_loop, interchange, sent_file

_DAY: Final = "20260105"
_NUMBERS: Final = "0123456789"
_ODD: Final = "~*:^|\r\n\0\t \xa0\xe9\x85AZ09-.+"
_WITH_AMOUNTS: Final = ("CLP", "SVC", "CAS", "PLB", "CLM", "SV1", "SV2", "BPR", "AMT")
_LONG: Final = 5_000  # digits, more than Python converts
_PAID: Final = clp("A1", "100", "70", svc("60", "40", "CO*45*10", "PR*2*10"), svc("40", "30", "CO*45*10"), patient="10")
_DENIED: Final = clp("A2", "100", "0", svc("60", "0", "CO*97*60"), svc("40", "0", "CO*97*40"), icn="ICN2")
_WHOLE: Final = clp("A3", "100", "80", cas=["CO*45*20"], icn="ICN3")
_SECOND: Final = clp("A1", "100", "8", svc("60", "6", "OA*23*50", "PR*2*4"), svc("40", "2", "OA*23*38"), status="2",
                     patient="4", icn="S1")  # fmt: skip
_TAKEN: Final = clp("A1", "-100", "-70", svc("-60", "-40", "CO*45*-10", "PR*2*-10"), svc("-40", "-30", "CO*45*-10"),
                    status="22")  # fmt: skip
_AGAIN: Final = clp("A1", "100", "75", svc("60", "45", "CO*45*10", "PR*2*5"), svc("40", "30", "CO*45*10"), patient="5",
                    icn="ICN1B")  # fmt: skip
_OWN: Final = {
    "own-chain.835": interchange([
        st(_PAID, _DENIED, _WHOLE, paid="150", number=1), st(_SECOND, paid="8", number=2),
        st(_TAKEN, _AGAIN, paid="4.50", number=3, after=["PLB*1234567893*20261231*L6:INT*0.50"]),
    ]),
    "own.837": sent_file(
        claim_loop("A1", other="S"), claim_loop("A2", dependent="KIM"), claim_loop("A3", frequency="7"),
        claim_loop("A4", frequency="8"), claim_loop("A1", order="S", other="P"),
    ),
    "own.277ca": acknowledgment(("A1", "A1"), ("A2", "A7"), ("A3", "A2"), ("A9", "A3")),
}  # fmt: skip


class Original(NamedTuple):
    """A whole file."""

    name: str
    text: str

    @property
    def is_remittance(self) -> bool:
        """Return whether it is an 835."""
        return self.name.endswith(".835")


def originals() -> list[Original]:
    """Return whole files: our own, and the public samples if there are any, as if they were for production."""
    folder = os.environ.get("SETTLE_X12_DIR")
    samples = sorted(Path(folder).glob("*/*.*")) if folder else []
    found = {path.name: path.read_bytes().decode("latin-1") for path in samples if path.parent.name != path.name}
    found = {name: text.replace("*T*:~", "*P*:~", 1) for name, text in found.items()}
    found |= {name: PLAIN.write(segments) for name, segments in _OWN.items()}
    return [Original(name, _with_day(with_right_counts(text))) for name, text in found.items()]


def with_right_counts(text: str) -> str:
    """Return the text with the number of segments that each SE should have."""
    segments, count = text.split("~"), 0
    for at, segment in enumerate(segments):
        name = segment.strip().split("*")[0]
        count = 1 if name == "ST" else count + bool(segment.strip())
        if name == "SE":
            segments[at] = re.sub(r"SE\*\d+", f"SE*{count}", segment)
    return "~".join(segments)


def with_right_total(text: str) -> str:
    """Return the text in which each BPR is what its claims and provider adjustments add up to."""
    segments, payment, total = [segment.split("*") for segment in text.split("~")], None, 0
    for elements in segments:
        match elements[0].strip():
            case "BPR":
                payment, total = elements, 0
            case "CLP":
                total += _cents(elements[4:5])
            case "PLB":
                total -= sum(_cents(elements[place : place + 1]) for place in range(4, len(elements), 2))
            case "SE" if payment is not None and len(payment) > 2:
                payment[2], payment = f"{total / 100:.2f}", None
    return "~".join("*".join(elements) for elements in segments)


def _with_day(text: str) -> str:
    """Return the text in which each payment has a date, because without one it would be held."""
    segments = [segment.split("*") for segment in text.split("~")]
    for payment in segments:
        if payment[0].strip() == "BPR":
            payment.extend([""] * (17 - len(payment)))
            payment[16] = payment[16] or _DAY
    return "~".join("*".join(elements) for elements in segments)


def _cents(elements: list[str]) -> int:
    try:
        return round(float(elements[0]) * 100)
    except (IndexError, ValueError, OverflowError):
        return 0


def mutated(dice: random.Random, text: str) -> str:
    """Damage a file in one to three places. Often correct its counts and totals, so that the rest of it is read."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        kinds = (_segments, _element, _element, _amount, _amount, _characters)
        text = dice.choice(kinds)(dice, text)
    if dice.random() < 0.7:
        text = with_right_total(text)
    if dice.random() < 0.8:
        text = with_right_counts(text)
    return _cut_or_joined(dice, text) if dice.random() < 0.08 else text


def _segments(dice: random.Random, text: str) -> str:
    segments = text.split("~")
    at, other = dice.randrange(len(segments)), dice.randrange(len(segments))
    match dice.randrange(5):
        case 0:
            segments.insert(at, segments[at])
        case 1:
            segments[at], segments[other] = segments[other], segments[at]
        case 2:
            del segments[at]
        case 3:
            segments.insert(other, segments.pop(at))
        case _:  # a whole loop again
            first, last = sorted((at, other))
            segments[last:last] = segments[first:last]
    return "~".join(segments)


def _element(dice: random.Random, text: str) -> str:
    segments = text.split("~")
    at = dice.randrange(len(segments))
    elements = segments[at].split("*")
    place, other = dice.randrange(len(elements)), dice.randrange(len(elements))
    match dice.randrange(6):
        case 0:
            elements[place] = ""
        case 1:
            del elements[place]
        case 2:
            elements.insert(place, elements[other])
        case 3:
            elements[place], elements[other] = elements[other], elements[place]
        case 4:
            elements[place] = dice.choice(dice.choice(segments).split("*"))
        case _:
            longest = dice.choice(_NUMBERS[1:]) * dice.choice((11, 20, _LONG))
            elements[place] = dice.choice(("-1", "0", "-0.01", "1.005", "1E2", "+5", "9" * 10, longest, "999999999"))
    segments[at] = "*".join(elements)
    return "~".join(segments)


def _amount(dice: random.Random, text: str) -> str:
    """Change a digit, a sign or a point where amounts and codes are."""
    segments = text.split("~")
    places = [at for at, segment in enumerate(segments) if segment.strip()[:3] in _WITH_AMOUNTS]
    if not places:
        return text
    at = dice.choice(places)
    head, *elements = segments[at].split("*")
    place = dice.randrange(len(elements)) if elements else None
    if place is None:
        return text
    one = elements[place]
    match dice.randrange(4):
        case 0:
            one = one.removeprefix("-") if one.startswith("-") else f"-{one}"
        case 1 if one:
            digit = dice.randrange(len(one))
            one = one[:digit] + dice.choice(_NUMBERS + ".") + one[digit + 1 :]
        case 2:
            one = dice.choice(elements)
        case _:
            one += dice.choice((".5", "0", ".", "-", " "))
    elements[place] = one
    segments[at] = "*".join([head, *elements])
    return "~".join(segments)


def _characters(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text)) if text else 0
    match dice.randrange(4):
        case 0:
            return text[:at] + dice.choice(_ODD) + text[at + 1 :]
        case 1:
            return text[:at] + dice.choice(_ODD) + text[at:]
        case 2:
            return text[:at] + text[at + dice.randrange(1, 40) :]
        case _:  # other delimiters, everywhere or from some place on
            old, new = dice.choice("~*:"), dice.choice("~*:|^\n!")
            return text[:at] + text[at:].replace(old, new) if dice.random() < 0.5 else text.replace(old, new)


def _cut_or_joined(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text) + 1)
    return text[:at] if dice.random() < 0.5 else text + dice.choice(("\r\n", "", "garbage")) + text[at // 2 :]


def segments_of(text: str) -> Iterator[list[str]]:
    """Yield the elements of each segment, read as simply as possible: each ISA declares its delimiters."""
    begins = [found.start() for found in re.finditer(r"ISA([^A-Za-z0-9\s])\s*\d\s*[0-9A-Z]\s*\1", text)]
    for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
        part = text[begin:end]
        *isa, rest = part.split(part[3], 16)
        if len(isa) == 16 and len(rest) > 1:
            for segment in part.split(rest[1]):
                yield re.sub(r"[\r\n]", "", segment).strip().split(part[3])
