"""The command line of each door: what `settle web` and its like become, and what `settle up` starts."""

import sys
from collections.abc import Mapping
from typing import Final

from core.settings import QUEUE_CONTROL, QUEUE_SETTLE, Settings

QUEUES: Final = (QUEUE_SETTLE, QUEUE_CONTROL)
_WEB_GRACE_SECONDS: Final = 5
_CELERY: Final = (sys.executable, "-m", "celery", "--quiet", "--app")
_APP: Final = "worker.app"
_FLOWER_APP: Final = "worker.flower"  # the same, with what Flower needs besides


def web(settings: Settings) -> list[str]:
    """The web server. It keeps no access log of its own: an address can hold what somebody searched for."""
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
    """A worker for one queue. Two for one queue on one host need a `name` each."""
    # Nothing that runs in `control` takes long, and a second one would find the sweep's lock taken.
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
    """The clock. It keeps nothing on disk, since an extra or a missing beat does no harm."""
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
    """Flower, to look and not to touch."""
    return [
        *(*_CELERY, _FLOWER_APP, "flower"),
        f"--address={settings.flower_host}",
        f"--port={settings.flower_port}",
        "--read_only=True",
        "--persistent=False",
        "--tasks_columns=name,args,state,received,runtime,worker,uuid",  # the arguments are the ids of the job
    ]


def flower_environment(settings: Settings) -> Mapping[str, str]:
    """Flower's user:password, by environment: a command line can be read by everyone on the machine."""
    auth = settings.flower_basic_auth
    return {"FLOWER_BASIC_AUTH": auth.get_secret_value()} if auth else {}
