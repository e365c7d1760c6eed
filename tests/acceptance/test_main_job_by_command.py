"""The main job by the `settle` command: each step is a process with an exit code that reports its result."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.enums.jobs import JobStatus
from tests.acceptance.product import PATIENCE_SECONDS, Product
from tests.acceptance.web import HOST, Web
from tests.waiting import eventually

PRACTICE = "Lakeside Family Medicine"
ME = "me@example.org"


class Terminal:
    """A terminal on the product's server. `acts_for` chooses the user of the commands."""

    def __init__(self, product: Product, web: Web) -> None:
        urls = {"SETTLE_DATABASE_URL": product.database_url, "SETTLE_BROKER_URL": product.broker_url}
        urls["XDG_CONFIG_HOME"] = os.devnull  # no sign-in of this machine
        self._environment = {**os.environ, **urls, "SETTLE_SERVER": f"http://{HOST}:{web.port}"}

    def acts_for(self, email: str) -> None:
        """Create a token for the user, as an operator does for a program."""
        self._environment["SETTLE_TOKEN"] = self.settle("token", "add", email).strip()

    def settle(self, *words: str, code: int = 0, typed: str = "") -> str:
        """Run `settle` with these words and check its exit code. Return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "core.cli", *words],
            input=typed, env=self._environment, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def facts(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run it with --json. Return the facts."""
        done: dict[str, Any] = json.loads(self.settle(*words, "--json", code=code).strip().splitlines()[-1])
        return done


@pytest.fixture
def terminal(product: Product, web: Web) -> Terminal:
    """Return a terminal on the product."""
    return Terminal(product, web)


def test_the_main_job_runs_by_command_from_the_import_to_balanced_books(
    product: Product, terminal: Terminal, tmp_path: Path
) -> None:
    folder = str(tmp_path / "csv")
    terminal.settle("import", "csv", "--template", folder)
    terminal.settle("import", "csv", folder, "--practice", PRACTICE)
    terminal.settle("user", "add", ME, "--practice", PRACTICE, "--role", "admin", "--limit", "unlimited")
    terminal.settle("write-off-setting", "both", "--practice", PRACTICE, "--as", ME)
    terminal.acts_for(ME)

    preview = terminal.facts("preview", "--all", "--reason", "small_balance")
    assert (preview["status"], preview["counts"]["claims"], preview["counts"]["will_settle"]) == ("previewed", 2, 1)
    assert (preview["totals"]["insurance_cents"], preview["totals"]["patient_cents"]) == (0, 1_200)
    job = preview["id"]

    word = ("--confirmation", "CONFIRM", "--cost-share-reason", "Hardship, looked into")
    confirmed = terminal.facts("confirm", job, *word)
    assert (confirmed["id"], confirmed["status"]) == (job, "confirmed")

    seen = terminal.facts("watch", job)
    assert (seen["status"], seen["settled"], seen["skipped"], seen["remaining"]) == ("completed", 1, 1, 0)
    assert seen["written_off_cents"] == {"insurance": 0, "patient": 1_200}
    assert terminal.facts("verify", "--practice", PRACTICE)["violations"] == []
    assert "invariants hold." in terminal.settle("verify")


def test_the_command_asks_for_confirm_and_refuses_any_other_word(product: Product, terminal: Terminal) -> None:
    practice = product.practice(claims=5)
    terminal.acts_for(practice.biller.email)
    preview = terminal.settle("preview", "--filter", "claim_id=C00001", "--reason", "small_balance")
    assert "1 claim; 1 will move to Settled" in preview
    assert "$15.00" in preview
    job = preview.split()[1].rstrip(":")

    refused = terminal.settle("confirm", job, code=1, typed="confirm\n")
    assert "CONFIRM" in refused
    assert practice.write_offs("C00001") == []

    terminal.settle("confirm", job, typed="CONFIRM\n")

    watched = terminal.settle("watch", job)
    assert "Completed: 1 claim settled, 0 skipped, 0 failed; $15.00 written off" in watched
    assert practice.read("C00003").billing_status == "Balance Due"
    assert practice.violations() == []


