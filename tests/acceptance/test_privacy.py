"""A patient with a unique name goes through the whole product, and only users with permission see her data.

She is imported, searched, previewed, settled, refused, retried, approved, paid, downloaded, reversed by a worker that
is killed, held, scheduled, mailed about, measured and watched. Her data is in no log, message, mail, metric, page of
Flower or of operations, and no error text.
"""

import csv
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import select, text, update

from core.access import user_sessions
from core.access.users import actor_for, find_by_email
from core.books.invariants import violations
from core.db.engine import transaction
from core.jobs.keys import JobKey
from core.local import programs
from core.local.broker import Broker
from core.local.guardian import StopPolicy
from core.models.practices import Practice
from core.settings import QUEUE_CONTROL, TASK_PREPARE, TASK_SEND, TASK_SWEEP, TASK_TICK, Settings
from tests.acceptance.product import PATIENCE_SECONDS, Product, running_product, utc_now
from tests.acceptance.test_flower import HOST, PAGES, Flower, running_flower
from tests.acceptance.web import Api, Web, running_web
from tests.core.schedules.mail_server import MailServer
from tests.forks import ForkingGuardian
from tests.http_client import Answer
from tests.servers import Databases, broker_client
from tests.waiting import eventually
from webui.shared.auth import SESSION_COOKIE

NAME = "Quillfeather, Zephyrine"
BORN = "1931-02-17"
NOTE = "cousin of the mayor"
CENTS = 7_319_283
CANARIES = (
    "Quillfeather", "Zephyrine", BORN, "02/17/1931", "19310217", NOTE, quote(NOTE), "7319283", "73192.83", "73,192.83",
)  # fmt: skip
CLINIC = "Canary Clinic"
ADMIN, APPROVER, OPS = "admin@canary.example", "approver@canary.example", "ops@canary.example"

# The database's message about a refused row contains the row: here her name, birth date and amount.
REFUSE = f"RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation', DETAIL = '{NAME}, {BORN}, {CENTS}, {NOTE}';"


class Listener:
    """Record each command that the broker receives, when it receives it.

    Reading them only at the end would lose all but what fits into the socket's buffer.
    """

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(urlsplit(broker_url).path)
        self._socket.sendall(b"MONITOR\r\n")
        assert self._socket.recv(5) == b"+OK\r\n"
        self._heard = bytearray()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        while part := self._socket.recv(1 << 20):
            self._heard += part

    def recorded(self) -> str:
        """Stop listening. Return everything recorded."""
        with broker_client(self._broker_url) as client:
            client.echo("the last word")
        eventually(lambda: b"the last word" in self._heard, seconds=PATIENCE_SECONDS)
        self._socket.shutdown(socket.SHUT_RDWR)
        self._listening.join()
        self._socket.close()
        return self._heard.decode(errors="replace")


@dataclass
class Installation:
    """The whole product with workers, web, beat, Flower and a mail server, and the output of each."""

    product: Product
    web: Web
    flower: Flower
    mail: MailServer
    folder: Path
    database_log: Path
    shown: dict[str, str] = field(default_factory=dict)

    def command(self, *words: str, by: str = "", ok: bool = True) -> str:
        """Run `settle`, as the user `by` if given. Return its output, which the user sees and no log records."""
        given = {"DATABASE_URL": self.product.database_url, "BROKER_URL": self.product.broker_url}
        if by:
            given |= {"SERVER": f"http://{HOST}:{self.web.port}", "TOKEN": self.command("token", "add", by).split()[-1]}
        environment = {**os.environ, **{f"SETTLE_{name}": value for name, value in given.items()}}
        argv = [sys.executable, "-m", "core.cli", *words]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == ok, done.stderr + done.stdout
        self.shown[f"settle {words[0]} {len(self.shown)}"] = done.stdout + done.stderr
        return done.stdout

    def everything_shown(self, listener: Listener) -> dict[str, str]:
        """Return everything that was written, sent or shown to a reader without permission to see her data."""
        logs = {str(path): path.read_text(errors="replace") for path in self.folder.rglob("*.log")}
        letters = "\n".join(letter.message.as_string() for letter in self.mail.letters)
        kept = {"what the broker keeps": _everything_in(self.product.broker_url), "broker": listener.recorded()}
        return {**self.shown, **logs, **kept, "mail": letters, "database": self.database_log.read_text()}


