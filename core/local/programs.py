"""The command lines of the processes that `settle up` starts, and that commands such as `settle web` become."""

import sys
from collections.abc import Mapping
from typing import Final

from core.settings import QUEUE_CONTROL, QUEUE_SETTLE, Settings

QUEUES: Final = (QUEUE_SETTLE, QUEUE_CONTROL)
_WEB_GRACE_SECONDS: Final = 5
_CELERY: Final = (sys.executable, "-m", "celery", "--quiet", "--app")
_APP: Final = "worker.app"
_FLOWER_APP: Final = "worker.flower"  # the same app, with settings for Flower


def web(settings: Settings) -> list[str]:
    """Return the web server's command. It writes no access log, because addresses can contain search terms."""
    return [
        *(sys.executable, "-m", "gunicorn", "webui.server.wsgi:application()"),
        *("--logger-class", "webui.server.wsgi.GunicornLogger"),
        *("--bind", f"{settings.web_host}:{settings.web_port}"),
        *("--worker-class", "webui.server.web_worker.Worker"),
        *("--workers", str(settings.web_workers)),
        *("--graceful-timeout", str(_WEB_GRACE_SECONDS)),
        "--no-control-socket",
    ]


def worker(queue: str, settings: Settings, *, name: str | None = None) -> list[str]:
    """Return the command of a worker for one queue. Two workers for one queue on one host each need a `name`."""
    # Tasks in `control` are short, and a second process would find the sweep's lock taken.
    concurrency = settings.worker_concurrency if queue == QUEUE_SETTLE else 1
    return [
        *(*_CELERY, _APP, "worker"),
        *("--queues", queue),
        *("--hostname", f"{name or queue}@%h"),
        *("--concurrency", str(concurrency)),
        *("--loglevel", settings.log_level.upper()),
        "--without-mingle",
        "--without-gossip",
    ]


def beat(settings: Settings) -> list[str]:
    """Return beat's command. It stores nothing on disk, because an extra or missing tick does no harm."""
    return [
        *_CELERY,
        _APP,
        "beat",
        "--scheduler",
        "worker.scheduler:BoundedScheduler",
        "--loglevel",
        settings.log_level.upper(),
    ]


def flower(settings: Settings) -> list[str]:
    """Return the command of a read-only Flower."""
    return [
        *(*_CELERY, _FLOWER_APP, "flower"),
        f"--address={settings.flower_host}",
        f"--port={settings.flower_port}",
        "--read_only=True",
        "--persistent=False",
        "--enable_events=False",  # workers send them anyway, and refuse the command
        "--tasks_columns=name,args,state,received,runtime,worker,uuid",  # the arguments are the ids of the job
    ]


def flower_environment(settings: Settings) -> Mapping[str, str]:
    """Return Flower's user:password as an environment variable, because command lines are visible to all users."""
    auth = settings.flower_basic_auth
    return {"FLOWER_BASIC_AUTH": auth.get_secret_value()} if auth else {}
