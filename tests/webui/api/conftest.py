"""Two practices with the same claim ids, users of each role, and a client that sends a token."""

import datetime as dt
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text, update
from werkzeug.test import TestResponse

from core.access import passwords, tokens, users
from core.db.engine import make_sessions
from core.enums.people import Role
from core.intake.sample.make_sample import make_sample
from core.jobs.execution.engine import work
from core.models.practices import Practice
from core.money import CENTS_MAX
from core.settings import Settings
from tests.servers import Databases
from tests.shared_app import application, engine_on

NOON = dt.datetime(2025, 3, 3, 17, 0, tzinfo=dt.UTC)
CLAIMS = 300

_keys = itertools.count(1)


class Clock:
    """The application's time. It stands still unless a test advances it."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> dt.datetime:
        return self.at

    def turn_on(self, **by: float) -> None:
        self.at += dt.timedelta(**by)


@dataclass
class SentHints:
    """A substitute for the broker that keeps the hints that would have been sent."""

    sent: list[tuple[int, int, int]] = field(default_factory=list)
    prepared: list[tuple[int, int]] = field(default_factory=list)

    def send(self, practice_id: int, job_id: int, count: int = 1) -> None:
        self.sent.append((practice_id, job_id, count))

    def prepare(self, practice_id: int, job_id: int) -> None:
        self.prepared.append((practice_id, job_id))

    def import_files(self, practice_id: int, import_id: int) -> None:
        """Workers of these tests look for imports themselves."""


NOTE = "Costs more to collect than it is worth"
COST_SHARE_REASON = "Hardship, checked case by case"  # because the sample has Medicare and Medicaid patients


@dataclass
class Api:
    """The API as a user's program calls it."""

    client: FlaskClient
    token: str
    practice_id: int

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.send("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.send("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        return self.send("PUT", path, **options)

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> TestResponse:
        all_headers = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return self.client.open(f"/api/v1{path}", method=method, headers=all_headers, **options)

    def preview(self, selection: Any = None, key: str | None = None, **other: Any) -> TestResponse:
        """Request a job on `selection` (by default every claim), with its own idempotency key."""
        body = {"selection": selection or {"all": True}, "reason": "small_balance", "note": NOTE, **other}
        return self.post("/settle-jobs", json=body, headers={"Idempotency-Key": key or f"test-{next(_keys)}"})

    def previewed(self, selection: Any = None, **other: Any) -> str:
        """Preview a job and return its id."""
        answer = self.preview(selection, **other)
        assert answer.status_code == 201, answer.json
        return str(answer.json["id"])

    def confirm(self, job_id: str, confirmation: Any = "CONFIRM") -> TestResponse:
        body = {"confirmation": confirmation, "cost_share_reason": COST_SHARE_REASON}
        return self.post(f"/settle-jobs/{job_id}/confirm", json=body)

    def settled(self, world: "World", selection: Any = None, **other: Any) -> str:
        """Preview and confirm a job, run it to its end, and return its id."""
        job_id = self.previewed(selection, **other)
        assert self.confirm(job_id).status_code == 202
        world.work()
        return job_id

    def enter(self, claim_id: str, key: str | None = None, **entry: Any) -> TestResponse:
        """Post an entry to a claim, with its own idempotency key."""
        headers = {"Idempotency-Key": key or f"test-{next(_keys)}"}
        return self.post(f"/claims/{quote(claim_id, safe='')}/postings", json=entry, headers=headers)

    def reverse(self, job_id: str, claim_ids: Any = None, key: str | None = None, **other: Any) -> TestResponse:
        """Request a reversal of a job, with its own idempotency key."""
        headers = {"Idempotency-Key": key or f"test-{next(_keys)}"}
        asked = {"claim_ids": claim_ids, "note": "Wrong list", **other}
        return self.post(f"/settle-jobs/{job_id}/reverse", json=asked, headers=headers)

    def claim_ids(self, limit: int = 5, **query: Any) -> list[str]:
        """Return the numbers of the first claims that match the query."""
        return [claim["id"] for claim in self.get("/claims", query_string={"limit": limit, **query}).json["claims"]]


@dataclass
class World:
    """The application with two practices, Hill and Vale, whose claim ids are the same because their seed is."""

    app: Flask
    engine: Engine
    clock: Clock
    hints: SentHints
    hill: int
    vale: int

    def api(self, role: Role, practice_id: int | None = None) -> Api:
        """Return the API of a new user with this role, in Hill by default."""
        sessions = make_sessions(self.engine)
        with sessions.begin() as session:
            user = users.add_user(
                session,
                practice_id=practice_id or self.hill,
                email=f"{role}.{next(_keys)}@example.org",
                name=f"The {role}",
                role=role,
                password=passwords.generate_password(),
                now=NOON,
            )
            return Api(self.app.test_client(), tokens.add_token(session, user, NOON), user.practice_id)

    def work(self) -> None:
        """Do what workers would do, until no work is left."""
        while work(make_sessions(self.engine), worker="test", clock=self.clock).more_to_do:
            self.clock.turn_on(milliseconds=1)

    def sql(self, statement: str, **values: Any) -> Any:
        """Run a statement, commit it, and return its rows, if any."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else None


@dataclass(frozen=True)
class Samples:
    """A database with both practices, which each test copies."""

    url: str
    hill: int
    vale: int

    @contextmanager
    def world(self, database_url: str, name: str = "of one test") -> Iterator[World]:
        """Yield both practices in a copy, and the application with hints that are only recorded."""
        engine, clock, hints = engine_on(database_url), Clock(), SentHints()
        settings = Settings.model_validate({"database_url": database_url, "chunk_claims": 100})
        app = application(engine, clock, settings=settings, hints_=hints, name=name)
        yield World(app, engine, clock, hints, self.hill, self.vale)
        engine.dispose()


@pytest.fixture(scope="session")
def samples(databases: Databases) -> Iterator[Samples]:
    """Both practices, created once in this process."""
    with databases.fresh() as url:
        engine = engine_on(url)
        hill, vale = (
            make_sample(engine, practice_name=name, claims=CLAIMS, seed=1, now=NOON) for name in ("Hill", "Vale")
        )
        with engine.begin() as connection:  # most tests are not about this limit
            connection.execute(update(Practice).values(small_balance_max_cents=CENTS_MAX))
        engine.dispose()
        yield Samples(url, hill, vale)


@pytest.fixture
def database_url(databases: Databases, samples: Samples) -> Iterator[str]:
    """The URL of a copy of both practices for this test alone."""
    with databases.copied(samples.url) as url:
        yield url


@pytest.fixture
def world(database_url: str, samples: Samples) -> Iterator[World]:
    """The two practices of this test alone."""
    with samples.world(database_url) as world:
        yield world


@pytest.fixture(scope="module")
def shared_world(databases: Databases, samples: Samples) -> Iterator[World]:
    """The two practices shared by all tests of a module that only read."""
    with databases.copied(samples.url) as url, samples.world(url, "of a module") as world:
        yield world


@pytest.fixture
def biller(world: World) -> Api:
    """A biller of Hill."""
    return world.api(Role.BILLER)


@pytest.fixture
def stranger(world: World) -> Api:
    """An administrator of Vale, the other practice."""
    return world.api(Role.ADMIN, world.vale)


@pytest.fixture(scope="module")
def reader(shared_world: World) -> Api:
    """A biller of Hill in the shared practices."""
    return shared_world.api(Role.BILLER)
