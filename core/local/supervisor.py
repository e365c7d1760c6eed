"""`settle up`: start everything on one machine in order, keep it running, and stop it in order."""

import contextlib
import datetime as dt
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr
from sqlalchemy import Engine

from core.db import roles
from core.db.engine import make_sessions, transaction
from core.errors import Refusal
from core.local import programs, run_lock, sample_practice
from core.local.broker import Broker
from core.local.connectivity import answers_http, connected_engine, free_port, require_free_port
from core.local.guardian import FRONTS, WORKERS, Child, Guardian, StopPolicy
from core.local.log_files import make_log_folder, rotate_large_logs
from core.local.postgres import Postgres
from core.local.restart_policy import SupervisedProgram
from core.local.saved_secret import load_or_create_secret
from core.local.stop_signals import StopRequested, StopSignals
from core.migrations.run import migrate_database
from core.settings import Settings
from core.watch import canary, heartbeat

_FLOWER_USER: Final = "ops"
_EXAMPLE_PORT: Final = 8011  # an example of a port that is usually free
_LOOK_SECONDS: Final = 0.1
_READY_SECONDS: Final = 120  # a cold start on a small, busy machine


class NotReady(Refusal):
    """The programs were started but are not answering."""


@dataclass(frozen=True)
class Screen:
    """What `up` prints: lines of progress, and a summary when everything is ready."""

    line: Callable[[str], None]
    ready: Callable[[run_lock.RunningServers, sample_practice.SignIn | None, Path], None]


class _DatabaseUrls(NamedTuple):
    """The database's URLs for each role. A server that we do not run has the URLs of the settings."""

    owner: str
    web: str
    worker: str


