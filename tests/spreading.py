"""The order of the tests: while one process waits for a timer, the others compute."""

from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

from tests import promises

# The last file that waits starts this early, so that no process waits alone at the end.
_LAST_START: Final = 0.7


def spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """Spread the files from the slow places evenly among the others. Keep the tests of each file together."""
    files: defaultdict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:
        files[item.path].append(item)
    slow = [path for path in files if promises.is_in_slow_place(path)]
    fast = [path for path in files if not promises.is_in_slow_place(path)]
    slow.sort(key=lambda path: -len(files[path]))
    start = {path: _LAST_START * index / max(1, len(slow)) for index, path in enumerate(slow)}
    start |= {path: index / len(fast) for index, path in enumerate(fast)}
    return [item for path in sorted(files, key=lambda path: (start[path], path in fast)) for item in files[path]]
