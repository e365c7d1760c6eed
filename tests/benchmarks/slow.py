"""Pages and progress with fifty slow clients of each kind connected. Their p95 is compared with an idle server's."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from core.access import tokens, user_sessions
from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.people import Role
from core.jobs.keys import JobKey
from core.models.people import User
from tests.acceptance.product import PATIENCE_SECONDS, Product, running_product
from tests.acceptance.slow_clients import DOWNLOADS, HALVES, Caller, holding
from tests.acceptance.web import Web, running_web
from tests.benchmarks import runs
from tests.benchmarks.claims import make_practice
from tests.benchmarks.measure import Row, Watch, ms, timed
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes
from tests.http_client import HOST
from tests.waiting import eventually
from webui.shared.auth import SESSION_COOKIE

CLIENTS: Final = 50
CLAIMS_MAX: Final = 20_000
TIMES: Final = 60
RATIO_MAX: Final = 2.0


@dataclass(frozen=True)
class _Scene:
    """A web process with a finished job, and a user who reads it."""

    web: Web
    caller: Caller
    job: JobKey

    def page(self) -> Watch:
        """Measure the feed's first page."""
        return timed(partial(self._read, "/claims", {"Cookie": f"{SESSION_COOKIE}={self.caller.session}"}), times=TIMES)

    def progress(self) -> Watch:
        """Measure a job's progress, as a page or a program polls it."""
        path = f"/api/v1/settle-jobs/{self.job.job_id}/progress"
        return timed(partial(self._read, path, {"Authorization": f"Bearer {self.caller.token}"}), times=TIMES)

    def _read(self, path: str, headers: dict[str, str]) -> None:
        assert self.web.ask("GET", path, headers=headers).status == 200

    @contextmanager
    def beside(self, kind: str, *, made: bool) -> Iterator[None]:
        """Connect the clients of a kind. With `made`, wait until each has received the start of its file."""
        sent = self._request(kind)
        drips = self.caller.get("/claims") if kind == "a byte at a time" else b""
        with holding(self.caller, sent, clients=CLIENTS, drips=drips) as held:
            if made:
                eventually(lambda: held.answered() == CLIENTS, seconds=2 * PATIENCE_SECONDS)
            yield

    def _request(self, kind: str) -> bytes:
        if kind in DOWNLOADS:
            return self.caller.get(DOWNLOADS[kind].format(job=self.job.job_id))
        return HALVES[kind](self.caller) if kind in HALVES else b""


def rows(place: Place, sizes: Sizes) -> list[Row]:
    """Return a row for each kind of client, and one for each download that is still being generated."""
    with ExitStack() as stack:
        scene = _scene(place, min(CLAIMS_MAX, sizes.settled), stack)
        measured = {"the feed's page": scene.page, "progress": scene.progress}
        found = []
        for kind in (*DOWNLOADS, *HALVES, "a byte at a time"):
            for made in (False, True) if kind in DOWNLOADS else (False,):
                # measured each time, because other programs also use the machine
                idle = {what: measure() for what, measure in measured.items()}
                with scene.beside(kind, made=made):
                    found += [_row(what, kind, idle[what], measured[what], made=made) for what in measured]
        return found


def _row(what: str, kind: str, idle: Watch, measure: Callable[[], Watch], *, made: bool) -> Row:
    busy = measure()
    ratio = busy.p95 / idle.p95
    then = "" if kind not in DOWNLOADS else ", all made" if made else ", being made"
    return Row(
        f"{what}, p95, with {CLIENTS} × {kind}{then}", ms(busy.p95), f"{ms(idle.p95)} idle", f"{ratio:.2f} ×",
        f"at most {RATIO_MAX:g} ×", ratio <= RATIO_MAX,
    )  # fmt: skip


def _scene(place: Place, claims: int, stack: ExitStack) -> _Scene:
    database = place.migrated("slow")
    practice = make_practice(place.url(database, superuser=True), name="Lakeside", claims=claims, now=runs.utc_now())
    product = stack.enter_context(
        running_product(folder=place.folder, database_url=place.url(database), broker_url=place.broker_url)
    )
    web = stack.enter_context(running_web(product, folder=place.folder))
    half = runs.claim_numbers(product.sessions, practice.id, skipped=0, count=claims // 2)
    job = runs.preview(product.sessions, practice.biller, selection={"claim_ids": half})
    runs.confirm(product.sessions, job, practice.biller)
    product.hint(job)
    runs.wait_for(product.sessions, job)
    return _Scene(web, _caller(product, web, practice.id), job)


def _caller(product: Product, web: Web, practice_id: int) -> Caller:
    """Return an administrator, who may download every file."""
    with transaction(product.sessions) as session:
        user = User(
            practice_id=practice_id, email="admin@lakeside.example", name="Admin", role=Role.ADMIN, password_hash="-",
            created_at=runs.utc_now(),
        )  # fmt: skip
        session.add(user)
        session.flush()
        admin = Actor(user.id, practice_id, Role.ADMIN, user.email, user.name)
        return Caller(
            HOST, web.port, user_sessions.start(session, admin, runs.utc_now()),
            tokens.add_token(session, user, runs.utc_now()),
        )  # fmt: skip
