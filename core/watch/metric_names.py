"""The counters that processes keep themselves: names, and all labels of each."""

from dataclasses import dataclass
from typing import Final

from core.jobs import codes
from core.policy import rules
from core.settings import TASK_CANARY, TASK_IMPORT, TASK_PREPARE, TASK_SEND, TASK_SWEEP, TASK_TICK, TASK_WORK

OTHER: Final = "other"  # for a label from a different version, or an unknown one
TASKS: Final = (TASK_WORK, TASK_PREPARE, TASK_SWEEP, TASK_TICK, TASK_SEND, TASK_IMPORT, TASK_CANARY)
SKIP_CODES: Final = tuple(rule.code for rule in rules.RULES)
FAILURE_CODES: Final = tuple(codes.FAILURE_SENTENCES)

_ANSWER_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CHUNK_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True)
class MetricDefinition:
    """A counter, or a histogram if it has `buckets`. Any label outside `labels` counts as `other`."""

    help: str
    label: str = ""
    labels: tuple[str, ...] = ("",)
    buckets: tuple[float, ...] = ()

    def known(self, label: str) -> str:
        """Return `label` if it is known, else `other`."""
        return label if label in self.labels else OTHER


METRIC_DEFINITIONS: Final = {
    "hints_sent": MetricDefinition("Hints sent to the broker", "task", TASKS),
    "hints_lost": MetricDefinition("Hints that the broker refused; workers find the work without them", "task", TASKS),
    "unhinted_acts": MetricDefinition("Times a worker found work by polling, before or without a hint", "task", TASKS),
    "sweep_rescues": MetricDefinition("Jobs without a worker until the sweep found them"),
    "claims_skipped": MetricDefinition("Claims skipped by a rule", "code", SKIP_CODES),
    "chunk_seconds": MetricDefinition("Seconds for a chunk's transaction", buckets=_CHUNK_SECONDS),
    "feed_seconds": MetricDefinition("Seconds to serve a page of the feed", buckets=_ANSWER_SECONDS),
    "progress_seconds": MetricDefinition("Seconds to serve a job's progress", buckets=_ANSWER_SECONDS),
}
