"""The Celery app. It carries hints ("there is work") and nothing else; the database holds the truth."""

from celery import Celery
from celery.signals import celeryd_init

from core import logs
from core.settings import BROKER_TRANSPORT_OPTIONS, QUEUE_CONTROL, QUEUE_SETTLE, TASK_SWEEP, TASK_TICK, settings
from worker.beat_schedule import BEAT_SCHEDULE
from worker.redacted_task import RedactedTask

_broker_url = settings().broker_url

app = Celery(
    "settle",
    broker=_broker_url.get_secret_value() if _broker_url else None,
    task_cls=RedactedTask,
    events="worker.events:Events",
    include=["worker.tasks", "worker.process", "worker.heartbeat", "worker.poll", "worker.timer"],
)
app.conf.update(
    # A worker goes on without a broker, so it never gives up on one: not on a dead one, nor on one that is full and
    # refuses even the names of the queues.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_transport_options=BROKER_TRANSPORT_OPTIONS,
    task_default_queue=QUEUE_SETTLE,
    # Not the mail: a server that hangs must not keep the one process of `control` from sweep and tick.
    task_routes={task: {"queue": QUEUE_CONTROL} for task in (TASK_SWEEP, TASK_TICK)},
    # Acknowledged early and one at a time: the database recovers what a dead worker held, and a worker of 5.7
    # with a reserved but unacknowledged message exits when the broker goes away.
    task_acks_late=False,
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    # Nothing is ever read back, and nothing but JSON is ever read.
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_publish_retry=False,  # a worker finds the work of a lost hint by itself
    enable_utc=True,
    beat_schedule=BEAT_SCHEDULE,
    worker_send_task_events=True,  # Flower listens
)


@celeryd_init.connect
def configure_logging_early(**_: object) -> None:
    """Celery warns of things before it sets up its logging."""
    logs.configure(settings().log_level)
