"""A patient whose name occurs nowhere else goes through the whole product; no log, message or error text knows her."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import insert, text

from core.db.engine import transaction
from core.jobs.keys import JobKey
from core.jobs.models import JobStatus
from core.local import programs
from core.local.broker import Broker
from core.local.guardian import Ending, Guardian
from core.practices.models import Patient
from core.settings import TASK_PREPARE, Settings
from tests.acceptance.product import PATIENCE_SECONDS, Product
from tests.acceptance.web import Api, Web
from tests.given import GivenPractice, Line
from tests.servers import Databases
from tests.waiting import eventually

NAME = "Quillfeather, Zephyrine"
BORN = "1931-02-17"
NOTE = "cousin of the mayor"
CENTS = 7_319_283
CANARIES = ("Quillfeather", "Zephyrine", "1931-02-17", "cousin of the mayor", "7319283", "73192.83", "73,192.83")

# What the database says of a row that it refuses holds the row: here her name, birth and amount.
REFUSE = f"RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation', DETAIL = '{NAME}, {BORN}, {CENTS}, {NOTE}';"


class Listener:
    """Hears everything that anybody says to the broker."""

    def __init__(self, broker_url: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(urlsplit(broker_url).path)
        self._socket.sendall(b"MONITOR\r\n")
        assert self._socket.recv(5) == b"+OK\r\n"

    def heard(self) -> str:
        """All of it; the listener hears no more."""
        self._socket.setblocking(False)
        parts = []
        try:
            while part := self._socket.recv(1 << 20):
                parts.append(part)
        except BlockingIOError:
            pass
        self._socket.close()
        return b"".join(parts).decode(errors="replace")


@pytest.fixture
def beat(product: Product, tmp_path: Path) -> Iterator[Path]:
    """A beat; give its log."""
    urls = {"SETTLE_DATABASE_URL": product.database_url, "SETTLE_BROKER_URL": product.broker_url}
    log = tmp_path / "beat.log"
    with Guardian() as guardian:
        guardian.start(programs.beat(Settings()), log=log, env={**os.environ, **urls}, ending=Ending())
        yield log


def test_a_patients_name_birth_note_and_amount_stay_out_of_logs_messages_and_error_texts(
    product: Product, web: Web, beat: Path, servers: tuple[Databases, Broker]
) -> None:
    listener = Listener(product.broker_url)
    practice = _practice_of_the_canary(product)
    api = Api.of_biller(web, practice)
    errors: list[str] = []

    # Seen in full by who may see it, and looked for by name.
    feed = api.get("/claims", patient="Quillfeather").json["claims"]
    assert {claim["patient"] for claim in feed} == {NAME}
    assert api.get("/claims/her-1/postings").json["postings"][0]["amount_cents"] == CENTS
    errors.append(api.get("/claims", patient=NAME, nonsense=NAME).text.replace(NAME, "(what was asked)"))

    # A preview that breaks in the web process.
    with _refused(product, "job_item"):
        broken = api.preview(key="broken", note=NOTE)
        assert broken.status == 500
        errors.append(broken.text)

    # A preview that breaks in a worker.
    waiting = JobKey(practice.id, int(api.preview(key="waiting", note=NOTE).json["id"]))
    _prepare_again(product, waiting)
    with _refused(product, "job_item"):
        product.workers.hint(TASK_PREPARE, *waiting)
        eventually(lambda: "task_failed settle.prepare" in product.workers.settle.said(), seconds=PATIENCE_SECONDS)
    product.workers.hint(TASK_PREPARE, *waiting)
    eventually(lambda: practice.progress(waiting).status is JobStatus.PREVIEWED, seconds=PATIENCE_SECONDS)

    # A job of which one claim is refused by the database, and one settles.
    with _refused(product, "claim", when="NEW.external_id = 'her-1' AND NEW.billing_status = 'Settled'"):
        assert api.confirm(str(waiting.job_id)).status == 202
        seen = product.wait_until_it_ends(practice, waiting)
    assert (seen.settled, seen.failed) == (1, 1)
    errors.append(practice.item(waiting, "her-1").code or "")

    eventually(lambda: "Sending due task" in beat.read_text(), seconds=PATIENCE_SECONDS)
    told = {
        "settle worker": product.workers.settle.said(),
        "control worker": product.workers.control.said(),
        "web": web.said(),
        "beat": beat.read_text(),
        "database": servers[0].server._log.read_text(),
        "broker": listener.heard(),
        "errors": "\n".join(errors),
    }
    assert "settle.work" in told["broker"], "the listener heard nothing"
    assert "chunk_split" in told["settle worker"]
    leaks = {place: [word for word in CANARIES if word in text] for place, text in told.items()}
    assert {place: words for place, words in leaks.items() if words} == {}
    assert practice.violations() == []


def _practice_of_the_canary(product: Product) -> GivenPractice:
    practice = product.practice()
    with transaction(product.sessions) as session:
        her = insert(Patient).values(practice_id=practice.id, external_id="P-7", name=NAME, birth_date=BORN)
        practice.ids["Patient"] = session.scalars(her.returning(Patient.id)).one()
    practice.claim("her-1", Line(0, CENTS))
    practice.claim("her-2", Line(CENTS, 0))
    return practice


@contextmanager
def _refused(product: Product, table: str, *, when: str = "true") -> Iterator[None]:
    """The database refuses to write these rows, and says so with what the rows hold."""
    body = f"BEGIN IF {when} THEN {REFUSE} END IF; RETURN NEW; END"
    with product.engine.begin() as connection:
        connection.execute(text(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"))
        event = f"BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        connection.execute(text(f"CREATE TRIGGER refuse {event}"))
    try:
        yield
    finally:
        with product.engine.begin() as connection:
            connection.execute(text("DROP FUNCTION refuse CASCADE"))


def _prepare_again(product: Product, job: JobKey) -> None:
    """As if the preview had been too large for a request: it waits for a worker."""
    with product.engine.begin() as connection:
        of_job: dict[str, Any] = {"practice": job.practice_id, "job": job.job_id}
        for table in ("job_item", "job_chunk"):
            connection.execute(text(f"DELETE FROM {table} WHERE practice_id = :practice AND job_id = :job"), of_job)
        again = "UPDATE settle_job SET status = 'preparing', selection = CAST(:everything AS jsonb)"
        of_job["everything"] = '{"all": true}'
        connection.execute(text(f"{again} WHERE practice_id = :practice AND id = :job"), of_job)
