"""This reader against two public ones: the same segments, and the same sums and counts.

Where the others differ on valid input, findings/ has a script: pyx12 and oxedi lose an interchange with other
delimiters. So each file here has one set of delimiters.
"""

import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import oxedi
import pytest
from hypothesis import given, settings, strategies as st
from pyx12.segment import Segment
from pyx12.x12file import X12Reader

from core.x12.problems import Problem
from core.x12.segments import SegmentReader
from tests.core.x12.seen import Seen, see_text
from tests.x12_files import (
    LINES,
    PLAIN,
    Form,
    interchange,
    paid_cents,
    paid_claim,
    remittance,
    whole_claim_file,
    whole_remittance,
)  # fmt: skip

FORMS = [PLAIN, LINES, Form(line_end="\r\n"), Form("|", ">", "!"), Form("\x1d", "\x1f", "\x1e")]
# CLP and SVC: charge and payment. CLM and SV1: charge. The rest are the six pairs of CAS and of PLB.
AMOUNTS = {
    "CLP": (3, 4), "SVC": (2, 3), "CAS": tuple(range(3, 20, 3)), "PLB": tuple(range(4, 15, 2)), "CLM": (2,),
    "SV1": (2,), "SV2": (3,), "BPR": (2,),
}  # fmt: skip


def segments_of_peer(text: str) -> Iterator[Segment]:
    """Yield pyx12's segments."""
    yield from X12Reader(io.StringIO(text))


def own_segments(text: str) -> Iterator[list[str]]:
    """Yield this reader's segments, without empty elements at the end."""
    for batch in SegmentReader(io.BytesIO(text.encode("latin-1")), "file", pytest.fail).batches():
        for segment in batch.segments:
            yield segment.rstrip(batch.delimiters.element).split(batch.delimiters.element)


def sums_of_peer(text: str) -> dict[str, Decimal]:
    """Return the sum of each kind of amount, added up from pyx12's segments."""
    sums: Counter[str] = Counter()
    for segment in segments_of_peer(text):
        name = segment.get_seg_id()
        for place in AMOUNTS.get(name, ()):
            value = segment.get_value(f"{name}{place:02}")
            sums[f"{name}{place if name not in ('CAS', 'PLB') else ''}"] += Decimal(value or 0)  # type: ignore[assignment]
    return dict(sums)  # type: ignore[arg-type]


def sums_of(seen: Seen) -> dict[str, Decimal]:
    """Return the same sums from this reader's records."""
    paid_lines = [line for claim in seen.paid for line in claim.lines]
    sent_lines = [line for claim in seen.sent for line in claim.lines]
    adjusted = [
        *(one for part in (*seen.paid, *paid_lines) for one in part.adjustments),
        *(one for claim in seen.sent for coverage in claim.coverages for one in coverage.adjustments),
        *(one for line in sent_lines for payment in line.payments for one in payment.adjustments),
    ]
    cents = {
        "BPR2": sum(one.paid_cents for one in seen.payments),
        "CLP3": sum(claim.charge_cents for claim in seen.paid), "CLP4": sum(claim.paid_cents for claim in seen.paid),
        "SVC2": sum(line.charge_cents for line in paid_lines), "SVC3": sum(line.paid_cents for line in paid_lines),
        "CAS": sum(one.cents for one in adjusted), "PLB": sum(one.cents for one in seen.provider),
        "CLM2": sum(claim.charge_cents for claim in seen.sent),
        "SV12": sum(line.charge_cents for line in sent_lines if not line.revenue_code),
        "SV23": sum(line.charge_cents for line in sent_lines if line.revenue_code),
    }  # fmt: skip
    return {name: Decimal(value) / 100 for name, value in cents.items()}


