"""Whatever happens to a file: the reader never crashes, and never loses a claim without a fault."""

import io
from typing import Final

from hypothesis import given, settings, strategies as st

from core.x12 import segments
from core.x12.problems import Reach
from tests.core.x12.seen import Seen, see, see_text
from tests.x12_files import PLAIN, Form, interchange, whole_claim_file, whole_remittance

EXAMPLES: Final = 150
REMITTANCE: Final = interchange([whole_remittance(2, number=1), whole_remittance(3, number=2)])
CLAIM_FILE: Final = interchange([whole_claim_file(3)], kind="837", number=2)
FILES: Final = {"835": REMITTANCE, "837": CLAIM_FILE}
PUNCTUATION: Final = "!\"#$%&'()+,/;<=>?@[\\]^_`{|}~*:\x1c\x1d\x1e\x1f\x07\xa7\xff"

a_file = st.sampled_from(sorted(FILES))


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """Any three delimiters, and line ends after segments or anywhere."""
    element, component, terminator = draw(st.lists(st.sampled_from(PUNCTUATION), min_size=3, max_size=3, unique=True))
    if draw(st.booleans()):
        terminator = draw(st.sampled_from("\r\n"))
        # A line end that cuts segments must not be the terminator.
        return Form(element, component, terminator, draw(st.sampled_from(["", "\n"] if terminator == "\r" else [""])))
    wrap = draw(st.one_of(st.just(0), st.integers(4, 200)))
    return Form(element, component, terminator, draw(st.sampled_from(["", "\n", "\r\n", "\r", " \n"])), wrap)


def counts(seen: Seen) -> tuple[int, int, int]:
    """Return the transactions that can be used, and all claims."""
    return len(seen.used), len(seen.paid), len(seen.sent)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(a_file, forms()), min_size=1, max_size=3))
def test_delimiters_and_line_ends_change_nothing(parts: list[tuple[str, Form]]) -> None:
    text = "".join(form.write([segment.replace("*^*", "*U*") for segment in FILES[name]]) for name, form in parts)

    seen = see_text(text)

    assert seen.faults == []
    remittances = [name for name, _ in parts].count("835")
    claim_files = len(parts) - remittances
    assert counts(seen) == (2 * remittances + claim_files, 5 * remittances, 3 * claim_files)
    assert sum(claim.paid_cents for claim in seen.paid) == remittances * sum(
        claim.paid_cents for claim in see_text(PLAIN.write(REMITTANCE)).paid
    )


class Trickle(io.RawIOBase):
    """A file that gives a few bytes at a time, as a pipe may."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content, self._sizes, self._reads = io.BytesIO(content), sizes, 0

    def read(self, _size: int = -1) -> bytes:
        """Return the next bytes."""
        self._reads += 1
        return self._content.read(self._sizes[self._reads % len(self._sizes)])


@settings(max_examples=EXAMPLES, deadline=None)
@given(forms(), st.lists(st.integers(1, 3_000), min_size=1, max_size=8))
def test_the_boundaries_of_blocks_change_nothing(form: Form, sizes: list[int]) -> None:
    text = form.write([segment.replace("*^*", "*U*") for segment in REMITTANCE]) * 2

    seen, whole = see(Trickle(text.encode("latin-1"), sizes)), see_text(text)

    assert seen == whole
    assert counts(seen) == (4, 10, 0)


@settings(max_examples=EXAMPLES, deadline=None)
@given(a_file, st.sampled_from([PLAIN, Form(line_end="\r\n"), Form("|", ">", "\n"), Form(wrap=80)]), st.data())
def test_a_truncated_file_never_looks_whole(name: str, form: Form, data: st.DataObject) -> None:
    text = form.write([segment.replace("*^*", "*U*") for segment in FILES[name]])
    end = len(text.rstrip("\r\n"))
    cut = data.draw(st.integers(0, end - 1))

    seen, whole = see_text(text[:cut]), see_text(text)

    assert seen.faults
    assert len(seen.opened) == len(seen.closed) or seen.refused
    assert {one.digest for one in seen.used} <= {one.digest for one in whole.used}
    if cut < text.index(f"SE{form.element}"):
        assert seen.used == []


@settings(max_examples=EXAMPLES, deadline=None)
@given(a_file, st.data())
def test_a_doubled_or_lost_segment_never_looks_right(name: str, data: st.DataObject) -> None:
    given_segments = FILES[name]
    place = data.draw(st.integers(1, len(given_segments) - 1))
    times = data.draw(st.sampled_from([0, 2]))

    seen = see_text(
        PLAIN.write([*given_segments[:place], *[given_segments[place]] * times, *given_segments[place + 1 :]])
    )

    assert seen.faults
    if not given_segments[place].startswith("IEA"):
        assert max(fault.problem.reach for fault in seen.faults) >= (
            Reach.WARNING if given_segments[place].startswith("GE") and not times else Reach.TRANSACTION
        )


@settings(max_examples=EXAMPLES * 2, deadline=None)
@given(a_file, st.data())
def test_a_damaged_file_never_crashes_and_never_changes_an_amount_in_silence(name: str, data: st.DataObject) -> None:
    text = PLAIN.write(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 40))
        new = data.draw(
            st.text(st.characters(max_codepoint=255), max_size=8) | st.sampled_from(["~", "*", "-", "ISA*"])
        )
        text = text[:place] + new + text[place + length :]

    seen, whole = see_text(text), see_text(PLAIN.write(FILES[name]))

    for fault in seen.faults:
        assert "PETRA" not in str(fault)
        assert "SAMPLE" not in str(fault)
    if not seen.faults:
        assert counts(seen) == counts(whole)
        assert sum(claim.paid_cents for claim in seen.paid) == sum(one.paid_cents for one in seen.payments), (
            "an 835 without a fault balances"
        )


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_read(content: bytes) -> None:
    assert see(io.BytesIO(content)).faults
    assert see(io.BytesIO(PLAIN.write(REMITTANCE)[:110].encode() + content)).faults


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.sampled_from([PLAIN, Form(line_end="\r\n"), Form(wrap=79)]))
def test_small_blocks_give_the_same_as_large_ones(block: int, form: Form) -> None:
    text = form.write(CLAIM_FILE) + "\r\n" + Form("|", ">", "!").write(REMITTANCE)
    whole = see_text(text)
    before = segments._BLOCK_BYTES
    try:
        segments._BLOCK_BYTES = block  # type: ignore[misc]
        assert see_text(text) == whole
    finally:
        segments._BLOCK_BYTES = before  # type: ignore[misc]
    assert counts(whole) == (3, 5, 3)