def test_exit_codes_distinguish_a_refusal_from_wrong_usage(product: Product, terminal: Terminal) -> None:
    practice = product.practice(claims=2)
    asked = ("preview", "--reason", "small_balance")

    assert "You are not signed in" in terminal.settle("watch", "999999", code=1)
    terminal.acts_for(practice.biller.email)
    assert "There is no such job" in terminal.settle("watch", "999999", code=1)
    assert "no_such_key" in terminal.settle(*asked, "--filter", "no_such_key=1", code=1)
    assert "KEY=VALUE" in terminal.settle(*asked, "--filter", "claim_id", code=2)
    assert "--all" in terminal.settle(*asked, code=2)
    terminal.settle("write-off-setting", "everything", "--practice", "Any", "--as", ME, code=2)

    job = terminal.facts(*asked, "--all")["id"]
    terminal.settle("discard", job)
    assert terminal.facts("watch", job, code=1)["status"] == "discarded"
    assert practice.violations() == []


def test_watching_a_canceled_job_exits_with_an_error_code(product: Product, terminal: Terminal) -> None:
    practice = product.practice(claims=4)
    job = product.preview(practice)
    terminal.acts_for(practice.biller.email)
    with product.hold_chunk(job, first=1):
        terminal.settle("confirm", str(job.job_id), "--confirmation", "CONFIRM")
        assert terminal.facts("cancel", str(job.job_id))["status"] == "cancelling"

    assert terminal.facts("watch", str(job.job_id), code=1)["status"] == "cancelled"
    assert practice.counts(job) == {"settled": 0, "skipped": 0, "failed": 0, "remaining": 4}
    assert practice.violations() == []


def test_a_paused_job_settles_nothing_until_it_is_resumed(product: Product, terminal: Terminal) -> None:
    practice = product.practice(claims=4)
    job = product.preview(practice)
    number = str(job.job_id)
    terminal.acts_for(practice.biller.email)
    with product.hold_chunk(job, first=1):
        terminal.settle("confirm", number, "--confirmation", "CONFIRM")
        assert terminal.facts("pause", number)["status"] == "pausing"
    eventually(lambda: practice.read_job(job).status is JobStatus.PAUSED, seconds=PATIENCE_SECONDS)
    assert practice.counts(job) == {"settled": 0, "skipped": 0, "failed": 0, "remaining": 4}

    assert terminal.facts("resume", number)["status"] == "confirmed"

    assert terminal.facts("watch", number)["settled"] == 4
    assert practice.violations() == []


def test_a_retry_settles_failed_claims_after_their_cause_is_fixed(product: Product, terminal: Terminal) -> None:
    practice = product.practice(claims=2)
    job = product.preview(practice)
    number = str(job.job_id)
    terminal.acts_for(practice.biller.email)
    refuse = "BEGIN IF NEW.external_id = 'C00002' THEN RAISE check_violation; END IF; RETURN NEW; END"
    _run(product, f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${refuse}$$")
    try:
        _run(product, "CREATE TRIGGER refuse BEFORE UPDATE ON claim FOR EACH ROW EXECUTE FUNCTION refuse()")
        terminal.settle("confirm", number, "--confirmation", "CONFIRM")
        seen = terminal.facts("watch", number)
        assert (seen["settled"], seen["failed"]) == (1, 1)
    finally:
        _run(product, "DROP FUNCTION refuse CASCADE")

    assert terminal.facts("retry-failed", number)["status"] == "confirmed"

    seen = terminal.facts("watch", number)
    assert (seen["settled"], seen["failed"]) == (2, 0)
    assert practice.violations() == []


def test_verify_names_a_broken_ledger_and_exits_with_code_one(product: Product, terminal: Terminal) -> None:
    practice = product.practice(claims=1)
    name = practice.biller.email.split("@")[1].split(".")[0]
    broken = "UPDATE line_item SET patient_due = patient_due {sign} 1 WHERE practice_id = " + str(practice.id)
    _run(product, broken.format(sign="+"))
    try:
        found = terminal.facts("verify", "--practice", name, code=1)["violations"]
        assert any("C00001" in subject for violation in found for subject in violation["subjects"])
        assert _flagged(product, practice.id) == ["C00001"]
    finally:
        _run(product, broken.format(sign="-"))
    assert terminal.facts("verify", "--practice", name)["violations"] == []
    assert _flagged(product, practice.id) == []


def _flagged(product: Product, practice_id: int) -> list[str]:
    flagged = f"SELECT external_id FROM claim WHERE practice_id = {practice_id} AND balance_mismatch"
    with product.engine.begin() as connection:
        return [str(row[0]) for row in connection.exec_driver_sql(flagged)]


def _run(product: Product, statement: str) -> None:
    with product.engine.begin() as connection:
        connection.exec_driver_sql(statement)