def expect_the_same(text: str) -> None:
    """Compare this reader with pyx12, and for an 835 with oxedi."""
    peer = [segment.format("", "*", ":").rstrip("*").split("*") for segment in segments_of_peer(text)]
    own = list(own_segments(text))
    assert [elements[0] for elements in own] == [elements[0] for elements in peer]
    if "*" in text[3]:
        assert own == peer
    seen, sums = see_text(text), sums_of_peer(text)
    assert {name: value for name, value in sums_of(seen).items() if value or name in sums} == sums
    if seen.payments:
        result = oxedi.parse(text.encode("latin-1"))
        lines = [line for claim in seen.paid for line in claim.lines]
        tables = {name: len(result.tables[name]) for name in result.tables}
        assert result.sum_payments() == sums["BPR2"]
        assert tables["claims"] == result.count_claims() == len(seen.paid)
        assert tables["services"] == len(lines)
        assert tables["adjustments"] == sum(len(part.adjustments) for part in (*seen.paid, *lines))
        assert tables["provider_adjustments"] == len(seen.provider)


def test_the_samples_are_read_alike(samples: Path) -> None:
    paths = sorted(samples.glob("*/*"))

    assert len(paths) > 20
    for path in paths:
        expect_the_same(path.read_text(encoding="latin-1"))


@pytest.mark.parametrize("form", FORMS, ids=repr)
@pytest.mark.parametrize("kind", ["835", "837"])
def test_generated_files_are_read_alike(kind: str, form: Form) -> None:
    whole = whole_remittance if kind == "835" else whole_claim_file

    expect_the_same(form.write(interchange([whole(40, number=1), whole(3, number=2)], kind=kind)))


# In a process of its own, because importing x12sdk reads the project's .env (findings/).
GENERATE = """
import json
from x12sdk.generate import generate_835, generate_837i, generate_837p
makers = (generate_835, generate_837p, generate_837i)
print(json.dumps([makers[seed % 3](seed=seed, claims=1 + seed % 5) for seed in range(1_000)]))
"""


def test_a_thousand_files_of_another_generator_are_read_alike() -> None:
    """x12sdk marks its files as tests, and leaves CLP05 empty whatever the patient owes (findings/)."""
    done = subprocess.run([sys.executable, "-c", GENERATE], capture_output=True, check=True, cwd="/", timeout=60)
    files = json.loads(done.stdout)

    assert len(set(files)) == 1_000
    for number, text in enumerate(files):
        form = FORMS[number % len(FORMS)]
        expect_the_same(form.write(text.rstrip("~\n").split("~\n")))
        assert set(see_text(text).problems) <= {Problem.TEST_FILE, Problem.PATIENT_SHARE}


amounts = st.integers(-99_999, 9_999_999).map(lambda cents: f"{cents / 100:.2f}")
codes = st.sampled_from(["45", "253", "A2", "1", "23", "94"])


@st.composite
def claims(draw: st.DrawFn) -> list[str]:
    """A claim with any amounts: whether it balances is of no matter here."""
    claim = [
        f"CLP*P{draw(st.integers(1, 9_999))}*{draw(st.sampled_from('1234'))}*{draw(amounts)}*{draw(amounts)}*0*12*I"
    ]
    for _ in range(draw(st.integers(0, 3))):
        triplets = "".join(f"*{draw(codes)}*{draw(amounts)}*1" for _ in range(draw(st.integers(1, 6))))
        claim += [f"SVC*HC:99213*{draw(amounts)}*{draw(amounts)}**1", "DTM*472*20260102", f"CAS*CO{triplets}"]
    return claim


@settings(max_examples=100, deadline=None)
@given(st.lists(claims(), min_size=1, max_size=5), amounts, st.lists(amounts, max_size=6), st.sampled_from(FORMS))
def test_any_amounts_are_read_alike(given_claims: list[list[str]], paid: str, provider: list[str], form: Form) -> None:
    plb = ["PLB*1*20261231" + "".join(f"*WO:X*{amount}" for amount in provider)] if provider else []

    expect_the_same(form.write(interchange([remittance(given_claims, paid=paid, after=plb)])))


def test_the_difference_is_found_if_one_reader_loses_a_claim() -> None:
    whole = PLAIN.write(interchange([whole_remittance(2)]))
    part = whole.replace("~".join(paid_claim(1)) + "~", "")

    assert sums_of_peer(whole)["CLP4"] - sums_of(see_text(part))["CLP4"] == Decimal(paid_cents(1)) / 100