@pytest.fixture
def installation(servers: tuple[Databases, Broker], tmp_path: Path) -> Iterator[Installation]:
    """Yield the installation, started."""
    databases, broker = servers
    mail = MailServer()
    mailing = {
        "SMTP_URL": mail.url, "MAIL_FROM": "settle@canary.example", "PUBLIC_URL": "http://settle.example"
    }  # fmt: skip
    with ExitStack() as stack:
        mail.up()
        stack.callback(mail.down)
        url = stack.enter_context(databases.fresh())
        product = stack.enter_context(
            running_product(folder=tmp_path, database_url=url, broker_url=broker.url, **mailing)
        )
        web = stack.enter_context(running_web(product, folder=tmp_path, CHUNK_CLAIMS="4", **mailing))
        guardian = stack.enter_context(ForkingGuardian())
        urls = {"SETTLE_DATABASE_URL": url, "SETTLE_BROKER_URL": broker.url}
        beat_log = tmp_path / "beat.log"
        guardian.start(programs.beat(Settings()), log=beat_log, env={**os.environ, **urls}, ending=StopPolicy())
        flower = stack.enter_context(running_flower(product, tmp_path))
        eventually(lambda: len(flower.tell("/api/workers?refresh=1")) >= 2, seconds=PATIENCE_SECONDS)
        yield Installation(product, web, flower, mail, tmp_path, databases.server._log)


def test_no_log_message_mail_metric_flower_page_or_error_contains_patient_data(
    installation: Installation,
) -> None:
    listener = Listener(installation.product.broker_url)
    api = _imported(installation)
    _look_for_her(installation, api)
    job = _previewed_where_everything_breaks(installation, api)
    _settled_but_for_one_and_tried_again(installation, api, job)
    _approved_paid_and_downloaded(installation, api)
    _reversed_held_and_scheduled(installation, api, job)
    _watched(installation)

    everything = installation.everything_shown(listener)

    assert "settle.work" in everything["broker"], "the listener recorded nothing"
    whole = "\n".join(everything.values())
    for event in ("chunk_split", "task_failed settle.prepare", '"event": "request"', "Sending due task", "settle_jobs"):
        assert event in whole, event
    leaks = {place: [word for word in CANARIES if word in text] for place, text in everything.items()}
    assert {place: words for place, words in leaks.items() if words} == {}
    with installation.product.sessions() as session:
        assert violations(session) == []


