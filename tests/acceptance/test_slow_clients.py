"""A slow, stalled or vanished client occupies a socket for a bounded time and never delays other users."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest
from sqlalchemy import text, update

from core.access import audit, user_sessions
from core.access.audit import Subject
from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.people import Role
from core.jobs.keys import JobKey
from core.models.practices import Patient
from tests.acceptance.product import PATIENCE_SECONDS, Product, utc_now
from tests.acceptance.slow_clients import DOWNLOADS, HALVES, Caller, holding
from tests.acceptance.web import Api, Web, running_web
from tests.factories import GivenPractice
from tests.http_client import HOST, Answer
from tests.waiting import eventually

CLIENTS = 50
THREADS = 8
READERS = 2 * THREADS + 1  # all threads answer, and others wait
CLAIMS = 600
LONG = "A name as long as it takes " * 300  # so that each file is larger than the 4 MB of socket buffers


@dataclass(frozen=True)
class Clinic:
    """A practice with large files, and a user who downloads them."""

    practice: GivenPractice
    job: JobKey
    admin: Actor

    def path(self, of: str) -> str:
        """Return the address of a file."""
        return of.format(job=self.job.job_id)


@pytest.fixture(scope="module")
def clinic(product: Product) -> Iterator[Clinic]:
    """Yield a clinic with a completed job, credits and a long audit log. At the end, check the books of all practices.

    The check reads the whole database, which takes seconds of CPU.
    """
    practice = product.practice(claims=CLAIMS)
    with transaction(product.sessions) as session:
        session.execute(update(Patient).where(Patient.practice_id == practice.id).values(name=LONG))
    admin = practice.person(f"admin@clinic{practice.id}.example", Role.ADMIN)
    job = product.confirm(practice)
    product.assert_all_settled(practice, job)
    practice.claims(CLAIMS, first=CLAIMS + 1, patient=-500)
    with transaction(product.sessions) as session:
        for _ in range(CLAIMS):
            audit.record(session, "claims.exported", Subject(practice.id, "feed"), by=admin, now=utc_now(), keys=[LONG])
    yield Clinic(practice, job, admin)
    assert practice.violations() == []


def _caller(web: Web, clinic: Clinic) -> Caller:
    with transaction(clinic.practice.sessions) as session:
        session_token = user_sessions.start(session, clinic.admin, utc_now())
    return Caller(HOST, web.port, session_token, Api.of(web, clinic.practice, clinic.admin).token)


def _settle_another_job(product: Product, web: Web) -> None:
    """Preview, confirm and watch a job to its end as another practice's biller, and open pages."""
    practice = product.practice(claims=12)
    api = Api.of_biller(web, practice)
    job_id = api.preview().json["id"]
    assert api.confirm(job_id).status == 202

    def done() -> dict[str, object] | None:
        seen = api.get(f"/settle-jobs/{job_id}/progress").json
        assert seen["settled"] + seen["skipped"] + seen["failed"] + seen["remaining"] == seen["total"] == 12
        return dict(seen) if seen["finished_at"] is not None else None

    seen = eventually(done, seconds=PATIENCE_SECONDS)
    assert seen is not None
    assert (seen["status"], seen["settled"]) == ("completed", 12)
    assert len(api.get("/claims").json["claims"]) == 12
    assert web.ask("GET", "/sign-in").status == 200
    assert web.ask("GET", "/healthz").status == 200


def _idle_in_transaction(product: Product) -> int:
    """Return how many database connections are idle in a transaction."""
    return _connections(product, "state LIKE 'idle in transaction%'")


def _waiting_for_a_lock(product: Product) -> int:
    return _connections(product, "wait_event_type = 'Lock'")


def _connections(product: Product, condition: str) -> int:
    with product.engine.connect() as watcher:
        found = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {condition}"
        return int(watcher.scalar(text(found)) or 0)


