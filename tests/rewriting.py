"""Rewrite the assertions of all tests once, before the processes that would each rewrite all of them start."""

import sys
from pathlib import Path
from typing import Final

import pytest
from _pytest.assertion.rewrite import PYC_TAIL, _read_pyc, _rewrite_test, _write_pyc, assertstate_key, get_cache_dir

_TESTS: Final = Path(__file__).parent


def rewrite_all(config: pytest.Config) -> None:
    """Save what pytest makes of each changed file where it looks for it."""
    if sys.dont_write_bytecode:
        return
    state = config.stash[assertstate_key]
    for path in (*_TESTS.rglob("test_*.py"), *_TESTS.rglob("conftest.py")):
        saved = get_cache_dir(path) / f"{path.stem}{PYC_TAIL}"
        if _read_pyc(path, saved) is None:
            source_hash, code = _rewrite_test(path, config)
            saved.parent.mkdir(parents=True, exist_ok=True)
            _write_pyc(state, code, source_hash, saved)
