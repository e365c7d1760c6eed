"""A thread that writes the process's heartbeat every few seconds, and at the end records that it stopped."""

import atexit
import datetime as dt
import logging
import os
import threading
from collections.abc import Callable
from typing import Final

from core import logs
from core.db import roles
from core.db.engine import Sessions, transaction
from core.migrations.wait import wait_until_migrated
from core.watch import heartbeat, tally
from core.watch.heartbeat import ProcessInfo

_log: Final = logging.getLogger(__name__)
_ROLES: Final = {heartbeat.WEB: roles.WEB, heartbeat.BEAT: roles.WORKER}
_STOP_WAIT_SECONDS: Final = 3  # for a heartbeat in progress


class HeartbeatThread:
    """The heartbeat of one process. Monitoring must never stop the work, so it raises no error."""

    def __init__(self, sessions: Sessions, me: ProcessInfo, *, clock: Callable[[], dt.datetime]) -> None:
        """`sessions` must have a spare connection."""
        self._sessions, self._me, self._clock = sessions, me, clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_stopped, name="pulse", daemon=True)
        self._has_begun = False

    def start(self) -> None:
        """Write heartbeats once the database is reachable and migrated, until the process ends."""
        atexit.register(self._stop, os.getpid())
        self._thread.start()

    def _beat_until_stopped(self) -> None:
        if not wait_until_migrated(self._sessions.kw["bind"], _ROLES[self._me.kind], pause=self._stopping.wait):
            return
        self._has_begun = True
        while True:
            self._say(heartbeat.record_heartbeat)
            if self._stopping.wait(heartbeat.HEARTBEAT_SECONDS):
                return

    def _stop(self, started_by: int) -> None:
        if os.getpid() != started_by:  # a forked process ends, not this one
            return
        self._stopping.set()
        self._thread.join(_STOP_WAIT_SECONDS)
        if self._has_begun:
            self._say(heartbeat.record_stop)

    def _say(self, what: Callable[..., None]) -> None:
        try:
            with transaction(self._sessions) as session:
                what(session, self._me, now=self._clock())
            tally.flush(self._sessions)
        except Exception as error:  # noqa: BLE001  the next heartbeat tries again
            _log.warning("heartbeat lost: %s", logs.error_kind(error))
