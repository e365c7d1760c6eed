"""The Celery app. It carries hints ("there is work") only. The database holds the state."""

from celery import Celery
from celery.signals import celeryd_init

from core import logs
from core.settings import BROKER_TRANSPORT_OPTIONS, QUEUE_CONTROL, QUEUE_SETTLE, TASK_SWEEP, TASK_TICK, load_settings
from worker import bad_messages
from worker.beat_schedule import BEAT_SCHEDULE
from worker.redacted_task import RedactedTask

_broker_url = load_settings().broker_url
bad_messages.install()

app = Celery(
    "settle",
    broker=_broker_url.get_secret_value() if _broker_url else None,
    task_cls=RedactedTask,
    events="worker.events:Events",
    include=["worker.tasks", "worker.process", "worker.heartbeat", "worker.poll", "worker.timer"],
)
app.conf.update(
    # A worker also works without a broker, so it keeps trying to connect. The broker may be down, or so full that it
    # refuses to declare queues.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_transport_options=BROKER_TRANSPORT_OPTIONS,
    task_default_queue=QUEUE_SETTLE,
    # Mail is not in `control`: a hanging mail server must not block sweep and tick, which share one process there.
    task_routes={task: {"queue": QUEUE_CONTROL} for task in (TASK_SWEEP, TASK_TICK)},
    # Acknowledge early and one at a time. The database recovers the work of a dead worker, and a worker of Celery 5.7
    # with a reserved, unacknowledged message exits when the broker goes away.
    task_acks_late=False,
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    # No results are read, and only JSON is accepted.
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_publish_retry=False,  # if a hint is lost, workers find the work anyway
    enable_utc=True,
    beat_schedule=BEAT_SCHEDULE,
    worker_send_task_events=True,  # for Flower
    worker_consumer="worker.bad_messages:Consumer",
)


@celeryd_init.connect
def configure_logging_early(**_: object) -> None:
    """Configure logging early, because Celery logs warnings before its own setup."""
    logs.configure(load_settings().log_level)
