"""Metrics for Prometheus. All counts are in the database, so that any web process reports the whole installation.

No label comes from user input: each is from a known set, and anything else is `other`. The one exception is the
practice's id, if an installation turns that on, for the first thousand practices.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.db.engine import Sessions
from core.enums.jobs import WORKABLE_STATUSES, JobKind
from core.jobs.results import progress
from core.settings import QUEUE_CONTROL, QUEUE_SETTLE
from core.version import product_version
from core.watch import heartbeat, statistics, tally
from core.watch.deadline import DeadlineCall, QueryBudget, TimedOut
from core.watch.metric_names import FAILURE_CODES, METRIC_DEFINITIONS, OTHER

CACHE_SECONDS: Final = 5  # less than the time between two scrapes, so that no counter goes back
WAIT_SECONDS: Final = 4  # longer than all queries together; Prometheus gives up after ten
JOBS_MAX: Final = 10_000

_SIDES: Final = ("insurance", "patient")
_UNAVAILABLE_ERRORS: Final = (SQLAlchemyError, TimedOut)

Sample = tuple[tuple[str, ...], float]
MetricQuery = Callable[[Session, dt.datetime], Iterator[Metric]]


@dataclass(frozen=True)
class Context:
    """What is observed: the database, the clock, the broker, and whether figures are split by practice."""

    sessions: Sessions  # which see every practice
    counters: Sessions  # which write this process's counters
    clock: Callable[[], dt.datetime]
    broker_answers: Callable[[], bool]
    by_practice: bool = False


class MetricsCollector:
    """The metrics of one process. `text` is the answer to a scrape."""

    def __init__(self, world: Context) -> None:
        """Query nothing before the first scrape."""
        self._world = world
        self._database = DeadlineCall(
            lambda: list(self._database_metrics()), wait_seconds=WAIT_SECONDS, keep_seconds=CACHE_SECONDS
        )
        self._slow: set[MetricQuery] = set()  # of the last scrape
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format. Never raise because the database or broker is unavailable."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield what this process knows, then what the database knows. Without a database, only the first."""
        try:
            metrics, is_up = self._database.answer(), True
        except _UNAVAILABLE_ERRORS:
            metrics, is_up = [], False
        yield _gauge("database_up", "Whether the database answered this scrape", [((), is_up)])
        yield _gauge("broker_up", "Whether the broker answered this scrape", [((), self._world.broker_answers())])
        version = product_version()
        yield _gauge("build_info", "The version of the process that answers", [((version,), 1)], ["version"])
        yield _gauge(
            "counts_untold",
            "Counters of this process that are not in the database yet",
            [((), tally.unwritten_counters())],
        )
        yield from metrics

    def _database_metrics(self) -> Iterator[Metric]:
        """Run each query on its own, all under one deadline. A slow one is left out and reported as such."""
        budget, now = QueryBudget(self._world.sessions), self._world.clock()
        if budget.ask(lambda session: session.scalar(text("SELECT 1"))) is None:
            raise TimedOut
        with suppress(SQLAlchemyError):  # sent with the next heartbeat
            tally.flush(self._world.counters)
        slow, left_out = set(), 0
        # Slow queries run last, so that they do not delay the others.
        for question in sorted(self._run_queries(), key=self._slow.__contains__):
            was_in_time = not budget.is_over
            answer = budget.ask(lambda session, ask=question: list(ask(session, now)))  # type: ignore[misc]
            if answer is None:
                left_out += 1
                slow |= {question} if was_in_time else set()
            yield from answer or []
        self._slow = slow
        words = "Groups of metrics that are missing, because a query was too slow or failed"
        yield _gauge("questions_unanswered", words, [((), left_out)])

    def _run_queries(self) -> list[MetricQuery]:
        return [question for question in _QUERIES if self._world.by_practice or question is not _practices]


def _jobs(session: Session, now: dt.datetime) -> Iterator[Metric]:
    by_status = statistics.jobs_by_status(session)
    yield _gauge(
        "jobs", "Jobs by status", [((status.value,), count) for status, count in by_status.items()], ["status"]
    )
    seen = progress.for_all_practices(session, WORKABLE_STATUSES, now=now, limit=JOBS_MAX)
    stalled = sum(one.stalled_because is not None for one in seen.values())
    yield _gauge("jobs_stalled", "Jobs without progress for a minute", [((), stalled)])
    waiting = progress.previews_waiting(session, now=now)
    yield _gauge("previews_waiting", "Previews that waited for a minute without a worker", [((), waiting)])
    oldest = statistics.oldest_preparing_seconds(session, now=now)
    yield _gauge("oldest_preparing_seconds", "Age of the oldest preview that is not ready yet", [((), oldest)])
    chunks = statistics.open_chunks(session, now=now)
    yield _gauge("chunks_open", "Chunks that wait for a worker or are in progress", [((), chunks.chunks)])
    yield _gauge("oldest_open_chunk_seconds", "Age of the oldest open chunk", [((), chunks.oldest_seconds)])


