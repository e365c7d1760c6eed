"""Real Celery workers for a test: processes on its database and its broker, ended by their ids."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from celery import Celery

from core.local import programs
from core.local.guardian import Child, Guardian, StopPolicy
from core.settings import BROKER_TRANSPORT_OPTIONS, QUEUE_CONTROL, QUEUE_SETTLE, Settings
from tests.forks import ForkingGuardian
from tests.roles import as_worker
from tests.waiting import eventually

READY_SECONDS = 60  # several test suites may share two cores


class Worker:
    """One worker process (with its pool) for one queue."""

    def __init__(
        self,
        guardian: Guardian,
        *,
        queue: str,
        settings: Settings,
        environment: Mapping[str, str],
        log: Path,
        name: str | None = None,
    ) -> None:
        """Keep the arguments for `start`. A second worker for a queue needs a `name`."""
        self.queue = queue
        self.log = log
        self._guardian = guardian
        self._argv = programs.worker(queue, settings, name=name)
        self._environment = environment
        self._child: Child | None = None
        self._is_wanted = False
        self._log_before = 0

    def start(self) -> None:
        """Start the worker and wait until it accepts hints."""
        self.begin()
        self.wait_until_ready()

    def begin(self) -> None:
        """Start the worker without waiting."""
        self._log_before = len(self.log_text())
        self._is_wanted = True
        self._child = self._guardian.start(self._argv, log=self.log, env=self._environment, ending=StopPolicy())

    def wait_until_ready(self) -> None:
        """Wait until the worker accepts hints."""

        def is_ready() -> bool:
            assert self.is_running(), self.log_text()[-2_000:]
            return " ready." in self.log_since_start()

        eventually(is_ready, seconds=READY_SECONDS)

    @property
    def pid(self) -> int:
        """Return the id of the main process. Its pool's processes are in the process group of the same number."""
        assert self._child is not None, "not started"
        return self._child.pid

    def is_running(self) -> bool:
        """Return True if the main process is running."""
        return self._child is not None and self._child.is_running()

    def stop(self) -> None:
        """Request a warm stop: the worker finishes its current task."""
        self._is_wanted = False
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """Send SIGKILL to the main process and its whole pool at once, like a power loss."""
        self._is_wanted = False
        if self._child is not None:
            self._child.kill()

    def freeze(self) -> None:
        """Send SIGSTOP to all its processes, like a machine that hangs."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume a frozen worker."""
        os.killpg(self.pid, signal.SIGCONT)

    def start_again(self) -> None:
        """Wait until the worker has ended, then start it again."""
        assert not self.is_running()
        self.start()

    def keep_up(self) -> None:
        """Start the worker again if it has ended by itself, as a supervisor does."""
        if self._child is not None and self._is_wanted and not self.is_running():
            self._child.kill()  # what its process group left behind
            self.begin()

    def log_text(self) -> str:
        """Return its whole log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_since_start(self) -> str:
        """Return its log since its last start."""
        return self.log_text()[self._log_before :]


class Workers:
    """A worker for each queue on one database and one broker. It can also send them hints."""

    def __init__(
        self, guardian: Guardian, *, folder: Path, database_url: str, broker_url: str, **variables: str
    ) -> None:
        """Keep the arguments for `start`. `variables` are additional SETTLE_… settings, such as CHUNK_CLAIMS="2"."""
        given = {
            "DATABASE_URL": as_worker(database_url),
            "BROKER_URL": broker_url,
            "DATA_DIR": str(folder),
            **variables,
        }
        environment = {
            **os.environ,
            **{f"SETTLE_{name}": value for name, value in given.items()},
            "TMPDIR": str(folder),
        }
        settings = Settings.model_validate({name.lower(): value for name, value in given.items()})
        self._guardian, self._settings, self._environment, self._folder = guardian, settings, environment, folder
        self.settle, self.control = (self.another(queue) for queue in (QUEUE_SETTLE, QUEUE_CONTROL))
        self._broker_url = broker_url

    def another(self, queue: str, *, name: str | None = None) -> Worker:
        """Return another worker, not started yet. A second one for a queue needs a `name`."""
        return Worker(
            self._guardian, queue=queue, settings=self._settings, environment=self._environment,
            log=self._folder / f"worker-{name or queue}.log", name=name,
        )  # fmt: skip

    def keep_up(self) -> None:
        """Start workers again that have ended by themselves, as a supervisor does."""
        self.settle.keep_up()
        self.control.keep_up()

    def begin(self) -> None:
        """Start both without waiting."""
        self.settle.begin()
        self.control.begin()

    def start(self) -> None:
        """Start both and wait until they accept hints."""
        self.begin()
        self.settle.wait_until_ready()
        self.control.wait_until_ready()

    def stop(self) -> None:
        """Request a warm stop of both."""
        self.settle.stop()
        self.control.stop()

    def kill(self) -> None:
        """Kill both at once."""
        self.settle.kill()
        self.control.kill()

    def hint(self, task: str, *args: int, queue: str = QUEUE_SETTLE) -> None:
        """Send a hint as the web application does."""
        with Celery(broker=self._broker_url) as app:
            app.conf.update(broker_transport_options=BROKER_TRANSPORT_OPTIONS, task_ignore_result=True)
            app.send_task(task, args=args, queue=queue, retry=False)


@contextmanager
def running_workers(
    *,
    folder: Path,
    database_url: str,
    broker_url: str,
    by: type[Guardian] = ForkingGuardian,
    **variables: str,
) -> Iterator[Workers]:
    """Start both workers. At the end, none of their processes is left, frozen or not."""
    with by() as guardian:
        workers = Workers(guardian, folder=folder, database_url=database_url, broker_url=broker_url, **variables)
        try:
            workers.start()
            yield workers
        finally:
            workers.kill()
