"""With exactly the broker users of `core/broker/users.acl`, hints arrive, jobs settle and Flower sees them."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from core.db.engine import make_engine
from core.local import programs
from core.local.broker import Broker
from core.local.guardian import StopPolicy
from core.settings import TASK_SWEEP, TASK_WORK, Settings
from tests.acceptance.compose_file import HOUSE
from tests.acceptance.own_broker import own_broker
from tests.acceptance.product import PATIENCE_SECONDS, Product
from tests.acceptance.test_flower import Flower, running_flower
from tests.acceptance.web import Api, Web, running_web
from tests.forks import ForkingGuardian
from tests.fronts import HOST, front
from tests.roles import as_worker
from tests.servers import Databases
from tests.waiting import eventually
from tests.workers import running_workers

PASSWORDS = {name: f"password-of-{name}" for name in ("settle-web", "settle-beat", "settle-worker", "settle-flower")}


def documented_rules() -> dict[str, list[str]]:
    """Return the rules of each user, as the file lists them."""
    lines = [line.split() for line in (HOUSE / "core" / "broker" / "users.acl").read_text().splitlines()]
    assert all(line[0] == "user" for line in lines)
    return {line[1]: line[2:] for line in lines}


def _text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


class Stack:
    """The product, with a broker user for each kind of process."""

    def __init__(self, product: Product, web: Web, flower: Flower, administrator: Redis) -> None:
        self.product, self.web, self.flower, self.administrator = product, web, flower, administrator

    def refused(self) -> set[tuple[str, str, str]]:
        """Return which command of which user the broker refused, and why."""
        log = [
            {str(_text(name)): _text(value) for name, value in entry.items()} for entry in self.administrator.acl_log()
        ]
        return {(str(entry["username"]), str(entry["reason"]), str(entry["object"])) for entry in log}


@pytest.fixture(scope="module")
def stack(servers: tuple[Databases, Broker], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("u")
    with ExitStack() as held:
        broker = held.enter_context(own_broker(folder / "b"))
        for name, rules in documented_rules().items():
            words = [f">{PASSWORDS[name]}" if rule == ">PASSWORD" else rule for rule in rules]
            broker.client.execute_command("ACL", "SETUSER", name, *words)
        port = held.enter_context(front(Path(broker.url.removeprefix("redis+socket://").partition("?")[0])))
        urls = {name: f"redis://{name}:{password}@{HOST}:{port}/0" for name, password in PASSWORDS.items()}
        database_url = held.enter_context(servers[0].fresh())
        workers = held.enter_context(
            running_workers(folder=folder, database_url=database_url, broker_url=urls["settle-worker"])
        )
        engine = make_engine(database_url)
        held.callback(engine.dispose)
        product = Product(engine, database_url, urls["settle-web"], workers, beats=False)
        (folder / "flower").mkdir()
        flower = held.enter_context(
            running_flower(replace(product, broker_url=urls["settle-flower"]), folder / "flower")
        )
        web = held.enter_context(running_web(product, folder=folder, CHUNK_CLAIMS="4"))
        guardian = held.enter_context(ForkingGuardian())
        environment = {
            **os.environ, "SETTLE_DATABASE_URL": as_worker(database_url), "SETTLE_BROKER_URL": urls["settle-beat"]
        }  # fmt: skip
        guardian.start(programs.beat(Settings()), log=folder / "beat.log", env=environment, ending=StopPolicy())
        yield Stack(product, web, flower, broker.client)


def test_a_job_is_hinted_settled_and_shown_and_no_command_is_refused(stack: Stack) -> None:
    eventually(lambda: len(stack.flower.tell("/api/workers?refresh=1")) >= 2, seconds=PATIENCE_SECONDS)
    practice = stack.product.practice(claims=12)
    api = Api.of_biller(stack.web, practice)
    job = api.preview().json["id"]
    assert api.confirm(job).status == 202

    def done() -> bool:
        return bool(api.get(f"/settle-jobs/{job}/progress").json["finished_at"])

    def seen(task: str) -> bool:
        return any(seen["state"] == "SUCCESS" for seen in stack.flower.tasks(taskname=task).values())

    eventually(done, seconds=PATIENCE_SECONDS)
    eventually(lambda: seen(TASK_WORK), seconds=PATIENCE_SECONDS)
    eventually(lambda: seen(TASK_SWEEP), seconds=PATIENCE_SECONDS)  # only beat sends it through the broker
    for page in ("/workers", "/broker", "/api/queues/length"):
        assert stack.flower.ask(page)[0] == 200
    assert stack.web.ask("GET", "/readyz").json["degraded"] == []
    assert practice.violations() == []
    stack.product.workers.stop()
    assert stack.refused() == set()


def test_no_broker_user_has_more_rights_than_its_process_needs(stack: Stack) -> None:
    url_of_flower = stack.product.broker_url.replace("settle-web", "settle-flower")
    everything = [("FLUSHALL",), ("KEYS", "*"), ("GET", "another"), ("CONFIG", "GET", "*"), ("ACL", "LIST")]
    refused = {
        stack.product.broker_url: [*everything, ("BRPOP", "settle:settle", "1")],
        url_of_flower: [*everything, ("LPUSH", "settle:settle", "x"), ("BRPOP", "settle:control", "1")],
    }
    for url, commands in refused.items():
        with Redis.from_url(url) as client:
            for words in commands:
                with pytest.raises(ResponseError, match=r"no permissions|permissions to access|no access"):
                    client.execute_command(*words)
