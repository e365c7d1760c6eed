"""A gunicorn worker process with a server in it that no slow client can block."""

import os
import resource
import sys
import time
from types import FrameType
from typing import Any, Final

import structlog
from gunicorn.workers.base import Worker as GunicornWorker
from waitress import wasyncore

from core.settings import load_settings
from webui.server.http_server import CONNECTIONS_MAX, ClientTimeouts, Server, create_server
from webui.server.thread_pools import ThreadPools

LATE_CHECK_SECONDS: Final = 1.0  # interval of the check for clients that used up their time
STOP_RESERVE_SECONDS: Final = 1  # left of the grace period, to record that the process stops
# How long a computing thread keeps the interpreter lock. With the usual 5 ms, a page with twenty queries waits 0.1 s
# for a thread that writes a file.
THREAD_SWITCH_SECONDS: Final = 0.0005
OPEN_FILES_MAX: Final = 4 * CONNECTIONS_MAX  # sockets, temporary files of bodies and answers, and a reserve

_log: Final = structlog.get_logger(__name__)


class Worker(GunicornWorker):  # type: ignore[misc]  # gunicorn has no types
    """One web process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Hold no resources yet, because gunicorn calls this before it forks."""
        super().__init__(*args, **kwargs)
        self._loop: dict[int, Any] = {}
        self._servers: list[Server] = []
        self._late_checked_at = 0.0

    def run(self) -> None:
        """Serve until gunicorn stops this process, or gunicorn itself is gone."""
        _raise_open_files_limit()
        sys.setswitchinterval(THREAD_SWITCH_SECONDS)
        conf = load_settings()
        waits, lanes = ClientTimeouts(conf), ThreadPools(conf.web_threads)
        self._servers = [create_server(one.sock, self.wsgi, lanes, self._loop) for one in self.sockets]
        while self.alive and self.ppid == os.getppid():
            self._turn(waits)
        self._finish(waits)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to shut down (SIGTERM)."""
        super().handle_exit(sig, frame)
        for server in self._servers:
            server.pull_trigger()

    def _turn(self, waits: ClientTimeouts) -> None:
        """Move the bytes that are ready, for at most a second."""
        self.notify()
        wasyncore.loop(timeout=LATE_CHECK_SECONDS, use_poll=True, map=self._loop, count=1)
        if time.monotonic() - self._late_checked_at >= LATE_CHECK_SECONDS:
            self._late_checked_at = time.monotonic()
            if slow := sum(server.close_late_connections(waits) for server in self._servers):
                _log.info("slow_clients", hung_up_on=slow)

    def _finish(self, waits: ClientTimeouts) -> None:
        """Answer the requests in progress, for as long as gunicorn's grace period lasts."""
        until = time.monotonic() + self.cfg.graceful_timeout - STOP_RESERVE_SECONDS
        for server in self._servers:
            server.stop_accepting()
        while time.monotonic() < until and any(server.active_channels for server in self._servers):
            self._turn(waits)
            for server in self._servers:
                server.stop_accepting()


def _raise_open_files_limit() -> None:
    """Raise the soft limit on open files, often 1,024, up to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(OPEN_FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