def _claims(session: Session, _: dt.datetime) -> Iterator[Metric]:
    worked = statistics.job_totals(session)
    by_kind = {of.kind: of for of in worked}
    outcomes = [
        ((kind.value, name), getattr(by_kind[kind], name) if kind in by_kind else 0)
        for kind in JobKind
        for name in ("settled", "skipped", "failed")
    ]
    yield _counter("claims", "Claims by outcome and kind of job", outcomes, ["kind", "outcome"])
    for name, words, kind in (
        ("written_off_cents", "Cents written off by jobs", JobKind.SETTLE),
        ("restored_cents", "Cents restored by reversals", JobKind.REVERSE),
    ):
        cents = [((side,), sum(getattr(of, f"{side}_cents") for of in worked if of.kind is kind)) for side in _SIDES]
        yield _counter(name, words, cents, ["responsibility"])


def _failures(session: Session, _: dt.datetime) -> Iterator[Metric]:
    known = dict.fromkeys((*FAILURE_CODES, OTHER), 0)
    for code, count in statistics.failures_by_code(session).items():
        known[code if code in known else OTHER] += count
    yield _counter("claims_failed", "Failed claims by code", [((code,), n) for code, n in known.items()], ["code"])


def _waits(session: Session, now: dt.datetime) -> Iterator[Metric]:
    waiting = statistics.approvals(session, now=now)
    yield _gauge("approvals_waiting", "Jobs that need approval", [((), waiting.jobs)])
    yield _gauge("oldest_approval_seconds", "Age of the oldest job that needs approval", [((), waiting.seconds)])
    flagged = statistics.mismatches(session)
    yield _gauge("ledger_mismatches", "Claims whose balance differs from their ledger", [((), flagged)])


def _runs(session: Session, _: dt.datetime) -> Iterator[Metric]:
    runs = statistics.runs_by_outcome(session)
    samples = [((outcome.value,), count) for outcome, count in runs.items()]
    yield _counter("schedule_runs", "Scheduled runs by outcome", samples, ["outcome"])
    mails = statistics.count_mails(session)
    yield _counter(
        "mails",
        "E-mails of notices and run reports",
        [(("sent",), mails.sent), (("given_up",), mails.given_up)],
        ["outcome"],
    )
    yield _gauge(
        "mails_failing",
        "E-mails that the mail server refused and that will be retried",
        [((), mails.failing)],
    )


def _running_processes(session: Session, now: dt.datetime) -> Iterator[Metric]:
    alive = heartbeat.alive(session, now=now)
    kinds = [((kind,), sum(process.kind == kind for process in alive)) for kind in heartbeat.KINDS]
    yield _gauge("processes", "Processes seen in the last 45 seconds", kinds, ["kind"])
    queues = [
        ((queue,), sum(queue in process.details.get("queues", ()) for process in alive))
        for queue in (QUEUE_SETTLE, QUEUE_CONTROL)
    ]
    yield _gauge("workers", "Workers seen in the last 45 seconds, by queue", queues, ["queue"])
    ticked = heartbeat.last_tick(session)
    age = math.inf if ticked is None else max(0.0, (now - ticked).total_seconds())
    yield _gauge("tick_age_seconds", "Seconds since the schedules were last checked; +Inf if never", [((), age)])


def _counters(session: Session, _: dt.datetime) -> Iterator[Metric]:
    values = statistics.counter_values(session)
    for name, counted in METRIC_DEFINITIONS.items():
        of_name = {label: value for (other, label), value in values.items() if other == name}
        if counted.buckets:
            yield _histogram(name, counted.help, counted.buckets, of_name)
        elif counted.label:
            samples = [((label,), of_name.get(label, 0)) for label in (*counted.labels, OTHER)]
            yield _counter(name, counted.help, samples, [counted.label])
        else:
            yield _counter(name, counted.help, [((), of_name.get("", 0))])


def _practices(session: Session, _: dt.datetime) -> Iterator[Metric]:
    cents: list[Sample] = []
    for practice, insurance, patient in statistics.written_off_by_practice(session):
        label = OTHER if practice is None else str(practice)
        cents += [((label, "insurance"), insurance), ((label, "patient"), patient)]
    labels = ["practice", "responsibility"]
    yield _counter("practice_written_off_cents", "Cents written off by jobs, by practice id", cents, labels)


_QUERIES: Final = (_counters, _running_processes, _jobs, _claims, _failures, _waits, _runs, _practices)


def _gauge(name: str, words: str, samples: Iterable[Sample], labels: Iterable[str] = ()) -> Metric:
    return _with_samples(GaugeMetricFamily(f"settle_{name}", words, labels=list(labels)), samples)


def _counter(name: str, words: str, samples: Iterable[Sample], labels: Iterable[str] = ()) -> Metric:
    return _with_samples(CounterMetricFamily(f"settle_{name}", words, labels=list(labels)), samples)


def _with_samples(family: Any, samples: Iterable[Sample]) -> Metric:
    for labels, value in samples:
        family.add_metric(list(labels), value)
    filled: Metric = family
    return filled


def _histogram(name: str, words: str, bounds: tuple[float, ...], values: Mapping[str, float]) -> Metric:
    family = HistogramMetricFamily(f"settle_{name}", words)
    so_far, buckets = 0.0, []
    for bound in (*map(str, bounds), tally.PLUS_INF):
        so_far += values.get(bound, 0)
        buckets.append((bound, so_far))
    family.add_metric([], buckets, values.get(tally.SUM, 0))
    return family
