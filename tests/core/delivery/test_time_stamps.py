"""The audit log's last entry gets a time stamp of a real authority, and goes to a file."""

import datetime as dt
import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.audit import log, regular_events
from core.cli import main
from core.db.engine import Sessions, make_engine, make_sessions, transaction
from core.delivery import outbox
from core.delivery.send import send_due
from core.schedules.run_mail import MAIL_EXPIRES_AFTER
from core.settings import load_settings
from core.watch import overview
from core.watch.warnings import warnings
from tests.factories import GivenPractice
from tests.roles import as_worker
from tests.waiting import eventually

DUE = dt.datetime(2026, 11, 24, 11, tzinfo=dt.UTC)  # 6:00 AM in New York
DAY = dt.timedelta(days=1)


class Authority:
    """The running authority, and an installation that uses it."""

    def __init__(self, folder: Path, of_worker: Sessions, practice: GivenPractice, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._of_worker, self._practice, self._patch = folder, of_worker, practice, patch

    def use(self, path: str, **more: str) -> None:
        url = f"http://127.0.0.1:{(self.folder / 'port').read_text()}{path}"
        given = {"TIMESTAMP_URL": url, "TIMESTAMP_CA": str(self.folder / "root.pem"), "WEBHOOK_REACH": "loopback"}
        for name, value in {**given, **more}.items():
            self._patch.setenv(f"SETTLE_{name}", value)
        load_settings.cache_clear()

    def tick(self, now: dt.datetime = DUE) -> int:
        regular_events.record_due(self._of_worker, now=now)
        with transaction(self._of_worker) as session:
            outbox.tidy(session, now=now)
        return send_due(self._of_worker, clock=lambda: now)

    def warnings(self, now: dt.datetime) -> list[str]:
        said = warnings(overview.fetch_overview(self._practice.sessions, now=now))
        return [one for one in said if "time stamp" in one]

    def verify(self, *words: object) -> Result:
        return CliRunner().invoke(main, ["verify", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def authority(
    practice: GivenPractice, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Authority]:
    monkeypatch.setenv("SETTLE_DATABASE_URL", database_url)
    with subprocess.Popen([sys.executable, "-m", "tests.core.delivery.authority", str(tmp_path)]) as process:
        eventually((tmp_path / "port").exists)
        worker = make_engine(as_worker(database_url))
        yield Authority(tmp_path, make_sessions(worker), practice, monkeypatch)
        process.kill()
    worker.dispose()
    load_settings.cache_clear()


def test_the_last_entry_is_stamped_and_proved_with_the_file_outside(
    authority: Authority, practice: GivenPractice
) -> None:
    daily, witness = authority.folder / "daily", authority.folder / "witness"
    authority.use("/stamp", WITNESS_FILE=str(daily))
    with practice.sessions() as session:
        head = log.head(session, practice.id)

    assert [authority.tick(at) for at in (DUE, DUE + DAY / 24, DUE + DAY + DAY / 24)] == [1, 0, 0]  # the same entry

    (line,) = map(json.loads, daily.read_text().splitlines())
    assert (line["number"], line["sha256"]) == head
    assert [authority.verify("--witness", witness).exit_code for _ in range(2)] == [0, 0]
    first, second = map(json.loads, witness.read_text().splitlines())
    assert (first["sha256"], second["sha256"], "time_stamp" in second) == (head.digest, head.digest, False)
    (authority.folder / "answer").write_bytes(b64decode(first["time_stamp"]))
    (authority.folder / "digest").write_text(head.digest)
    proof = ["openssl", "ts", "-verify", "-data", "digest", "-in", "answer", "-CAfile", "root.pem"]
    subprocess.run(proof, cwd=authority.folder, check=True, capture_output=True)

    practice.sql("UPDATE time_stamp SET digest = repeat('0', 64)")
    rewritten = authority.verify()
    assert (rewritten.exit_code, "the_kept_head_is_in_the_chain" in rewritten.stdout) == (1, True)
    assert "each_time_stamp_proves_its_entry" in rewritten.stdout
    practice.sql(f"UPDATE time_stamp SET digest = '{head.digest}', answer = 'x'")
    forged = authority.verify()
    assert (forged.exit_code, "practice 1, audit entry 1" in forged.stdout) == (1, True)


def test_an_authority_that_is_down_or_lies_is_tried_for_three_days_and_shown(
    authority: Authority, practice: GivenPractice
) -> None:
    for path, result in (("/garbage", "too_large"), ("/other", "bad_time_stamp"), ("/fails", "HTTP 500")):
        authority.use(path)
        assert (authority.tick(), authority.warnings(DUE)) == (
            0, [f"1 audit entry waits for a time stamp ({result}). Check SETTLE_TIMESTAMP_URL."]
        )  # fmt: skip
        practice.sql("UPDATE outbox SET not_before = queued_at")
    authority.use("/stamp", WEBHOOK_REACH="public")
    assert authority.tick() == 0
    assert "address_refused" in authority.warnings(DUE)[0]

    late = DUE + MAIL_EXPIRES_AFTER + DAY / 24
    assert authority.tick(late) == 0

    assert authority.warnings(late) == ["1 audit entry of the last 7 days got no time stamp within three days."]
    assert authority.warnings(late + 7 * DAY) == []
    practice.sql("UPDATE outbox SET state = 'due', not_before = queued_at")
    authority.use("/stamp")
    assert (authority.tick(), authority.warnings(DUE)) == (1, [])
