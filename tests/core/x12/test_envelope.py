"""Delimiters, line ends, counts and control numbers: what is refused, held or only reported, and where."""

import io

import pytest

from core.x12 import segments
from core.x12.problems import Problem, Reach
from tests.core.x12.seen import see, see_text
from tests.x12_files import PLAIN, Form, interchange, transaction, whole_claim_file, whole_remittance

GOOD = interchange([whole_remittance(2)])


def changed(old: str, new: str) -> list[str]:
    """Return the good file with a change to the one segment that begins so, or without it."""
    places = [place for place, segment in enumerate(GOOD) if segment.startswith(old)]
    assert len(places) == 1, old
    return [*GOOD[: places[0]], *([new] if new else []), *GOOD[places[0] + 1 :]]


@pytest.mark.parametrize(
    "form",
    [
        PLAIN, Form(line_end="\n"), Form(line_end="\r\n"), Form(terminator="\n"), Form(terminator="\r", line_end="\n"),
        Form(wrap=80), Form(wrap=7), Form(terminator="\n", wrap=0, line_end="\n"), Form("|", ">", "!"),
        Form("\x1d", "\x1f", "\x1e"), Form(line_end="  "), Form(line_end=" \r\n"),
        Form("^", ";", "'"), Form("+", ":", "ÿ"),
    ],
    ids=repr,
)  # fmt: skip
def test_every_way_to_write_a_file_gives_the_same_claims_and_the_same_digest(form: Form) -> None:
    text = form.write([segment.replace("*^*", "*U*") for segment in GOOD])

    seen, plain = see_text(text), see_text(PLAIN.write(GOOD))

    assert seen.faults == []
    assert seen.paid == plain.paid
    assert [line.code for line in seen.paid[0].lines] == [("HC", "99213", "25"), ("HC", "85025")]
    assert [one.digest for one in seen.closed] == [one.digest for one in plain.closed]


def test_each_interchange_declares_its_own_delimiters() -> None:
    forms = [PLAIN, Form("|", ">", "!"), Form(terminator="\n"), Form(line_end="\r\n"), Form("+", ":", "'", wrap=80)]

    seen = see_text("\r\n".join(form.write(interchange([whole_remittance(3)])) for form in forms))

    assert seen.faults == []
    assert [len(seen.paid), len(seen.closed), len({one.digest for one in seen.closed})] == [15, 5, 1]


def test_an_interchange_without_its_end_does_not_hide_the_next_one_with_other_delimiters() -> None:
    seen = see_text(PLAIN.write(GOOD[:-1]) + Form("|", ">", "!").write(GOOD))

    assert [one.is_refused for one in seen.closed] == [False, False]
    assert len(seen.paid) == 4
    assert seen.problems == [Problem.NO_INTERCHANGE_END]
    assert Problem.NO_INTERCHANGE_END.reach is Reach.WARNING


@pytest.mark.parametrize("begins", ["", "\r\n", "Dear customer, VISA*1: here is your file\n", "\ufeff"])
def test_an_isa_segment_may_have_any_length_and_text_before_it(begins: str) -> None:
    long = GOOD[0].replace("SENDER         ", "SENDER-WITH-A-LONG-NAME").replace("          *00", "*00")

    seen = see_text(begins.encode("utf-8").decode("latin-1") + PLAIN.write([long, *GOOD[1:]]))

    assert len(seen.paid) == 2
    assert seen.opened[0].interchange.sender == "SENDER-WITH-A-LONG-NAME"
    assert seen.problems == ([Problem.TEXT_BEFORE] if begins.strip() else [])


WHOLE = "ask the sender for the whole file again"
NO_ISA = "no ISA segment is in the first 64 KB"
SEPARATORS = "byte 1: the ISA segment does not declare different punctuation characters as delimiters"
REFUSED_FILES = {
    "an empty file": (b"", f", byte 1: {NO_ISA} (it is empty); send an X12 file that begins with ISA"),
    "no ISA": (
        b"PK\x03\x04", f", byte 1: {NO_ISA} (it begins with byte 0x50); send an X12 file that begins with ISA"),
    "no ISA in the first 64 KB": (
        b"x" * 200_000 + PLAIN.write(GOOD).encode(),
        f", byte 1: {NO_ISA} (it begins with byte 0x78); send an X12 file that begins with ISA"),
    "an ISA that is cut off": (
        b"ISA*00*", f", byte 1: the ISA segment does not have 16 elements and a segment terminator; {WHOLE}"),
    "a terminator that is a letter": (
        PLAIN.write(GOOD).encode().replace(b"*P*:~", b"*P*:A"), f", {SEPARATORS}; {WHOLE}"),
    "two separators alike": (PLAIN.write(GOOD).encode().replace(b"*P*:~", b"*P***"), f", {SEPARATORS}; {WHOLE}"),
    "a separator as the terminator": (PLAIN.write(GOOD).encode().replace(b"*^*", b"*~*"), f", {SEPARATORS}; {WHOLE}"),
    "NUL bytes": (
        PLAIN.write(GOOD).encode().replace(b"SAMPLE1", b"SAM\0PLE"),
        f", byte 805: the file contains a NUL byte; save the file as plain text, or {WHOLE}"),
    "a segment without end": (
        PLAIN.write(GOOD[:2]).encode() + b"NTE*" + b"x" * 70_000,
        f", byte 160: a segment is longer than 64 KB, so its terminator is missing; {WHOLE}"),
    "no 835 or 837 in it": (
        PLAIN.write(interchange([transaction(["BHT*1"], kind="837")])).encode().replace(b"X222A2", b"X224A2"),
        ": the file contains no 835, 837P, 837I or 277CA; send a remittance or a claim file"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "sentence"), REFUSED_FILES.values(), ids=REFUSED_FILES)
