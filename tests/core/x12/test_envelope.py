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


@pytest.mark.parametrize(
    ("content", "problem", "says"),
    [
        (b"", Problem.NO_ISA, "it is empty"),
        (b"PK\x03\x04", Problem.NO_ISA, "it begins with byte 0x50"),
        (b"x" * 200_000 + PLAIN.write(GOOD).encode(), Problem.NO_ISA, "it begins with byte 0x78"),
        (b"ISA*00*", Problem.BAD_ISA, "byte 1"),
        (PLAIN.write(GOOD).encode().replace(b"*P*:~", b"*P*:A"), Problem.BAD_DELIMITERS, "byte 1"),
        (PLAIN.write(GOOD).encode().replace(b"*P*:~", b"*P***"), Problem.BAD_DELIMITERS, "byte 1"),
        (PLAIN.write(GOOD).encode().replace(b"*^*", b"*~*"), Problem.BAD_DELIMITERS, "byte 1"),
        (PLAIN.write(GOOD).encode().replace(b"SAMPLE1", b"SAM\0PLE"), Problem.NUL_BYTE, "byte"),
        (PLAIN.write(GOOD[:2]).encode() + b"NTE*" + b"x" * 70_000, Problem.LONG_SEGMENT, "byte"),
        (PLAIN.write(interchange([transaction(["BHT*1"], kind="837")])).encode().replace(b"X222A2", b"X224A2"),
         Problem.NOTHING_TO_READ, "835"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused(content: bytes, problem: Problem, says: str) -> None:
    seen = see(io.BytesIO(content))

    assert seen.refused is not None
    assert (seen.refused.problem, problem.reach) == (problem, Reach.FILE)
    assert says in str(seen.refused)
    assert "SAM" not in str(seen.refused)


def test_a_file_over_the_size_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "FILE_BYTES_MAX", 100_000)

    assert see_text(PLAIN.write(interchange([whole_remittance(1_000)]))).problems == [Problem.LARGE_FILE]


@pytest.mark.parametrize(
    ("old", "new", "problem", "place"),
    [
        ("SE*", "", Problem.TRUNCATED, "SE"),
        ("SE*", "SE*5*0001", Problem.SEGMENT_COUNT, "SE01"),
        ("SE*", "SE*x*0001", Problem.SEGMENT_COUNT, "SE01"),
        ("SE*", "SE*48*0002", Problem.SEGMENT_CONTROL, "SE02"),
        ("SE*", "SE", Problem.SEGMENT_COUNT, "SE01"),
        ("BPR*", "NTE*ADD*x", Problem.NO_PAYMENT, "SE"),
        ("TRN*", "NTE*ADD*x", Problem.NO_TRACE, "SE"),
        ("BPR*", "BPR*I*1,41.00*C*ACH", Problem.BAD_TOTAL, "BPR02"),
    ],
)
def test_a_transaction_is_refused_and_the_next_one_is_not(old: str, new: str, problem: Problem, place: str) -> None:
    seen = see_text(PLAIN.write(changed(old, new)) + PLAIN.write(GOOD))

    assert [one.is_refused for one in seen.closed] == [True, False]
    assert problem.reach is Reach.REFUSED
    (fault,) = [fault for fault in seen.closed[0].faults if fault.problem is problem]
    assert fault.element == place
    assert seen.refused is None


@pytest.mark.parametrize("kept", ["ST*835*0002", "GS*HP*A*B*20260105*0930*2*X*005010X221A1", "IEA*1*000000001"])
def test_a_transaction_without_its_end_is_refused_whatever_follows(kept: str) -> None:
    seen = see_text(PLAIN.write([*changed("SE*", "")[:-2], kept]))

    (fault,) = [fault for fault in seen.closed[0].faults if fault.problem is Problem.TRUNCATED]
    assert seen.closed[0].is_refused
    assert (fault.segment, fault.detail) == (len(GOOD) - 2, f"{kept.partition('*')[0]} follows")


@pytest.mark.parametrize(
    ("old", "new", "problem", "reach"),
    [
        ("GE*", "GE*2*1", Problem.GROUP_COUNT, Reach.TRANSACTION),
        ("GE*", "GE*1*2", Problem.GROUP_CONTROL, Reach.TRANSACTION),
        ("IEA*", "IEA*2*000000001", Problem.INTERCHANGE_COUNT, Reach.TRANSACTION),
        ("IEA*", "IEA*1*000000009", Problem.INTERCHANGE_CONTROL, Reach.TRANSACTION),
        ("GE*", "", Problem.NO_GROUP_END, Reach.WARNING),
        ("IEA*", "", Problem.NO_INTERCHANGE_END, Reach.WARNING),
        ("GE*", "CLP*A9*1*100*100*0", Problem.STRAY_SEGMENT, Reach.TRANSACTION),
    ],
)
def test_the_envelope_around_the_transactions_is_checked(old: str, new: str, problem: Problem, reach: Reach) -> None:
    seen = see_text(PLAIN.write(changed(old, new)))

    assert not seen.closed[0].is_refused
    assert problem in [fault.problem for fault in seen.outside]
    assert problem.reach is reach


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
