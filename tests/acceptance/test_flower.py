"""Flower shows workers and hints to operations. It permits no changes, and it shows no patient data."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import insert

from core.db.engine import transaction
from core.jobs.keys import JobKey
from core.local import programs
from core.local.connectivity import answers_http, free_port
from core.local.guardian import StopPolicy
from core.models.practices import Patient
from core.settings import TASK_SWEEP, TASK_WORK, Settings
from tests.acceptance.product import PATIENCE_SECONDS, Product
from tests.factories import GivenPractice, Line
from tests.forks import ForkingGuardian
from tests.http_client import HOST, ask, basic
from tests.roles import as_worker
from tests.waiting import eventually
from webui.operations import flower_links

USER, PASSWORD = "ops", "a-password-of-this-test"
HER = ("Quillfeather", "Zephyrine", "1931-02-17", "cousin of the mayor")
PAGES = ["/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks", "/api/task/types", "/api/queues/length",
         "/metrics"]  # fmt: skip
ACTIONS = [
    "/api/worker/shutdown/{worker}", "/api/worker/pool/restart/{worker}", "/api/worker/pool/grow/{worker}?n=1",
    "/api/worker/pool/shrink/{worker}?n=1", "/api/worker/pool/autoscale/{worker}?min=1&max=9",
    "/api/worker/queue/add-consumer/{worker}?queue=other", "/api/worker/queue/cancel-consumer/{worker}?queue=settle",
    "/api/task/async-apply/settle.sweep", "/api/task/apply/settle.sweep", "/api/task/send-task/settle.sweep",
    "/api/task/revoke/{task}?terminate=true", "/api/task/abort/{task}", "/api/task/timeout/settle.work?soft=1",
    "/api/task/rate-limit/settle.work?ratelimit=1",
]  # fmt: skip


@dataclass(frozen=True)
class Flower:
    """A running Flower, and the folder in which it would keep its data."""

    port: int
    folder: Path
    log: Path

    def ask(self, path: str, *, method: str = "GET", password: str | None = PASSWORD, **more: str) -> tuple[int, str]:
        headers = {**(basic(USER, password) if password else {}), **more}
        answer = ask(self.port, method, path, body={} if method == "POST" else None, headers=headers)
        return answer.status, answer.text

    def tell(self, path: str) -> Any:
        status, text = self.ask(path)
        assert status == 200, text
        return json.loads(text)

    def tasks(self, **query: str) -> dict[str, dict[str, Any]]:
        asked = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        found: dict[str, dict[str, Any]] = self.tell(f"/api/tasks?{asked}")
        return found


@contextmanager
def running_flower(product: Product, folder: Path) -> Iterator[Flower]:
    """Start Flower as `settle flower` starts it. At the end, none of its processes is left."""
    auth = f"{USER}:{PASSWORD}"
    given = {"broker_url": product.broker_url, "flower_port": free_port(HOST, 0), "flower_basic_auth": auth}
    settings = Settings.model_validate(given)
    urls = {"SETTLE_DATABASE_URL": as_worker(product.database_url), "SETTLE_BROKER_URL": product.broker_url}
    environment = {**os.environ, **urls, **programs.flower_environment(settings), "HOME": str(folder)}
    started = Flower(settings.flower_port, folder, folder / "flower.log")
    with ForkingGuardian() as guardian:
        guardian.start(programs.flower(settings), log=started.log, env=environment, ending=StopPolicy())
        eventually(lambda: answers_http(HOST, started.port, "/healthcheck"), seconds=PATIENCE_SECONDS)
        yield started


@pytest.fixture(scope="module")
def flower(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    """Yield Flower, in its own folder."""
    with running_flower(product, tmp_path_factory.mktemp("flower")) as started:
        yield started


@pytest.fixture(scope="module")
def job(product: Product, flower: Flower) -> tuple[GivenPractice, JobKey]:
    """Return a job of a patient whose name appears nowhere else, hinted while Flower listens."""
    eventually(lambda: len(flower.tell("/api/workers?refresh=1")) >= 2, seconds=PATIENCE_SECONDS)
    practice = product.practice()
    with transaction(product.sessions) as session:
        her = insert(Patient).values(
            practice_id=practice.id, external_id="P-7", name="Quillfeather, Zephyrine", birth_date="1931-02-17"
        )
        practice.ids["Patient"] = session.scalars(her.returning(Patient.id)).one()
    for number in range(12):
        practice.claim(f"her-{number}", Line(0, 7_319_283))
    lines = product.hold("SELECT 1 FROM line_item WHERE practice_id = :practice FOR UPDATE", practice=practice.id)
    with lines as hold:
        job = product.confirm(practice, chunk_claims=4)
        hold.wait_for_a_worker()
        product.hint(job, times=3)
        _is_seen_at_work(flower, product, job)
    product.assert_all_settled(practice, job)
    return practice, job


def _is_seen_at_work(flower: Flower, product: Product, job: JobKey) -> None:
    """Assert that Flower shows the worker in the middle of a chunk, and the hint that it works on."""
    both = {"settle", "control"}  # a late heartbeat shows a worker as offline until the next one
    eventually(
        lambda: {name.partition("@")[0] for name in flower.tell("/api/workers?status=1")} == both,
        seconds=PATIENCE_SECONDS,
    )

    def workers_on_it() -> set[str]:
        tasks = flower.tasks(state="STARTED", taskname=TASK_WORK).values()
        of_job = f"({job.practice_id}, {job.job_id})"
        return {task["worker"].partition("@")[0] for task in tasks if task["args"] == of_job}

    assert eventually(workers_on_it, seconds=PATIENCE_SECONDS) == {"settle"}


def test_flower_shows_workers_with_their_queues_and_tasks(flower: Flower, job: tuple[GivenPractice, JobKey]) -> None:
    workers = flower.tell("/api/workers?refresh=1")

    taken = {
        name.partition("@")[0]: [queue["name"] for queue in shown["active_queues"]] for name, shown in workers.items()
    }
    assert taken == {"settle": ["settle"], "control": ["control"]}
    registered = {task for shown in workers.values() for task in shown["registered"]}
    assert {TASK_WORK, TASK_SWEEP, "settle.tick"} <= registered


def test_a_jobs_hints_are_found_by_its_id_and_contain_only_ids(
    flower: Flower, job: tuple[GivenPractice, JobKey]
) -> None:
    _, key = job
    link = flower_links.job_hints_url(Settings(web_host=HOST, flower_host=HOST, flower_port=flower.port), *key)
    assert link is not None
    page = urlsplit(link)
    assert flower.ask(f"{page.path}?{page.query}")[0] == 200

    # The search that Flower's page runs when this link opens it.
    def found() -> list[dict[str, Any]]:
        search = f'name:{TASK_WORK} args:"({key.practice_id}, {key.job_id})"'
        query = f"draw=1&start=0&length=50&search[value]={quote(search)}&order[0][column]=0&order[0][dir]=asc"
        return list(flower.tell(f"/tasks/datatable?{query}&columns[0][data]=name")["data"])

    eventually(lambda: len(found()) >= 3, seconds=PATIENCE_SECONDS)
    assert {task["name"] for task in found()} == {TASK_WORK}
    assert {task["args"] for task in found()} == {f"({key.practice_id}, {key.job_id})"}
    assert {task["kwargs"] for task in found()} == {"{}"}


def test_no_page_or_log_of_flower_contains_patient_data(flower: Flower, job: tuple[GivenPractice, JobKey]) -> None:
    tasks = flower.tasks(limit="500")
    workers = flower.tell("/api/workers?refresh=1")
    paths = [*PAGES, *(f"/task/{task}" for task in tasks), *(f"/api/task/info/{task}" for task in tasks)]
    paths += [f"/worker/{name}" for name in workers]
    assert tasks
    assert workers

    for path in paths:
        status, text = flower.ask(path)
        assert status == 200, path
        assert [word for word in HER if word in text] == [], path
    assert [word for word in HER if word in flower.log.read_text()] == []


def test_flower_requires_the_password(flower: Flower) -> None:
    for path in PAGES:
        assert flower.ask(path, password=None)[0] == 401, path
        assert flower.ask(path, password="a-guess")[0] == 401, path


def test_flower_logs_in_our_format_without_the_query(flower: Flower) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert flower.ask("/api/task/apply/settle.sweep?name=Quillfeather", method="POST", **elsewhere)[0] == 403

    def refused() -> list[Any]:
        return [line for line in map(json.loads, flower.log.read_text().splitlines()) if "refused" in line["event"]]

    eventually(refused, seconds=PATIENCE_SECONDS)
    assert refused()[-1]["event"] == "flower_refused 403"
    assert "Quillfeather" not in flower.log.read_text()


def test_flower_permits_no_changes(flower: Flower, product: Product, job: tuple[GivenPractice, JobKey]) -> None:
    worker = next(iter(flower.tell("/api/workers?refresh=1")))
    task = next(iter(flower.tasks(limit="1")))

    for action in ACTIONS:
        status, _ = flower.ask(action.format(worker=worker, task=task), method="POST")
        assert status == 403, action

    assert product.workers.settle.is_running()
    assert product.workers.control.is_running()


def test_flower_writes_nothing_to_disk(flower: Flower, job: tuple[GivenPractice, JobKey]) -> None:
    assert {path.name for path in flower.folder.iterdir()} == {"flower.log"}


def test_flower_asks_for_the_broker_again_within_seconds_however_long_it_was_away() -> None:
    program = "import worker.flower, time; from flower import events; time.sleep = print; events.time.sleep(2**12)"
    env = {**os.environ, "SETTLE_DATABASE_URL": "postgresql://x@x/x", "SETTLE_BROKER_URL": "redis://x:1"}
    said = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)

    assert said.stdout == "10\n"
