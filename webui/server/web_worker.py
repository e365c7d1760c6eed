"""A process of gunicorn, which starts, watches and stops it, with a server in it that no slow client holds up."""

import os
import resource
import sys
import time
from types import FrameType
from typing import Any, Final

import structlog
from gunicorn.workers.base import Worker as GunicornWorker
from waitress import wasyncore

from core.settings import settings
from webui.server.http_server import CONNECTIONS_MAX, ClientTimeouts, Server, create_server
from webui.server.thread_pools import ThreadPools

LATE_CHECK_SECONDS: Final = 1.0  # how often clients that are late are looked for
STOP_RESERVE_SECONDS: Final = 1  # left of the grace, to write down that the process stops
# How long a thread that computes keeps Python to itself. With the usual 5 ms, a page that asks the database twenty
# times waits 0.1 s for a thread that writes a file.
THREAD_SWITCH_SECONDS: Final = 0.0005
OPEN_FILES_MAX: Final = 4 * CONNECTIONS_MAX  # sockets, temporary files of bodies and answers, and room

_log: Final = structlog.get_logger(__name__)


class Worker(GunicornWorker):  # type: ignore[misc]  # gunicorn has no types
    """One web process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Keep nothing yet: gunicorn calls this before it forks."""
        super().__init__(*args, **kwargs)
        self._loop: dict[int, Any] = {}
        self._servers: list[Server] = []
        self._late_checked_at = 0.0

    def run(self) -> None:
        """Serve until gunicorn asks for the end, or is gone."""
        _raise_open_files_limit()
        sys.setswitchinterval(THREAD_SWITCH_SECONDS)
        conf = settings()
        waits, lanes = ClientTimeouts(conf), ThreadPools(conf.web_threads)
        self._servers = [create_server(one.sock, self.wsgi, lanes, self._loop) for one in self.sockets]
        while self.alive and self.ppid == os.getppid():
            self._turn(waits)
        self._finish(waits)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop (SIGTERM)."""
        super().handle_exit(sig, frame)
        for server in self._servers:
            server.pull_trigger()

    def _turn(self, waits: ClientTimeouts) -> None:
        """Move what can be moved, within a second."""
        self.notify()
        wasyncore.loop(timeout=LATE_CHECK_SECONDS, use_poll=True, map=self._loop, count=1)
        if time.monotonic() - self._late_checked_at >= LATE_CHECK_SECONDS:
            self._late_checked_at = time.monotonic()
            if slow := sum(server.close_late_connections(waits) for server in self._servers):
                _log.info("slow_clients", hung_up_on=slow)

    def _finish(self, waits: ClientTimeouts) -> None:
        """Answer the requests that are in flight, for as long as gunicorn's grace lasts."""
        until = time.monotonic() + self.cfg.graceful_timeout - STOP_RESERVE_SECONDS
        for server in self._servers:
            server.stop_accepting()
        while time.monotonic() < until and any(server.active_channels for server in self._servers):
            self._turn(waits)
            for server in self._servers:
                server.stop_accepting()


def _raise_open_files_limit() -> None:
    """Raise the soft limit of open files, which many systems set to 1,024, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(OPEN_FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
