"""A real web process, and the API as a practice's program calls it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from core.access import tokens
from core.access.permissions import Actor
from core.db.engine import transaction
from core.local import programs
from core.local.connectivity import answers_http, free_port
from core.local.guardian import Child, Guardian, StopPolicy
from core.models.people import User
from core.settings import Settings
from tests.acceptance.product import PATIENCE_SECONDS, Product, utc_now
from tests.factories import GivenPractice
from tests.forks import ForkingGuardian
from tests.http_client import HOST, Answer, ask
from tests.roles import as_web
from tests.waiting import eventually


class Web:
    """A web process (gunicorn, with its workers) on the product's database and broker."""

    def __init__(self, guardian: Guardian, product: Product, *, folder: Path, **variables: str) -> None:
        """Keep the arguments for `start`. `variables` are more SETTLE_… settings."""
        self.log = folder / "web.log"
        self._guardian = guardian
        given = {
            "DATABASE_URL": as_web(product.database_url), "BROKER_URL": product.broker_url, "DATA_DIR": str(folder),
            "WEB_PORT": str(free_port(HOST, 0)), **variables,
        }  # fmt: skip
        self._settings = Settings.model_validate({name.lower(): value for name, value in given.items()})
        self._environment = {**os.environ, **{f"SETTLE_{name}": value for name, value in given.items()}}
        self._child: Child | None = None

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        return self._settings.web_port

    @property
    def pid(self) -> int:
        """Return the id of its first process."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        argv = programs.web(self._settings)
        self._child = self._guardian.start(argv, log=self.log, env=self._environment, ending=StopPolicy())
        eventually(lambda: answers_http(HOST, self.port, "/healthz") or self._died(), seconds=PATIENCE_SECONDS)

    def _died(self) -> bool:
        assert self._child is not None
        assert self._child.is_running(), self.log_text()[-2_000:]
        return False

    def kill(self) -> None:
        """Send SIGKILL to all its processes."""
        if self._child is not None:
            self._child.kill()

    def request_stop(self) -> None:
        """Send SIGTERM, as a supervisor or a stopping container does."""
        assert self._child is not None
        self._child.request_stop()

    def is_running(self) -> bool:
        """Return True if it has not ended."""
        return self._child is not None and self._child.is_running()

    def log_text(self) -> str:
        """Return its log."""
        return self.log.read_text(errors="replace")

    def ask(self, method: str, path: str, **how: Any) -> Answer:
        """Send one request, with what `http_client.ask` takes."""
        return ask(self.port, method, path, **how)


@dataclass(frozen=True)
class Api:
    """The API with one user's token."""

    web: Web
    token: str

    @classmethod
    def of_biller(cls, web: Web, practice: GivenPractice) -> "Api":
        """Return the API with a new token of the practice's biller."""
        return cls.of(web, practice, practice.biller)

    @classmethod
    def of(cls, web: Web, practice: GivenPractice, actor: Actor) -> "Api":
        """Return the API with a new token of `actor`."""
        with transaction(practice.sessions) as session:
            user = session.get_one(User, actor.user_id)
            return cls(web, tokens.add_token(session, user, utc_now()))

    def get(self, path: str, *, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        """GET below /api/v1."""
        asked = f"{path}?{urlencode(query, doseq=True)}" if query else path
        return self._ask("GET", asked, None, headers)

    def post(self, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Answer:
        """POST below /api/v1."""
        return self._ask("POST", path, body, headers)

    def preview(self, selection: Any = None, *, key: str = "key", **other: Any) -> Answer:
        """Request a job on `selection`, by default on every claim."""
        body = {"selection": selection or {"all": True}, "reason": "small_balance", **other}
        return self.post("/settle-jobs", body, headers={"Idempotency-Key": key})

    def confirm(self, job_id: str) -> Answer:
        """Confirm a job with the word CONFIRM."""
        return self.post(f"/settle-jobs/{job_id}/confirm", {"confirmation": "CONFIRM", "cost_share_reason": "Hardship"})

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str] | None) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return self.web.ask(method, f"/api/v1{path}", body=body, headers=sent)


@contextmanager
def running_web(product: Product, *, folder: Path, **variables: str) -> Iterator[Web]:
    """Start a web process. At the end, none of its processes is left."""
    with ForkingGuardian() as guardian:
        web = Web(guardian, product, folder=folder, **variables)
        try:
            web.start()
            yield web
        finally:
            web.kill()
