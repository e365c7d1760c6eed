"""The application as a web server runs it: its logs in our form, and a thread that says that the process lives."""

import atexit
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from flask_openapi3.openapi import OpenAPI
from gunicorn.glogging import Logger

from core import logs, zone_database
from core.db.engine import transaction
from core.settings import settings
from core.watch import heartbeat, tally
from webui import create_app
from webui.door import Door, utc_now

_log: Final = logging.getLogger(__name__)


def application() -> OpenAPI:
    """Make the application of one web process, after the server has forked it."""
    logs.configure(settings().log_level)
    zone_database.log_at_start(now=utc_now())
    app = create_app()
    door: Door = app.extensions["settle"]
    me = heartbeat.this_process(heartbeat.WEB, started_at=utc_now(), threads=door.settings.web_threads)
    threading.Thread(target=_beat_for_ever, args=(door, me), name="pulse", daemon=True).start()
    atexit.register(_say, door, heartbeat.stop, me)
    return app


def _beat_for_ever(door: Door, me: heartbeat.Alive) -> None:
    wait = threading.Event().wait
    while True:
        _say(door, heartbeat.beat, me)
        wait(heartbeat.HEARTBEAT_SECONDS)


def _say(door: Door, what: Callable[..., None], me: heartbeat.Alive) -> None:
    """Where the database does not take it, the next one follows."""
    try:
        with transaction(door.sessions) as session:
            what(session, me, now=utc_now())
        tally.flush(door.sessions)
    except Exception as error:  # noqa: BLE001  nothing that is watched may stop what works
        _log.warning("heartbeat lost: %s", type(error).__name__)


class ServerLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """What gunicorn says, in our form; of a request that it could not read or answer, not what was asked."""

    def setup(self, cfg: Any) -> None:
        """Leave the writing to ours."""
        super().setup(cfg)
        logs.configure(settings().log_level)
        for theirs in (self.error_log, self.access_log):
            theirs.handlers[:] = []
        self.error_log.propagate = True

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Without what stands in the request."""
        super().warning(*_without_the_request(msg, args), **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Without what stands in the request."""
        super().exception(*_without_the_request(msg, args), **kwargs)


def _without_the_request(msg: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    for words in ("Invalid request", "Error handling request", "Invalid"):
        if str(msg).startswith(words):
            return (words,)
    return (msg, *args)