def _imported(installation: Installation) -> Api:
    """Import her by file, after a file that is refused. Return the API of the clinic's administrator."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        installation.command("import", "csv", "--template", str(folder / "template"))
        for broken in (True, False):
            _write_her(folder / "template", born="17th of February 1931" if broken else BORN)
            installation.command("import", "csv", str(folder / "template"), "--practice", CLINIC, ok=not broken)
    # The import prints control totals in dollars to the user who imports. Her charge is the largest one in them.
    _, printed = installation.shown.popitem()
    assert [word for word in CANARIES if word in printed] == ["73,192.83"]
    for email, role in ((ADMIN, "admin"), (APPROVER, "approver"), (OPS, "ops")):
        installation.command("user", "add", email, "--practice", CLINIC, "--role", role, "--limit", "unlimited")
    installation.command("write-off-setting", "both", "--practice", CLINIC, "--as", ADMIN)
    with transaction(installation.product.sessions) as session:  # so that users browse without a second factor
        session.execute(update(Practice).values(second_factor_required=False))
    token = installation.command("token", "add", ADMIN).split()[-1]
    return Api(installation.web, token)


def _write_her(folder: Path, *, born: str) -> None:
    dollars = f"{CENTS // 100}.{CENTS % 100:02}"
    claim = {
        "patient_id": "P-7", "office_id": "MAIN", "billing_provider_id": "9000000001", "service_date": "2025-03-04",
        "claim_type": "Professional", "billing_status": "Balance Due", "primary_payer_id": "10001",
        "primary_status": "ERA Received",
    }  # fmt: skip
    line = {"line": "1", "procedure_code": "99213", "charge": dollars}
    sides = {"her-1": "patient", "her-2": "insurance", "her-3": "patient"}
    rows = {
        "patients": [{"patient_id": "P-7", "name": NAME, "birth_date": born}],
        "claims": [{**claim, "claim_id": number} for number in sides],
        "line_items": [{**line, "claim_id": number, "responsibility": side} for number, side in sides.items()],
        "postings": [],
    }
    for table, wanted in rows.items():
        file = folder / f"{table}.csv"
        with file.open(newline="") as old:
            columns = next(csv.reader(old))
        with file.open("w", newline="") as new:
            writer = csv.DictWriter(new, columns, restval="")
            writer.writeheader()
            writer.writerows(wanted)


def _look_for_her(installation: Installation, api: Api) -> None:
    """Show her to users with permission, and search for her by name. No log contains the query."""
    feed = api.post("/claims/search", {"filter": {"patient": "Quillfeather"}}).json["claims"]
    assert {claim["patient"] for claim in feed} == {NAME}
    assert api.get("/claims/her-1/postings").json["postings"][0]["amount_cents"] == CENTS
    mistyped = api.get("/claims", patient=NAME, nonsense=NAME)
    assert mistyped.status == 422
    installation.shown["a mistyped filter"] = mistyped.text.replace(NAME, "(the query)")
    statuses = {"/claims?patient=Quillfeather": 302, "/claims/her-1": 200, "/feed/totals?patient=Quillfeather": 200}
    for path, status in statuses.items():  # an old bookmark with a name is sent to an address without it
        answer = _browse(installation, ADMIN, path)
        assert answer.status == status, path
    assert "Quillfeather" in _browse(installation, ADMIN, "/claims/her-1").text
    assert NAME in _search(installation, ADMIN, "Zephyrine Quillfeather").text
    assert _browse(installation, ADMIN, "/claims/Quillfeather").status == 404
    assert _sign_in(installation, email="Quillfeather@canary.example", password=NOTE).status == 401
    with socket.create_connection((HOST, installation.web._settings.web_port), PATIENCE_SECONDS) as line:
        line.sendall(f"GET /claims?patient={NAME} is no HTTP\r\n\r\n".encode())
        assert b"400" in line.recv(1_000)


def _previewed_where_everything_breaks(installation: Installation, api: Api) -> JobKey:
    """Make a preview fail in the web process, in a command, and in a worker, which then prepares it."""
    product = installation.product
    both = {"claim_ids": ["her-1", "her-2"]}
    with _refused(product, "job_item"):
        broken = api.preview(both, key="broken", reason="bad_debt", note=NOTE)
        assert broken.status == 500
        installation.shown["a preview that broke"] = broken.text
        asked = ("--claim", "her-1", "--reason", "bad_debt", "--note", NOTE)
        installation.command("preview", *asked, by=ADMIN, ok=False)
    with product.sessions() as session:
        practice_id = session.scalars(select(Practice.id).where(Practice.name == CLINIC)).one()
    waiting = JobKey(practice_id, int(api.preview(both, key="waiting", reason="bad_debt", note=NOTE).json["id"]))
    _prepare_again(product, waiting)
    with _refused(product, "job_item"):
        product.workers.hint(TASK_PREPARE, *waiting)
        eventually(lambda: "task_failed settle.prepare" in product.workers.settle.log_text(), seconds=PATIENCE_SECONDS)
    product.workers.hint(TASK_PREPARE, *waiting)
    eventually(lambda: _status(api, waiting.job_id) == "previewed", seconds=PATIENCE_SECONDS)
    return waiting


def _settled_but_for_one_and_tried_again(installation: Installation, api: Api, job: JobKey) -> None:
    """Make the database refuse one of her claims with her name in its message, then retry the claim."""
    at = f"/settle-jobs/{job.job_id}"
    with _refused(installation.product, "claim", when="NEW.external_id = 'her-1' AND NEW.billing_status = 'Settled'"):
        assert api.confirm(str(job.job_id)).status == 202
        _run_to_its_end(installation, api, job.job_id)
    progress = api.get(f"{at}/progress").json
    assert (progress["settled"], progress["failed"]) == (1, 1)
    installation.shown["an item that failed"] = "".join(
        item["code"] for item in api.get(f"{at}/items", outcome="failed").json["items"]
    )
    assert api.post(f"{at}/retry-failed", {}).status == 200
    _run_to_its_end(installation, api, job.job_id)
    assert api.get(f"{at}/progress").json["settled"] == 2


def _approved_paid_and_downloaded(installation: Installation, api: Api) -> None:
    """Approve a job over a limit, post a late payment, and download a file."""
    installation.command("limit", "job", "0.01", by=ADMIN)
    over = api.preview({"claim_ids": ["her-3"]}, key="over", reason="bad_debt", note=NOTE).json["id"]
    assert api.confirm(over).json["status"] == "awaiting_approval"
    installation.command("approve", over, "--confirmation", "CONFIRM", by=APPROVER)
    _run_to_its_end(installation, api, int(over))
    paid = {"kind": "payment", "line": 1, "responsibility": "patient", "paid_by": "patient", "amount_cents": 100}
    posted = api.post("/claims/her-3/postings", {**paid, "note": NOTE}, headers={"Idempotency-Key": "paid"})
    assert posted.status == 201, posted.text
    assert NAME in api.get(f"/settle-jobs/{over}/settled.csv").text
    installation.command("limit", "job", "unlimited", by=ADMIN)


def _reversed_held_and_scheduled(installation: Installation, api: Api, job: JobKey) -> None:
    """Reverse the job although a worker is killed, put her on hold, and let a schedule send mail about her."""
    asked = {"claim_ids": None, "note": NOTE}
    reversal = api.post(f"/settle-jobs/{job.job_id}/reverse", asked, headers={"Idempotency-Key": "back"})
    assert reversal.status == 201, reversal.text
    back = JobKey(job.practice_id, int(reversal.json["id"]))
    hers = "SELECT 1 FROM line_item WHERE practice_id = :practice FOR UPDATE"
    with installation.product.hold(hers, practice=job.practice_id) as hold:
        assert api.confirm(str(back.job_id)).status == 202
        hold.wait_for_a_worker()
        installation.product.kill_worker_of(back)
    _run_to_its_end(installation, api, back.job_id)
    held = installation.web.ask(
        "PUT", "/api/v1/claims/her-3/hold", body={"hold": "hold"},
        headers={"Authorization": f"Bearer {api.token}"},
    )  # fmt: skip
    assert held.status == 200, held.text
    schedule = api.post("/schedules", {
        "name": "Nightly", "filter": {"patient": "Quillfeather"}, "local_time": "02:30", "weekdays": ["mon"],
        "reason": "bad_debt", "note": NOTE, "claims_max": "unlimited", "cents_max": "unlimited",
        "mail_to": ["owner@canary.example"],
    })  # fmt: skip
    assert schedule.status == 201, schedule.text
    run = api.post(f"/schedules/{schedule.json['id']}/run-now", headers={"Idempotency-Key": "now"})
    assert run.status == 201, run.text

    def is_mailed() -> bool:
        for task in (TASK_SWEEP, TASK_TICK, TASK_SEND):
            installation.product.workers.hint(task, queue=QUEUE_CONTROL)
        return bool(installation.mail.letters)

    eventually(is_mailed, seconds=PATIENCE_SECONDS)


def _watched(installation: Installation) -> None:
    """Read every page that operations can see."""
    for path in ("/metrics", "/healthz", "/readyz"):
        answer = installation.web.ask("GET", path)
        assert answer.status == 200, answer.text
        installation.shown[path] = answer.text
    for path in ("/operations", "/claims?patient=Quillfeather", "/jobs", "/schedules"):
        answer = _browse(installation, OPS, path)
        assert answer.status == (200 if path == "/operations" else 403), path
        installation.shown[f"to operations: {path}"] = answer.text
    installation.shown["settle operations"] = installation.command("operations", "--json", ok=True)
    for path in (*PAGES, *(f"/task/{task}" for task in installation.flower.tasks(limit="500"))):
        status, text_ = installation.flower.ask(path)
        assert status == 200, path
        installation.shown[f"Flower: {path}"] = text_
    eventually(lambda: "Sending due task" in (installation.folder / "beat.log").read_text(), seconds=PATIENCE_SECONDS)


def _browse(installation: Installation, email: str, path: str) -> Answer:
    """Request a page as this user's browser does."""
    return installation.web.ask("GET", path, headers={"Cookie": _session_cookie(installation, email)})


