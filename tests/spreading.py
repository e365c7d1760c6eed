"""The order of the tests: while one process waits for a timer, the others compute. Short files are last."""

from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

from tests import promises

# The last file that waits, or takes long, starts this early, so that no process runs alone at the end.
_LAST_START: Final = 0.7
_TESTS: Final = Path(__file__).parent
_LONG: Final = (
    "core/intake/x12/test_mutated_files.py", "core/jobs/approval", "properties", "worker", "webui/api/test_jobs.py",
)  # fmt: skip


def spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """Spread the files that wait or take long evenly among the others. Keep the tests of each file together."""
    files: defaultdict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:
        files[item.path].append(item)
    slow = [path for path in files if _is_early(path)]
    fast = [path for path in files if not _is_early(path)]
    slow.sort(key=lambda path: -len(files[path]))
    start = {path: _LAST_START * index / max(1, len(slow)) for index, path in enumerate(slow)}
    start |= {path: index / len(fast) for index, path in enumerate(fast)}
    return [item for path in sorted(files, key=lambda path: (start[path], path in fast)) for item in files[path]]


def _is_early(path: Path) -> bool:
    return promises.is_in_slow_place(path) or path.relative_to(_TESTS).as_posix().startswith(_LONG)
