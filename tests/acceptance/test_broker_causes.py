"""/readyz and each process's log report why the broker cannot be used, and never with a name."""

import datetime as dt
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.broker import causes
from core.db.engine import Sessions
from core.local import programs
from core.local.connectivity import free_port
from core.local.guardian import StopPolicy
from core.settings import QUEUE_SETTLE, Settings
from tests.acceptance.own_broker import own_broker
from tests.acceptance.product import PATIENCE_SECONDS
from tests.forks import ForkingGuardian
from tests.fronts import HOST, Authority, front, plain, tls
from tests.roles import as_web, as_worker
from tests.waiting import eventually
from tests.webui.operations.test_health import hear_a_worker
from webui.app import create_app

USER, PASSWORD = "biller-of-hints", "a-right-password"
BY_CODE = {cause.code: cause for cause in causes.CAUSES}


@dataclass(frozen=True)
class Server:
    """A broker that requires passwords, at a plain address and at one with TLS."""

    port: int
    tls_port: int
    authority: Authority
    other_ca: Path

    def url(self, given: dict[str, str]) -> str:
        """Return an address of it in Celery's form. `given` are its parts and options."""
        where = {"user": USER, "password": PASSWORD, "scheme": "redis", "host": HOST, **given}
        user, password, scheme, host = (where.pop(name) for name in ("user", "password", "scheme", "host"))
        port = where.pop("port", str(self.tls_port if scheme == "rediss" else self.port))
        port = str(self.tls_port) if port == "tls" else port
        cas = {"one": str(self.authority.ca_file), "other": str(self.other_ca)}
        options = "&".join(f"{name}={cas.get(value, value)}" for name, value in where.items())
        return f"{scheme}://{user}:{password}@{host}:{port}/0?{options}".rstrip("?")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("b")
    with ExitStack() as stack:
        broker = stack.enter_context(own_broker(folder / "broker"))
        broker.client.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all", "-info")
        broker.client.execute_command("ACL", "SETUSER", "small", "on", f">{PASSWORD}", "~*", "&*", "+get")
        broker.client.execute_command("ACL", "SETUSER", "default", "off")
        authority, other = Authority.make(folder / "one"), Authority.make(folder / "other")
        path = Path(broker.url.removeprefix("redis+socket://").partition("?")[0])
        ports = (stack.enter_context(front(path, greet)) for greet in (plain, tls(authority)))
        yield Server(*ports, authority, other.ca_file)


CERTIFICATE = {"scheme": "rediss", "host": "localhost", "ssl_cert_reqs": "required"}
CASES = [
    ("wrong_password", {"password": "wrong"}),
    ("wrong_password", {"user": "no-such-user"}),
    ("not_permitted", {"user": "small"}),
    ("refused", {"port": "1"}),
    ("unknown_host", {"host": "redis.invalid"}),
    ("missing_ca", {**CERTIFICATE, "ssl_ca_certs": "/nowhere/ca.pem"}),
    ("untrusted_certificate", {**CERTIFICATE, "ssl_ca_certs": "other"}),
    ("wrong_host_name", {**CERTIFICATE, "host": HOST, "ssl_ca_certs": "one"}),
    ("connection_lost", {"port": "tls"}),  # the server requires TLS and gives no reason
]


@pytest.mark.parametrize(("code", "given"), CASES)
def test_each_cause_of_a_broker_failure_is_reported(
    server: Server, database_url: str, sessions: Sessions, code: str, given: dict[str, str]
) -> None:
    hear_a_worker(sessions, at=dt.datetime.now(dt.UTC))

    reported = _degraded(database_url, server.url(given))

    assert list(reported) == ["broker"]
    assert reported["broker"].startswith(BY_CODE[code].sentence)
    assert not [name for name in (USER, PASSWORD, HOST, "localhost") if name in reported["broker"]]


@pytest.mark.parametrize("given", [{}, {**CERTIFICATE, "ssl_ca_certs": "one"}])
def test_a_working_broker_with_minimal_rights_raises_no_alarm(
    server: Server, database_url: str, sessions: Sessions, given: dict[str, str]
) -> None:
    hear_a_worker(sessions, at=dt.datetime.now(dt.UTC))

    assert _degraded(database_url, server.url(given)) == {}, "the broker refuses INFO to this user"


def _degraded(database_url: str, broker_url: str) -> dict[str, str]:
    app = create_app(Settings.model_validate({"database_url": as_web(database_url), "broker_url": broker_url}))
    try:
        ready = app.test_client().get("/readyz")
    finally:
        app.extensions["settle"].engine.dispose()
    assert ready.status_code == 200
    reasons: dict[str, str] = ready.json["reasons"]
    return reasons


@pytest.mark.parametrize(
    ("code", "given"), [CASES[0], CASES[2], CASES[3], CASES[7]], ids=lambda value: value if type(value) is str else ""
)
def test_each_process_logs_the_cause_without_a_name(
    server: Server, database_url: str, code: str, given: dict[str, str], tmp_path: Path
) -> None:
    url = server.url(given)
    settings = Settings.model_validate(
        {"broker_url": url, "flower_port": free_port(HOST, 0), "flower_basic_auth": "a:b"}
    )
    urls = {"SETTLE_DATABASE_URL": as_worker(database_url), "SETTLE_BROKER_URL": url}
    environment = {**os.environ, **urls, **programs.flower_environment(settings), "HOME": str(tmp_path)}
    started = {
        "worker": programs.worker(QUEUE_SETTLE, settings), "beat": programs.beat(settings),
        "flower": programs.flower(settings),
    }  # fmt: skip
    with ForkingGuardian() as guardian:
        logs = {name: tmp_path / f"{name}.log" for name in started}
        for name, argv in started.items():
            guardian.start(argv, log=logs[name], env=environment, ending=StopPolicy(grace_seconds=1))
        for log in logs.values():
            eventually(lambda log=log: code in _causes(log), seconds=PATIENCE_SECONDS)

    for name, log in logs.items():
        logged = log.read_text()
        assert BY_CODE[code].sentence in logged.replace('\\"', '"')
        assert not [word for word in (USER, PASSWORD, "user small") if word.lower() in logged.lower()], name


def _causes(log: Path) -> set[str]:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return {line["cause"] for line in lines if "cause" in line}