class Supervisor:
    """One run on one data folder."""

    def __init__(
        self, settings: Settings, *, with_sample: bool, screen: Screen, clock: Callable[[], dt.datetime]
    ) -> None:
        """Use the servers that have a URL in `settings`. Start the others."""
        self._settings = settings
        self._data_dir = settings.data_dir.absolute()
        self._with_sample = with_sample
        self._screen = screen
        self._clock = clock
        self._kept: list[SupervisedProgram] = []  # in the order they were started

    def run(self) -> None:
        """Start everything, keep it running until a signal, and stop it in order. Raise a `Refusal`."""
        if not self._data_dir.exists():
            self._refuse_taken_port()  # before a folder is created for nothing
        with StopSignals(self._screen.line) as signals, run_lock.lock_data_dir(self._data_dir), Guardian() as guardian:
            self._signals, self._guardian = signals, guardian
            with contextlib.suppress(StopRequested):
                self._bring_up()
                self._keep_up()

    def _bring_up(self) -> None:
        self._refuse_taken_port()
        self._logs = make_log_folder(self._data_dir)
        self._start_servers()
        self._complete_settings()
        database_url = self._urls.owner
        with connected_engine(database_url) as engine:
            migrate_database(database_url)
            self._signals.check()
            if self._with_sample:
                sample_practice.create_if_empty(engine, self._data_dir, now=self._clock(), say=self._screen.line)
            self._start_services()
            servers = self._where()
            run_lock.publish_servers(self._data_dir, servers)
            self._wait_until_ready(engine)
            sign_in = sample_practice.find_sign_in(engine, self._data_dir)
        self._screen.ready(servers, sign_in, self._data_dir)

    def _refuse_taken_port(self) -> None:
        cure = f'choose another: settle up --port {_EXAMPLE_PORT}, or make run ARGS="--port {_EXAMPLE_PORT}"'
        require_free_port(self._settings.web_host, self._settings.web_port, cure=cure)

    def _start_servers(self) -> None:
        """Start the database and the broker that have no URL."""
        urls: dict[str, SecretStr] = {}
        given = self._settings.database_url
        if given is None:
            log = self._log_of("database")
            postgres = Postgres(self._data_dir / "postgres", self._guardian, log=log, say=self._screen.line)
            self._keep("database", postgres.start, essential=True)
            self._urls = _DatabaseUrls(postgres.url, postgres.url_for(roles.WEB), postgres.url_for(roles.WORKER))
        else:
            owner = self._settings.owner_database_url or given
            self._urls = _DatabaseUrls(owner.get_secret_value(), *2 * (given.get_secret_value(),))
        if self._settings.broker_url is None:
            broker = Broker(self._data_dir / "broker", self._guardian, log=self._log_of("broker"))
            self._keep("broker", broker.start)
            urls["broker_url"] = SecretStr(broker.url)
        self._settings = self._settings.model_copy(update=urls)

    def _complete_settings(self) -> None:
        """Fill in secrets, a port for Flower, and that everything runs here."""
        settings = self._settings
        given = settings.model_fields_set
        password = load_or_create_secret(self._data_dir, "flower_password")
        self._settings = settings.model_copy(
            update={
                "data_dir": self._data_dir,
                "one_machine": True,
                "secret_key": settings.secret_key or SecretStr(load_or_create_secret(self._data_dir, "secret_key")),
                "flower_basic_auth": settings.flower_basic_auth or SecretStr(f"{_FLOWER_USER}:{password}"),
                # On one machine, a receiver on it is a usual way to try webhooks.
                "webhook_reach": settings.webhook_reach if "webhook_reach" in given else "loopback",
                "flower_port": free_port(settings.flower_host, settings.flower_port),
            }
        )

    def _start_services(self) -> None:
        settings = self._settings
        environment = self._environment(self._urls.worker)
        for queue in programs.QUEUES:
            self._keep_program(f"worker-{queue}", programs.worker(queue, settings), environment, stage=WORKERS)
        self._keep_program("beat", programs.beat(settings), environment)
        flower_environment = {**environment, **programs.flower_environment(settings)}
        self._keep_program("flower", programs.flower(settings), flower_environment)
        self._keep_program("web", programs.web(settings), self._environment(self._urls.web), essential=True)

    def _environment(self, database_url: str) -> dict[str, str]:
        """Return the environment of a process that connects to the database with this URL. It has no owner's URL."""
        update = {"database_url": SecretStr(database_url), "owner_database_url": None, "owner_database_password": None}
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("SETTLE_OWNER_")}
        return {**inherited, **_environment_of(self._settings.model_copy(update=update)), "PYTHONUNBUFFERED": "1"}

    def _keep_program(
        self, name: str, argv: list[str], env: Mapping[str, str], *, stage: int = FRONTS, essential: bool = False
    ) -> None:
        start = partial(self._guardian.start, argv, log=self._log_of(name), env=env, ending=StopPolicy(stage=stage))
        self._keep(name, start, essential=essential)

    def _keep(self, name: str, start: Callable[[], Child], *, essential: bool = False) -> None:
        kept = SupervisedProgram(name, start, self._log_of(name), self._screen.line, essential=essential)
        self._kept.append(kept)
        self._signals.check()
        kept.start()

    def _wait_until_ready(self, engine: Engine) -> None:
        """Wait until a worker on each queue has answered a test hint and the web answers.

        Without the broker, wait for each worker's heartbeat instead.
        """
        sessions = make_sessions(engine)
        started_at = self._clock()
        with transaction(sessions) as session:
            canaries = {queue: canary.insert_canary(session, now=started_at) for queue in programs.QUEUES}
        hinted = self._send_hints(canaries)
        for queue, canary_id in canaries.items():

            def is_ready(queue: str = queue, canary_id: int = canary_id) -> bool:
                with transaction(sessions) as session:
                    if hinted:
                        return canary.is_stamped(session, canary_id)
                    return heartbeat.worker_is_alive(session, queue, since=started_at)

            self._wait_for(f"worker-{queue}", is_ready)
        settings = self._settings
        self._wait_for("web", lambda: answers_http(settings.web_host, settings.web_port, "/healthz"))

    def _send_hints(self, canaries: Mapping[str, int]) -> bool:
        """Return whether the broker accepted the hints. Raise `NotReady` if our own broker did not."""
        words = [word for queue, canary_id in canaries.items() for word in (queue, str(canary_id))]
        argv = [sys.executable, "-m", "worker.canary", *words]
        environment = self._environment(self._urls.worker)
        hinter = self._guardian.start(argv, log=self._log_of("hint"), env=environment, ending=StopPolicy())
        self._wait_for("hint", lambda: not hinter.is_running())
        if hinter.process.returncode == 0:
            return True
        reason = f"See the log: {self._log_of('hint')}."
        if any(kept.name == "broker" for kept in self._kept):
            raise NotReady(f"A hint could not be sent to the broker. {reason}")
        without = "The broker at SETTLE_BROKER_URL does not accept hints. Jobs and schedules run without them."
        self._screen.line(f"{without} {reason}")
        return False

    def _wait_for(self, name: str, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + _READY_SECONDS
        while not condition():
            self._look()
            if time.monotonic() > until:
                log = self._log_of(name)
                raise NotReady(f"{name} did not answer within {_READY_SECONDS} seconds. Log: {log}")
            time.sleep(_LOOK_SECONDS)

    def _keep_up(self) -> None:
        while True:
            self._look()
            rotate_large_logs(self._logs)
            time.sleep(_LOOK_SECONDS)

    def _look(self) -> None:
        self._signals.check()
        self._guardian.look()
        for kept in self._kept:
            kept.look(time.monotonic())

    def _log_of(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _where(self) -> run_lock.RunningServers:
        settings = self._settings
        return run_lock.RunningServers(
            database_url=self._urls.owner,
            web_database_url=self._urls.web,
            worker_database_url=self._urls.worker,
            broker_url=_secret_value(settings.broker_url),
            web_url=f"http://{settings.web_host}:{settings.web_port}",
            flower_url=f"http://{settings.flower_host}:{settings.flower_port}",
        )


def _secret_value(secret: SecretStr | None) -> str:
    assert secret is not None, "set by _start_servers"
    return secret.get_secret_value()


def _environment_of(settings: Settings) -> dict[str, str]:
    """Return the settings as a child's environment."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {
        f"SETTLE_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }
