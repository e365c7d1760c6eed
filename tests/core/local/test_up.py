"""`settle up` with its real processes: ready, refused, restarted, and ended without a trace."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.local import run_lock
from core.local.connectivity import free_port
from tests.core.local.conftest import READY_SECONDS, environment
from tests.folders import open_folder
from tests.http_client import ask, basic
from tests.processes import command_of, family_of, living
from tests.waiting import eventually

ACCESS_RULES = {"postgres.hba_file", "postgres.ident_file"}


def settle(data_dir: Path, *words: str, token: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    argv, given = [sys.executable, "-m", "core.cli", *words], {"SETTLE_TOKEN": token} if token else {}
    variables = environment(data_dir) | given
    return subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60, check=False)


class Run:
    """A `settle up` with its own folder and port."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.data_dir = folder / "var"
        self.port = free_port("127.0.0.1", 0)
        self._screen = folder / "screen"
        with self._screen.open("wb") as screen:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core.cli", "up", "--no-sample", "--port", str(self.port)],
                env=environment(self.data_dir) | variables,
                stdout=screen,
                stderr=subprocess.STDOUT,
            )

    def screen(self) -> str:
        return self._screen.read_text()

    def wait_for_output(self, words: str) -> None:
        def is_shown() -> bool:
            assert self.process.poll() is None, self.screen()
            return words in self.screen()

        eventually(is_shown, seconds=READY_SECONDS)

    def pid_of(self, words: str) -> int:
        """Return the oldest of its processes whose command line contains the words."""
        found = [one.pid for one in family_of(self.process.pid) if words in command_of(one)]
        assert found, words
        return min(found)


def start(folder: Path, **variables: str) -> Run:
    run = Run(folder, **variables)
    run.wait_for_output("Press Ctrl-C to stop everything")
    return run


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """A ready run, which restarts whatever a test kills."""
    with open_folder() as folder:
        run = start(folder)
        yield run
        run.process.terminate()
        run.process.wait()


def test_a_second_run_in_the_same_folder_is_refused_with_the_address(run: Run) -> None:
    second = settle(run.data_dir, "up")

    assert second.returncode == 1
    assert f"already running in {run.data_dir}, at http://127.0.0.1:{run.port}." in second.stderr


def test_a_port_in_use_is_refused_with_the_remedy_and_creates_nothing(run: Run, tmp_path: Path) -> None:
    other = settle(tmp_path / "other", "up", "--port", str(run.port))

    assert other.returncode == 1
    cure = 'choose another: settle up --port 8011, or make run ARGS="--port 8011"'
    assert other.stderr == f"Port {run.port} on 127.0.0.1 is in use; {cure}.\n"
    assert not (tmp_path / "other").exists()


def test_the_output_lists_the_addresses_of_pages_and_api(run: Run) -> None:
    shown = [line.split()[:2] for line in run.screen().splitlines() if line.startswith("  ")]

    assert ["Pages", f"http://localhost:{run.port}"] in shown
    assert ["API", f"http://localhost:{run.port}/api/v1/docs"] in shown


def test_other_commands_find_the_servers_of_the_run(run: Run, tmp_path: Path) -> None:
    assert settle(run.data_dir, "migrate").returncode == 0

    elsewhere = settle(tmp_path, "migrate")

    assert elsewhere.returncode == 1
    assert "make run" in elsewhere.stderr


def test_a_killed_worker_is_restarted(run: Run) -> None:
    killed = run.pid_of("--queues settle")

    os.kill(killed, signal.SIGKILL)

    run.wait_for_output("worker-settle ended (signal 9)")
    eventually(lambda: any("--queues settle" in command_of(one) for one in family_of(run.process.pid)))
    assert run.pid_of("--queues settle") != killed


def test_a_killed_database_is_restarted(run: Run) -> None:
    os.kill(run.pid_of("bin/postgres"), signal.SIGKILL)

    run.wait_for_output("database ended (signal 9)")

    eventually(lambda: settle(run.data_dir, "migrate").returncode == 0, seconds=60)


def flower(run: Run, path: str, *, password: str | None = None, method: str = "GET") -> int:
    """Send a request to Flower. Return the status."""
    servers = run_lock.find_running_servers(run.data_dir)
    assert servers is not None
    port = urlsplit(servers.flower_url).port
    assert port is not None
    return ask(port, method, path, headers=basic("ops", password) if password else {}).status


def test_flower_requires_its_password_and_is_read_only(run: Run) -> None:
    password = (run.data_dir / "flower_password").read_text().strip()

    assert flower(run, "/workers") == 401
    assert flower(run, "/workers", password=password) == 200
    assert flower(run, "/api/worker/shutdown/settle", password=password, method="POST") == 403


def test_stored_files_and_secrets_are_unreadable_by_other_users(run: Run) -> None:
    readable = {path.name for path in run.data_dir.iterdir() if path.stat().st_mode & 0o044 and path.is_file()}
    secret = json.loads((run.data_dir / "run.json").read_text())["database_url"]

    # The rules hold no secret, and a server under another account must read them.
    assert readable == (ACCESS_RULES if os.geteuid() == 0 else set())
    assert not any(secret in command_of(one) for one in family_of(run.process.pid))


def test_sigterm_stops_every_process_in_order(folder: Path) -> None:
    run = start(folder)
    family = family_of(run.process.pid)

    run.process.terminate()

    assert run.process.wait(60) == 0, run.screen()
    assert not living(family)
    assert re.search(r"Stopping …\nStopped.\n$", run.screen())
    assert "database system is shut down" in (run.data_dir / "log" / "database.log").read_text()


def test_servers_given_by_url_are_used_and_none_are_started(folder: Path, database_url: str, broker_url: str) -> None:
    run = start(folder, SETTLE_DATABASE_URL=database_url, SETTLE_BROKER_URL=broker_url)

    commands = " ".join(map(command_of, family_of(run.process.pid)))
    run.process.terminate()

    assert run.process.wait(60) == 0, run.screen()
    assert "celery" in commands
    assert not re.search(r"postgres -D|valkey-server|redis-server", commands)
    assert not (run.data_dir / "postgres").exists()


def test_a_dead_broker_given_by_url_is_reported_and_a_job_settles_without_it(folder: Path, database_url: str) -> None:
    dead = f"redis://127.0.0.1:{free_port('127.0.0.1', 0)}/0"
    run = start(folder, SETTLE_DATABASE_URL=database_url, SETTLE_BROKER_URL=dead)
    practice, token = ("--practice", "Hill Clinic"), ""
    for words in (
        ("sample", *practice, "--claims", "25"),
        ("user", "add", "ann@hill.example", *practice, "--role", "admin", "--limit", "unlimited"),
        ("token", "add", "ann@hill.example"),
        ("preview", "--all", "--reason", "charity"),
        ("confirm", "1", "--confirmation", "CONFIRM", "--cost-share-reason", "Hardship"),
        ("watch", "1"),
    ):
        done = settle(run.data_dir, *words, token=token)
        assert done.returncode == 0, done.stderr
        token = done.stdout.strip() if words[0] == "token" else token

    run.process.terminate()

    assert run.process.wait(60) == 0, run.screen()
    assert "The broker at SETTLE_BROKER_URL does not accept hints. Jobs and schedules run without them." in run.screen()
    assert "The broker's host refuses the connection." in (run.data_dir / "log" / "hint.log").read_text()


def test_a_killed_run_leaves_no_process_behind_and_the_next_run_starts(folder: Path) -> None:
    run = start(folder)
    family = family_of(run.process.pid)
    run.process.kill()
    run.process.wait()

    eventually(lambda: not living(family), seconds=30)

    again = start(folder)
    again.process.terminate()
    assert again.process.wait(60) == 0


@pytest.mark.parametrize("log", ["database.log", "broker.log", "worker-settle.log", "web.log"])
def test_ctrl_c_during_startup_leaves_no_process_behind(folder: Path, log: str) -> None:
    run = Run(folder)
    eventually((run.data_dir / "log" / log).exists, seconds=READY_SECONDS)
    family = family_of(run.process.pid)

    run.process.send_signal(signal.SIGINT)

    assert run.process.wait(60) == 0, run.screen()
    assert not living(family)