@pytest.mark.parametrize("of", DOWNLOADS)
def test_clients_that_never_read_their_file_delay_no_job_and_no_transaction(
    of: str, product: Product, web: Web, clinic: Clinic
) -> None:
    caller = _caller(web, clinic)
    with holding(caller, caller.get(clinic.path(DOWNLOADS[of])), clients=READERS) as held:
        _settle_another_job(product, web)

        eventually(lambda: held.answered() == READERS, seconds=PATIENCE_SECONDS)
        eventually(lambda: _idle_in_transaction(product) == 0, seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize("half", HALVES)
def test_fifty_clients_that_stop_mid_request_delay_no_job(
    half: str, product: Product, web: Web, clinic: Clinic
) -> None:
    caller = _caller(web, clinic)
    with holding(caller, HALVES[half](caller), clients=CLIENTS):
        _settle_another_job(product, web)


def test_fifty_clients_that_send_a_byte_at_a_time_delay_no_job(product: Product, web: Web, clinic: Clinic) -> None:
    caller = _caller(web, clinic)
    with holding(caller, b"", clients=CLIENTS, drips=caller.get("/claims")):
        _settle_another_job(product, web)


@pytest.fixture(scope="module")
def hasty_web(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Yield a web process that waits one second for its clients."""
    hasty = {"WEB_READ_SECONDS": "1", "WEB_WRITE_SECONDS": "1", "WEB_IDLE_SECONDS": "1"}
    with running_web(product, folder=tmp_path_factory.mktemp("hasty"), **hasty) as web:
        yield web


@pytest.mark.parametrize("half", HALVES)
def test_the_server_disconnects_a_client_that_stops_mid_request(half: str, hasty_web: Web, clinic: Clinic) -> None:
    caller = _caller(hasty_web, clinic)
    with holding(caller, HALVES[half](caller), clients=3) as held:
        eventually(lambda: held.disconnected() == 3, seconds=PATIENCE_SECONDS)


def test_the_server_disconnects_a_client_that_never_stops_sending(hasty_web: Web, clinic: Clinic) -> None:
    caller = _caller(hasty_web, clinic)
    with holding(caller, b"GET /claims HTTP/1.1\r\nX: ", clients=3, drips=b"x" * 1_000) as held:
        eventually(lambda: held.disconnected() == 3, seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize("length", [b"abc", b"1\r\nContent-Length: 2"], ids=["no number", "two lengths"])
def test_an_invalid_content_length_is_refused_and_the_connection_is_closed(
    length: bytes, hasty_web: Web, clinic: Clinic
) -> None:
    asked = b"POST /sign-in HTTP/1.1\r\nHost: settle\r\nContent-Length: %b\r\n\r\n" % length
    with holding(_caller(hasty_web, clinic), asked, clients=3) as held:
        for client in held.sockets:
            client.settimeout(PATIENCE_SECONDS)
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert answer.status == HTTPStatus.BAD_REQUEST
        eventually(lambda: held.disconnected() == 3, seconds=PATIENCE_SECONDS)


def test_a_client_that_reads_after_a_stall_gets_a_whole_file_or_a_visible_error(
    hasty_web: Web, web: Web, clinic: Clinic
) -> None:
    headers, body = _fetched(_caller(web, clinic), DOWNLOADS["feed"])
    assert body.count(b"\r\n") == 1 + 2 * CLAIMS + 1, "the header, each claim and the totals row"
    assert headers["Content-Length"] == str(len(body))

    caller = _caller(hasty_web, clinic)
    before = len(hasty_web.log_text())
    with holding(caller, caller.get(DOWNLOADS["feed"]), clients=1) as held:
        eventually(lambda: "slow_clients" in hasty_web.log_text()[before:], seconds=PATIENCE_SECONDS)
        late = http.client.HTTPResponse(held.sockets[0])
        late.begin()
        with late, pytest.raises((http.client.IncompleteRead, ConnectionError)):
            late.read()


def _fetched(caller: Caller, path: str) -> tuple[http.client.HTTPMessage, bytes]:
    with holding(caller, caller.get(path), clients=1) as held, http.client.HTTPResponse(held.sockets[0]) as answer:
        answer.begin()
        return answer.headers, answer.read()


def test_health_checks_answer_while_every_thread_waits_for_the_database(product: Product, web: Web) -> None:
    practice = product.practice(claims=4)
    api = Api.of_biller(web, practice)
    job_id = api.preview().json["id"]
    answers: list[Answer] = []
    with product.hold_job(JobKey(practice.id, int(job_id))):
        busy = [
            threading.Thread(target=lambda: answers.append(api.confirm(job_id)), daemon=True)
            for _ in range(2 * THREADS)
        ]
        for one in busy:
            one.start()
        eventually(lambda: _waiting_for_a_lock(product) == THREADS, seconds=PATIENCE_SECONDS)

        assert web.ask("GET", "/healthz").json == {"status": "ok"}
        assert web.ask("GET", "/readyz").json["status"] == "ready"
        assert web.ask("GET", "/metrics").status == 200
        assert answers == []

    for one in busy:
        one.join()
    assert {answer.status for answer in answers} == {202}


def test_a_stopping_web_process_answers_the_request_in_flight(product: Product, tmp_path: Path) -> None:
    practice = product.practice(claims=4)
    answers: list[Answer] = []
    with running_web(product, folder=tmp_path, WEB_WORKERS="2", SECRET_KEY="k" * 32) as web:
        api = Api.of_biller(web, practice)
        job_id = api.preview().json["id"]
        with product.hold_job(JobKey(practice.id, int(job_id))):
            asking = threading.Thread(target=lambda: answers.append(api.confirm(job_id)), daemon=True)
            asking.start()
            eventually(lambda: _waiting_for_a_lock(product) == 1, seconds=PATIENCE_SECONDS)
            web.request_stop()
            eventually(lambda: "Handling signal: term" in web.log_text(), seconds=PATIENCE_SECONDS)
        asking.join()
        eventually(lambda: not web.is_running(), seconds=PATIENCE_SECONDS)

    assert [answer.status for answer in answers] == [202]


def test_a_body_that_is_too_large_is_refused_with_a_reason_and_not_buffered(web: Web, clinic: Clinic) -> None:
    api = Api.of_biller(web, clinic.practice)
    stranger = web.ask("POST", "/sign-in", form={"email": "x" * 70_000})
    program = web.ask("POST", "/api/v1/settle-jobs", body={"selection": "x" * 70_000})
    known = api.post("/settle-jobs", {"selection": "x" * 33 * 1024 * 1024})

    assert (stranger.status, stranger.text) == (413, "This request is too large.\n")
    assert [(answer.status, answer.json["code"]) for answer in (program, known)] == [(413, "too_large")] * 2