def _search(installation: Installation, email: str, typed: str) -> Answer:
    """Type into the search box of a page as this user does."""
    return _send_form(installation, "/jobs", "/search", cookie=_session_cookie(installation, email), text=typed)


def _sign_in(installation: Installation, **fields: str) -> Answer:
    """Sign in as a browser does."""
    return _send_form(installation, "/sign-in", "/sign-in", **fields)


def _session_cookie(installation: Installation, email: str) -> str:
    with transaction(installation.product.sessions) as session:
        user = find_by_email(session, email)
        assert user is not None
        return f"{SESSION_COOKIE}={user_sessions.start(session, actor_for(user), utc_now())}"


def _send_form(installation: Installation, page_path: str, path: str, *, cookie: str = "", **fields: str) -> Answer:
    """Send a form with the token of its page."""
    page = installation.web.ask("GET", page_path, headers={"Cookie": cookie})
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token is not None, page.text
    cookies = {"Cookie": "; ".join(filter(None, (cookie, page.headers["Set-Cookie"].partition(";")[0])))}
    return installation.web.ask("POST", path, form={"csrf_token": token[1], **fields}, headers=cookies)


def _status(api: Api, job_id: int) -> str:
    return str(api.get(f"/settle-jobs/{job_id}").json["status"])


def _run_to_its_end(installation: Installation, api: Api, job_id: int) -> None:
    def is_over() -> bool:
        installation.product.sweep()
        return _status(api, job_id) in {"completed", "halted"}

    eventually(is_over, seconds=PATIENCE_SECONDS)


def _everything_in(broker_url: str) -> str:
    """Return each key of the broker with its value, of any type."""
    client = broker_client(broker_url)
    return "\n".join(f"{key!r} {client.dump(key)!r}" for key in client.scan_iter())


@contextmanager
def _refused(product: Product, table: str, *, when: str = "true") -> Iterator[None]:
    """Make the database refuse to write these rows, with their content in its message."""
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
    """Send the preview back to a worker, as if it had been too large for a request."""
    with product.engine.begin() as connection:
        of_job: dict[str, Any] = {"practice": job.practice_id, "job": job.job_id}
        for table in ("job_item", "job_chunk"):
            connection.execute(text(f"DELETE FROM {table} WHERE practice_id = :practice AND job_id = :job"), of_job)
        again = "UPDATE settle_job SET status = 'preparing', selection = CAST(:both AS jsonb)"
        of_job["both"] = '{"claim_ids": ["her-1", "her-2"]}'
        connection.execute(text(f"{again} WHERE practice_id = :practice AND id = :job"), of_job)
