"""The state of a chunk, and the verdict and outcome of an item."""

from enum import StrEnum


class ChunkState(StrEnum):
    """Whether a chunk still has claims to process."""

    OPEN = "open"
    DONE = "done"


class Verdict(StrEnum):
    """The preview's decision on a claim."""

    SETTLE = "settle"
    SKIP = "skip"


class Outcome(StrEnum):
    """The result for a claim in its job."""

    SETTLED = "settled"
    SKIPPED = "skipped"
    FAILED = "failed"
