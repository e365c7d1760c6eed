"""The words of the button that imports."""

from typing import Any

import pytest

from webui.imports.import_labels import button_words

NONE_ADDED = dict.fromkeys(("claims", "lines", "postings"), 0)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "Import"),
        ({"changes": 4}, "Import the checked changes"),
        ({"claims": 120}, "Import 120 claims"),
        ({"claims": 120, "corrections": 99}, "Import 120 claims and the checked changes"),
        ({"postings": 1, "changes": 1}, "Import 1 posting on existing claims and the checked changes"),
        (
            {"claims": 120, "postings": 201, "changes": 4, "corrections": 99},
            "Import 120 claims, 201 postings on existing claims and the checked changes",
        ),
        ({"corrections": 99}, "Import the checked changes"),
        ({"recognized": 3}, "Confirm matching postings on 3 claims"),
        ({"recognized": 3, "changes": 2}, "Confirm matching postings on 3 claims and the checked changes"),
    ],
)
def test_the_button_names_what_is_new_and_that_boxes_are_checked(facts: dict[str, int], words: str) -> None:
    of = {"claims": 0, "postings": 0, "changes": 0, "corrections": 0, "recognized": 0, **facts}
    report: dict[str, Any] = {
        "added": {**NONE_ADDED, "claims": of["claims"], "postings": of["postings"]},
        "on_existing": {"postings": of["postings"]},
        "changes_taken": False,
        "differences": {"count": of["changes"]},
        "corrections": {"to_post": of["corrections"]},
        "recognized": {"postings": of["recognized"] * 2, "claims": of["recognized"]},
    }

    assert button_words(report) == words