def test_a_file_that_cannot_be_read_is_refused(content: bytes, sentence: str) -> None:
    seen = see(io.BytesIO(content))

    assert seen.refused is not None
    assert seen.refused.problem.reach is Reach.FILE
    assert str(seen.refused) == f"era.835{sentence}"


def test_a_file_over_the_size_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "FILE_BYTES_MAX", 100_000)

    seen = see_text(PLAIN.write(interchange([whole_remittance(1_000)])))
    assert str(seen.refused) == "era.835, byte 65,534: the file is larger than 1 GB; split the file by interchange"


COUNT = f"segment 50, SE01: the count differs from the number of segments (counted 48); {WHOLE}"
REFUSED = {
    "truncated": ("SE*", "", f"segment 50, SE: the transaction ends without its SE segment (GE follows); {WHOLE}"),
    "SE count wrong": ("SE*", "SE*5*0001", COUNT),
    "SE count not a number": ("SE*", "SE*x*0001", COUNT),
    "SE control number wrong": (
        "SE*", "SE*48*0002", f"segment 50, SE02: the control number differs from ST02; {WHOLE}"),
    "SE without elements": ("SE*", "SE", COUNT),
    "no BPR": ("BPR*", "NTE*ADD*x", f"segment 50, SE: the remittance has no BPR segment; {WHOLE}"),
    "no TRN": ("TRN*", "NTE*ADD*x", f"segment 50, SE: the remittance has no TRN segment with a trace number; {WHOLE}"),
    "BPR02 not an amount": (
        "BPR*", "BPR*I*1,41.00*C*ACH",
        "segment 4, BPR02: the payment total is not an amount in dollars and cents; ask the sender to correct it"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_transaction_is_refused_and_the_next_one_is_not(old: str, new: str, sentence: str) -> None:
    seen = see_text(PLAIN.write(changed(old, new)) + PLAIN.write(GOOD))

    assert [one.is_refused for one in seen.closed] == [True, False]
    refused = [str(fault) for fault in seen.closed[0].faults if fault.problem.reach is Reach.REFUSED]
    assert f"era.835, {sentence}" in refused
    assert seen.refused is None


@pytest.mark.parametrize("kept", ["ST*835*0002", "GS*HP*A*B*20260105*0930*2*X*005010X221A1", "IEA*1*000000001"])
def test_a_transaction_without_its_end_is_refused_whatever_follows(kept: str) -> None:
    seen = see_text(PLAIN.write([*changed("SE*", "")[:-2], kept]))

    (fault,) = [fault for fault in seen.closed[0].faults if fault.problem is Problem.TRUNCATED]
    assert seen.closed[0].is_refused
    assert (fault.segment, fault.detail) == (len(GOOD) - 2, f"{kept.partition('*')[0]} follows")


AROUND = {
    "GE count wrong": (
        "GE*", "GE*2*1", Reach.TRANSACTION,
        "segment 51, GE01: the count differs from the number of transactions (counted 1)"),
    "GE control number wrong": (
        "GE*", "GE*1*2", Reach.TRANSACTION, "segment 51, GE02: the control number differs from GS06"),
    "IEA count wrong": (
        "IEA*", "IEA*2*000000001", Reach.TRANSACTION,
        "segment 52, IEA01: the count differs from the number of functional groups (counted 1)"),
    "IEA control number wrong": (
        "IEA*", "IEA*1*000000009", Reach.TRANSACTION, "segment 52, IEA02: the control number differs from ISA13"),
    "missing GE": (
        "GE*", "", Reach.WARNING, "segment 51, GE: the functional group ends without its GE segment (IEA follows)"),
    "missing IEA": (
        "IEA*", "", Reach.WARNING, "segment 51, IEA: the interchange ends without its IEA segment (the file ends)"),
    "a claim outside a transaction": (
        "GE*", "CLP*A9*1*100*100*0", Reach.TRANSACTION,
        "segment 51: the segment is outside a transaction, and was not read"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "reach", "sentence"), AROUND.values(), ids=AROUND)
def test_the_envelope_around_the_transactions_is_checked(old: str, new: str, reach: Reach, sentence: str) -> None:
    seen = see_text(PLAIN.write(changed(old, new)))

    assert not seen.closed[0].is_refused
    found = {str(fault): fault.problem.reach for fault in seen.outside}
    assert found[f"era.835, {sentence}; {WHOLE}"] is reach


def test_a_doubled_terminator_ends_nothing() -> None:
    seen = see_text(PLAIN.write(GOOD).replace("~", "~~").replace("*:~~", "*:~", 1))

    assert seen.faults == []
    assert len(seen.paid) == 2


@pytest.mark.parametrize("after", ["\r\n \x1a", "IEA*1*000000001~", "thank you", "CLP*A9*1*100*100*0~", "x" * 300_000])
def test_text_after_an_interchange_is_reported_unless_it_is_blank(after: str) -> None:
    first, second = PLAIN.write(GOOD), Form("|", ">", "!").write(GOOD)

    seen = see_text(first + after + second)

    assert len(seen.paid) == 4
    assert seen.problems == ([Problem.TEXT_OUTSIDE] if after.strip(" \r\n\x1a") else [])
    assert see_text(first + after).problems == seen.problems


def test_a_file_that_ends_inside_a_segment_says_so() -> None:
    text = PLAIN.write(GOOD)

    assert see_text(text[:-1]).problems == [Problem.UNFINISHED_SEGMENT]
    cut = see_text(text[: text.index("SE*") + 5])
    assert [one.is_refused for one in cut.closed] == [True]
    assert cut.problems[0] is Problem.UNFINISHED_SEGMENT
    assert Problem.TRUNCATED in cut.problems


def test_old_versions_test_files_and_other_transactions_are_marked() -> None:
    old = [segment.replace("005010X221A1", "004010X091A1") for segment in GOOD]
    test = interchange([whole_remittance(1)], usage="T")
    other = interchange([transaction(["AK1*HC*1", "AK9*A*1*1*1"]), whole_remittance(1, number=2)])
    other[2] = "ST*999*0001*005010X231A1"

    assert see_text(PLAIN.write(old)).problems == [Problem.OLD_VERSION]
    assert see_text(PLAIN.write(test)).problems == [Problem.TEST_FILE]
    new = see_text(PLAIN.write([segment.replace("005010X221A1", "008020X322") for segment in GOOD]))
    assert ([one.reach for one in new.closed], new.problems) == ([Reach.TRANSACTION], [Problem.UNKNOWN_VERSION])
    seen = see_text(PLAIN.write(other))
    assert [(one.opened.kind.value, one.reach) for one in seen.closed] == [("other", Reach.WARNING), ("835", None)]
    assert seen.problems == [Problem.OTHER_TRANSACTION]


def test_several_groups_and_transactions_are_read_in_order() -> None:
    remittances = interchange([whole_remittance(1, number=1), whole_remittance(2, number=2)])
    claims = interchange([whole_claim_file(2)], kind="837", number=2)
    segments = [*remittances[:-1], *claims[1:-1], "IEA*2*000000001"]

    seen = see_text(PLAIN.write(segments))

    assert seen.faults == []
    assert [one.opened.kind.value for one in seen.closed] == ["835", "835", "837P"]
    assert [len(seen.paid), len(seen.sent)] == [3, 2]
    assert [one.opened.segment for one in seen.closed] == [3, 3 + 30, 3 + 30 + 48 + 2]


def test_a_segment_that_the_guide_does_not_have_holds_the_transaction() -> None:
    seen = see_text(PLAIN.write(changed("DTM*405", "CLM*405*20260105")))

    assert [one.reach for one in seen.closed] == [Reach.TRANSACTION]
    assert [str(fault) for fault in seen.faults] == [
        "era.835, segment 6: the segment does not belong in this transaction; ask the sender to correct it"
    ]


def test_a_claim_without_end_stops_before_it_fills_the_memory() -> None:
    endless = ["CLP*A1*1*100*100*0*12", *["REF*1L*X"] * 40_000]
    seen = see_text(PLAIN.write(interchange([[*whole_remittance(1)[:-1], *endless, "SE*1*0001"], whole_remittance(1)])))

    assert [one.is_refused for one in seen.closed] == [True, False]
    assert Problem.LARGE_CLAIM in seen.problems
    assert max(len(claim.references) for claim in seen.paid) < 30_000


def test_an_interchange_end_without_elements_ends_the_interchange() -> None:
    seen = see_text(PLAIN.write([*GOOD[:-1], "IEA", *GOOD[1:]]))

    assert len(seen.closed) == 1
    assert {Problem.INTERCHANGE_COUNT, Problem.TEXT_OUTSIDE} <= set(seen.problems)


@pytest.mark.parametrize("old", ["SE*", "GE*", "IEA*"])
def test_a_count_of_thousands_of_digits_is_a_wrong_count(old: str) -> None:
    name, _, control = next(one for one in GOOD if one.startswith(old)).split("*")

    seen = see_text(PLAIN.write(changed(old, f"{name}*{'1' * 5_000}*{control}")))

    counts = {Problem.SEGMENT_COUNT, Problem.GROUP_COUNT, Problem.INTERCHANGE_COUNT}
    assert len(counts & set(seen.problems)) == 1
