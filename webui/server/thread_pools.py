"""The threads that answer requests: pages, files, health checks and the liveness check never wait for each other."""

import time
from typing import Any, Final

from waitress.channel import HTTPChannel
from waitress.task import ThreadedTaskDispatcher

FILE_THREADS: Final = 1  # each file computes for seconds: more at once would slow every page down
# For each piece of a file. A page takes about as long, so that a file under constant load still gets done.
GIVE_WAY_SECONDS_MAX: Final = 0.03
GIVE_WAY_LOOK_SECONDS: Final = 0.001
ALIVE_PATH: Final = "/healthz"
WATCH_PATHS: Final = frozenset({"/readyz", "/metrics"})


class Lanes:
    """The application threads, in lanes that do not wait for each other."""

    def __init__(self, page_threads: int) -> None:
        """Start all of them."""
        self._pages, self._files = _threads(page_threads), _threads(FILE_THREADS)
        self._watch, self._alive = _threads(1), _threads(1)

    def add_task(self, channel: HTTPChannel) -> None:
        """Let the channel's first request be answered."""
        self._lane(channel.requests[0]).add_task(channel)

    def give_way(self) -> None:
        """Wait while a page is being answered, for a moment at most: a file's computing would slow the page down."""
        until = time.monotonic() + GIVE_WAY_SECONDS_MAX
        while self._pages.active_count and time.monotonic() < until:
            time.sleep(GIVE_WAY_LOOK_SECONDS)

    def _lane(self, request: Any) -> ThreadedTaskDispatcher:
        path = request.asked_path
        if request.error or path == ALIVE_PATH:
            return self._alive
        if path in WATCH_PATHS:
            return self._watch
        return self._files if request.is_heavy else self._pages


def _threads(count: int) -> ThreadedTaskDispatcher:
    lane = ThreadedTaskDispatcher()
    lane.set_thread_count(count)
    return lane
