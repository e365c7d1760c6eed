"""The threads that answer requests. Pages, files, health checks and the liveness check never wait for each other."""

import time
from typing import Any, Final

from waitress.channel import HTTPChannel
from waitress.task import ThreadedTaskDispatcher

FILE_THREADS: Final = 1  # writing a file takes seconds of computing, and several at once would slow down every page
# For each piece of a file. A page takes about as long, so a file under constant load still gets done.
YIELD_SECONDS_MAX: Final = 0.03
YIELD_CHECK_SECONDS: Final = 0.001
ALIVE_PATH: Final = "/healthz"
WATCH_PATHS: Final = frozenset({"/readyz", "/metrics"})


class ThreadPools:
    """The application threads, in pools that do not wait for each other."""

    def __init__(self, page_threads: int) -> None:
        """Start all threads."""
        self._pages, self._files = _start_threads(page_threads), _start_threads(FILE_THREADS)
        self._watch, self._alive = _start_threads(1), _start_threads(1)

    def add_task(self, channel: HTTPChannel) -> None:
        """Queue the channel's first request for its pool."""
        self._lane(channel.requests[0]).add_task(channel)

    def yield_to_pages(self) -> None:
        """Wait briefly while a page is being answered, because writing a file would slow it down."""
        until = time.monotonic() + YIELD_SECONDS_MAX
        while self._pages.active_count and time.monotonic() < until:
            time.sleep(YIELD_CHECK_SECONDS)

    def _lane(self, request: Any) -> ThreadedTaskDispatcher:
        path = request.request_path
        if request.error or path == ALIVE_PATH:
            return self._alive
        if path in WATCH_PATHS:
            return self._watch
        return self._files if request.is_heavy else self._pages


def _start_threads(count: int) -> ThreadedTaskDispatcher:
    lane = ThreadedTaskDispatcher()
    lane.set_thread_count(count)
    return lane
