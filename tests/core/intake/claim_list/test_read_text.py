"""Claim numbers from pasted text: what is split, what is dropped, and what is refused."""

import pytest

from core.intake.claim_list.read_text import PIECES_MAX, BadClaimList, read_text
from core.jobs.preview.job_request import CLAIM_ID_CHARACTERS_MAX, CLAIM_NUMBERS_MAX


@pytest.mark.parametrize(
    ("pasted", "numbers"),
    [
        ("101\n102\r\n103\n", ["101", "102", "103"]),
        ("101, 102;103\t104", ["101", "102", "103", "104"]),
        ("101 102  103", ["101", "102", "103"]),
        ("101,\n102,\n103,\n", ["101", "102", "103"]),
        ("101, 102,\n103, 104,\n", ["101", "102", "103", "104"]),
        ("101, 102\n103", ["101", "102", "103"]),
        ("Claim #\n00101\n00102", ["00101", "00102"]),
        ("Claim numbers:\n00101\n00102", ["00101", "00102"]),
        ("Claim IDs\n7\nClaim IDs\n8", ["7", "8"]),
        ("Claim #: 101\nClaim #: 102", ["101", "102"]),
        ('"00101"\n\'00102\n="00103"\n“00104”', ["00101", "00102", "00103", "00104"]),
        ('"A,1","A,2"', ["A,1", "A,2"]),
        ('"5""1"', ['5"1']),
        ("\ufeff101\u200b\n\u00a0102\u00a0", ["101", "102"]),
        ("Claim # \tPatient\tBalance\n101\tSmith, Ann\t$45.00\n102\tJones\t102", ["101", "102"]),
        ("Patient,Claim Number,Balance\nSmith,101,45\nJones,102,46\n", ["101", "102"]),
        ("Visit #,Claim #\n7,101\n8,102", ["101", "102"]),
        ("Claims of May\n\nDOS,Claim ID\n5/1/2026,9\n", ["9"]),
        ("Claim #\n101, 102\n103", ["101", "102", "103"]),
    ],
)
def test_a_list_is_read_as_a_biller_means_it(pasted: str, numbers: list[str]) -> None:
    assert list(read_text(pasted).numbers) == numbers


@pytest.mark.parametrize("line", ["101 Smith", "Total 45", "101 5/1/2026", "101 45.00", "101 $45"])
def test_spaces_do_not_split_a_line_with_a_name_a_date_or_an_amount(line: str) -> None:
    assert read_text(f"100\n{line}").numbers == ("100", line)


def test_separators_inside_the_practices_numbers_split_nothing() -> None:
    assert read_text("A 1\nA 2").numbers == ("A 1", "A 2")
    assert read_text("2026 1\n2026 2, 3", kept={" "}).numbers == ("2026 1", "2026 2", "3")
    assert read_text("A,1\nA,2", kept={","}).numbers == ("A,1", "A,2")


def test_repeats_are_counted_and_kept_once() -> None:
    found = read_text("7\n8\n7, 7")

    assert (found.numbers, found.read) == (("7", "8"), 4)


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("", "contains no claim numbers"),
        (" \n,;\t\n", "contains no claim numbers"),
        ("Claim #\n", "contains no claim numbers"),
        ("101\t45\n102\t46", "has 2 columns, and no heading says which one"),
        ("101,45\n102,46", "has 2 columns, and no heading says which one"),
        ("101 45\n102 46", "has 2 columns, and no heading says which one"),
        ("Claim #,Claim ID\n101,7", "Two columns could be the claim numbers: “Claim #” and “Claim ID”"),
        ("Claim," * 999_999, "Two columns could be the claim numbers"),
        ("\u200b" * 1_000_000, "too long for a claim number"),
        ("101\n\0", "NUL character"),
        ("x" * (CLAIM_ID_CHARACTERS_MAX + 1), "too long for a claim number"),
        ("\n".join(map(str, range(CLAIM_NUMBERS_MAX + 1))), "up to 100,000 claim numbers"),
        ("," * (PIECES_MAX + 1), "more than 1,000,000 values"),
    ],
)
def test_a_list_that_may_be_misread_is_refused(pasted: str, words: str) -> None:
    with pytest.raises(BadClaimList, match=words):
        read_text(pasted)


def test_a_list_of_the_largest_size_is_read() -> None:
    assert len(read_text(", ".join(map(str, range(CLAIM_NUMBERS_MAX)))).numbers) == CLAIM_NUMBERS_MAX
