"""Two practices with the same claim ids, people of each role, and a client that sends a token."""

import datetime as dt
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from flask_openapi3.openapi import OpenAPI
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from core.access import tokens, users
from core.db.engine import make_sessions
from core.intake.sample.make_sample import make_sample
from core.jobs.execution import engine as jobs_engine
from core.models.people import Role
from core.settings import Settings
from tests.servers import Databases
from tests.shared_app import application, engine_on

NOON = dt.datetime(2025, 3, 3, 17, 0, tzinfo=dt.UTC)
CLAIMS = 300

_keys = itertools.count(1)


class Clock:
    """The application's time: it stands still, but for what a test turns it on."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> dt.datetime:
        return self.at

    def turn_on(self, **by: float) -> None:
        self.at += dt.timedelta(**by)


@dataclass
class SentHints:
    """Instead of a broker: what would have been sent."""

    sent: list[tuple[int, int, int]] = field(default_factory=list)
    prepared: list[tuple[int, int]] = field(default_factory=list)

    def send(self, practice_id: int, job_id: int, count: int = 1) -> None:
        self.sent.append((practice_id, job_id, count))

    def prepare(self, practice_id: int, job_id: int) -> None:
        self.prepared.append((practice_id, job_id))


NOTE = "Costs more to collect than it brings"
COST_SHARE_REASON = "Hardship, looked into one by one"  # the sample has Medicare and Medicaid patients


@dataclass
class Api:
    """The API as one person's program calls it."""

    client: FlaskClient
    token: str
    practice_id: int

    def get(self, path: str, **given: Any) -> TestResponse:
        return self.ask("GET", path, **given)

    def post(self, path: str, **given: Any) -> TestResponse:
        return self.ask("POST", path, **given)

    def put(self, path: str, **given: Any) -> TestResponse:
        return self.ask("PUT", path, **given)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **given: Any) -> TestResponse:
        all_headers = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return self.client.open(f"/api/v1{path}", method=method, headers=all_headers, **given)

    def preview(self, selection: Any = None, key: str | None = None, **other: Any) -> TestResponse:
        """Ask for a job on `selection` (every claim without one), with a key of its own."""
        body = {"selection": selection or {"all": True}, "reason": "small_balance", "note": NOTE, **other}
        return self.post("/settle-jobs", json=body, headers={"Idempotency-Key": key or f"test-{next(_keys)}"})

    def previewed(self, selection: Any = None, **other: Any) -> str:
        """The id of a new job."""
        answer = self.preview(selection, **other)
        assert answer.status_code == 201, answer.json
        return str(answer.json["id"])

    def confirm(self, job_id: str, confirmation: Any = "CONFIRM") -> TestResponse:
        body = {"confirmation": confirmation, "cost_share_reason": COST_SHARE_REASON}
        return self.post(f"/settle-jobs/{job_id}/confirm", json=body)

    def settled(self, world: "World", selection: Any = None, **other: Any) -> str:
        """The id of a job that was confirmed and has run to its end."""
        job_id = self.previewed(selection, **other)
        assert self.confirm(job_id).status_code == 202
        world.work()
        return job_id

    def enter(self, claim_id: str, key: str | None = None, **entry: Any) -> TestResponse:
        """Post an entry on a claim, with a key of its own."""
        headers = {"Idempotency-Key": key or f"test-{next(_keys)}"}
        return self.post(f"/claims/{quote(claim_id, safe='')}/postings", json=entry, headers=headers)

    def reverse(self, job_id: str, claim_ids: Any = None, key: str | None = None, **other: Any) -> TestResponse:
        """Ask for a reversal of a job, with a key of its own."""
        headers = {"Idempotency-Key": key or f"test-{next(_keys)}"}
        return self.post(f"/settle-jobs/{job_id}/reverse", json={"claim_ids": claim_ids, **other}, headers=headers)

    def claim_ids(self, limit: int = 5, **query: Any) -> list[str]:
        """The numbers of some claims."""
        return [claim["id"] for claim in self.get("/claims", query_string={"limit": limit, **query}).json["claims"]]


@dataclass
class World:
    """Two practices, Hill and Vale, of the same seed and so with the same claim ids; and the application on them."""

    app: OpenAPI
    engine: Engine
    clock: Clock
    hints: SentHints
    hill: int
    vale: int

    def api(self, role: Role, practice_id: int | None = None) -> Api:
        """The API for a new person of a role, of Hill unless told."""
        sessions = make_sessions(self.engine)
        with sessions.begin() as session:
            user = users.add_user(
                session,
                practice_id=practice_id or self.hill,
                email=f"{role}.{next(_keys)}@example.org",
                name=f"The {role}",
                role=role,
                password=users.make_password(),
                now=NOON,
            )
            return Api(self.app.test_client(), tokens.add_token(session, user, NOON), user.practice_id)

    def work(self) -> None:
        """Do what workers would do, until nothing is left."""
        while jobs_engine.work(make_sessions(self.engine), worker="test", clock=self.clock).more_to_do:
            self.clock.turn_on(milliseconds=1)

    def sql(self, statement: str, **values: Any) -> Any:
        """Run a statement and commit it."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else None


@contextmanager
def new_world(database_url: str, name: str = "of one test") -> Iterator[World]:
    """Make both practices in an empty database, and the application with hints that go nowhere."""
    engine, clock, hints = engine_on(database_url), Clock(), SentHints()
    hill = make_sample(engine, practice_name="Hill", claims=CLAIMS, seed=1, now=NOON)
    vale = make_sample(engine, practice_name="Vale", claims=CLAIMS, seed=1, now=NOON)
    settings = Settings.model_validate({"database_url": database_url, "chunk_claims": 100})
    app = application(engine, clock, settings=settings, hints_=hints, name=name)
    yield World(app, engine, clock, hints, hill, vale)
    engine.dispose()


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A world of this test alone."""
    with new_world(database_url) as world:
        yield world


@pytest.fixture(scope="module")
def still_world(databases: Databases) -> Iterator[World]:
    """A world for tests that only read."""
    with databases.fresh() as url, new_world(url, "of all who read") as world:
        yield world


@pytest.fixture
def biller(world: World) -> Api:
    """A biller of Hill."""
    return world.api(Role.BILLER)


@pytest.fixture
def stranger(world: World) -> Api:
    """The administrator of the other practice."""
    return world.api(Role.ADMIN, world.vale)


@pytest.fixture(scope="module")
def reader(still_world: World) -> Api:
    """A biller who only reads."""
    return still_world.api(Role.BILLER)
