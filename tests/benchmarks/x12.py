"""Reading X12 files: CPU time against the bare readers of two public libraries, and memory.

This reader splits, groups, reads cents and checks the balances. pyx12's bare reader only splits. oxedi is compiled.
"""

import io
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import oxedi
from pyx12.x12file import X12Reader

from core.x12.envelope_records import Closed
from core.x12.read import read
from tests.benchmarks.measure import Row, Watch, ms
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes
from tests.folders import open_folder
from tests.x12_files import PLAIN, interchange, large_remittances, whole_claim_file, whole_remittance
from tests.x12_memory import megabytes_to_read

REMITTANCE_RATIO_MAX: Final = 1.0
CLAIM_FILE_RATIO_MAX: Final = 1.5
COMPILED_RATIO_MAX: Final = 8.0
MEMORY_GROWTH_MAX_MB: Final = 8
_SMALL_FILE_BYTES: Final = 5_000_000
_LARGE_FILES_SMALLER: Final = 100
_SCOPE: Final = {"pyx12": "'s bare reader", "oxedi": ", compiled"}
_TURNS: Final = 5  # for each of the benchmark's times, because one turn takes a fraction of a second


def rows(_place: Place, sizes: Sizes) -> list[Row]:
    """Return the rows of time and of memory."""
    era = PLAIN.write(interchange([whole_remittance(sizes.x12_claims)]))
    sent = PLAIN.write(interchange([whole_claim_file(sizes.x12_claims)], kind="837"))
    turns = sizes.times * _TURNS
    return [
        *_times("835", era, sizes.x12_claims, turns, {"pyx12": REMITTANCE_RATIO_MAX, "oxedi": COMPILED_RATIO_MAX}),
        *_times("837", sent, sizes.x12_claims, turns, {"pyx12": CLAIM_FILE_RATIO_MAX}),
        _memory(sizes.x12_bytes),
    ]


def _times(kind: str, text: str, claims: int, turns: int, peers: dict[str, float]) -> list[Row]:
    """Read the same file in turn, so that a busy moment affects all readers."""
    content = text.encode()
    works: dict[str, Callable[[], object]] = {
        "this": lambda: _read(content),
        "pyx12": lambda: sum(1 for _ in X12Reader(io.StringIO(text))),
        "oxedi": lambda: oxedi.parse(content).sum_payments(),
    }
    watches = {name: Watch() for name in ("this", *peers)}
    for turn in range(turns + 1):  # the first one warms up
        for name, watch in watches.items():
            begun = time.process_time()
            works[name]()
            if turn:
                watch.seconds.append(time.process_time() - begun)
    own = watches["this"].median
    what = f"CPU to read an {kind} of {claims:,} claims, {len(content) / 1e6:.1f} MB"
    return [
        Row(f"{what} / {peer}{_SCOPE[peer]}", ms(own), ms(watches[peer].median), f"{own / watches[peer].median:.2f} ×",
            f"at most {most:g} ×", own / watches[peer].median <= most)
        for peer, most in peers.items()
    ]  # fmt: skip


def _read(content: bytes) -> None:
    (closed,) = deque(read(io.BytesIO(content), "file"), maxlen=1)
    assert isinstance(closed, Closed)
    assert not closed.faults


def _memory(large_bytes: int) -> Row:
    small_bytes = min(_SMALL_FILE_BYTES, large_bytes // _LARGE_FILES_SMALLER)
    with open_folder() as folder:
        small, large = (_memory_of_a_read(folder / "era.835", size) for size in (small_bytes, large_bytes))
    growth = large - small
    what = f"memory of reading an 835, from {small_bytes / 1e6:,.0f} to {large_bytes / 1e6:,.0f} MB"
    return Row(what, f"{growth:+.1f} MB", f"{small:.0f} MB", "", f"less than {MEMORY_GROWTH_MAX_MB} MB more",
               growth < MEMORY_GROWTH_MAX_MB)  # fmt: skip


def _memory_of_a_read(path: Path, size: int) -> float:
    """Write a file of that size, read it in its own process, and delete it. Return the peak memory in MB."""
    with path.open("wb") as file:
        file.writelines(large_remittances(size))
    try:
        return megabytes_to_read(path)
    finally:
        path.unlink()
