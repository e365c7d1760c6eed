"""The list of slow tests that `make test` runs contains only tests that exist."""

import ast

import pytest

from tests.house_rules.test_house import HOUSE
from tests.promises import FAST, PROMISES, SLOW, is_slow

TESTS = HOUSE / "tests"


@pytest.mark.parametrize("place", PROMISES.values())
def test_each_promise_names_a_slow_test_that_exists(place: str) -> None:
    file, _, name = place.partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert file.startswith(SLOW)
    assert not is_slow(TESTS / file, name)
    assert is_slow(TESTS / file, "test_another")


def test_each_slow_and_each_fast_place_exists() -> None:
    assert [place for place in (*SLOW, *FAST) if not (TESTS / place).exists()] == []
