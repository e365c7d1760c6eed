"""docs/asvs.md has each item of levels 1 and 2 of ASVS 5.0.0 once, with an answer and a file that exists."""

import re
from collections import Counter
from pathlib import Path

HOUSE = Path(__file__).parents[2]
PAGE = (HOUSE / "docs" / "asvs.md").read_text("utf-8")
ITEMS = (Path(__file__).parent / "asvs_5.0.0.txt").read_text("utf-8").splitlines()
ROWS = re.findall(
    r"^\| (\d+\.\d+\.\d+) \| (\d) \| (met|n/a|not met) \| (\S.*) \| (?:\[\S+\]\((\S+)\))? ?\|$", PAGE, re.MULTILINE
)


def test_each_item_of_levels_1_and_2_has_one_row_in_order() -> None:
    assert [f"{item} {level}" for item, level, *_ in ROWS] == ITEMS


def test_each_row_that_is_met_names_a_file_and_each_named_file_exists() -> None:
    assert [item for item, _, answer, _, file in ROWS if answer == "met" and not file] == []
    assert [(item, file) for item, *_, file in ROWS if file and not (HOUSE / "docs" / file).exists()] == []


def test_the_page_counts_its_answers() -> None:
    found = Counter(answer for _, _, answer, *_ in ROWS)

    assert re.findall(r"(\d+) of (\d+) applicable items are met, (\d+) are not met .* (\d+) do not apply", PAGE) == [
        tuple(map(str, (found["met"], found["met"] + found["not met"], found["not met"], found["n/a"])))
    ]
