"""Started processes end when their starter ends, whatever ended it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.local.guardian import Guardian, StopPolicy
from tests.processes import Process, family_of, living
from tests.waiting import eventually

_STARTER = """
import signal, sys, time
from pathlib import Path
from core.local.guardian import BROKER, DATABASE, FRONTS, WORKERS, Guardian, StopPolicy

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a suite under nohup hands it down ignored
guardian = Guardian()
for name, stage in ("database", DATABASE), ("broker", BROKER), ("worker", WORKERS), ("front", FRONTS):
    script = f"trap 'echo {name} >> order; exit' TERM; echo {name} >> begun; while :; do sleep 0.05; done"
    guardian.start(["/bin/sh", "-c", script], log=Path("log"), ending=StopPolicy(stage=stage))
stubborn = "trap '' TERM; echo stubborn >> begun; while :; do sleep 0.05; done"
guardian.start(["/bin/sh", "-c", stubborn], log=Path("log"), ending=StopPolicy(grace_seconds=0.2))
time.sleep(600)
"""


@pytest.fixture
def starter(tmp_path: Path) -> "subprocess.Popen[bytes]":
    """A process that started five others."""
    process = subprocess.Popen([sys.executable, "-c", _STARTER], cwd=tmp_path)
    begun = tmp_path / "begun"
    eventually(lambda: begun.exists() and len(begun.read_text().split()) == 5)
    return process


def end(process: "subprocess.Popen[bytes]", number: signal.Signals) -> set[Process]:
    family = family_of(process.pid)
    assert len(family) >= 7  # itself, the guard, and the five
    process.send_signal(number)
    process.wait(timeout=30)
    return family


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_no_process_outlives_its_starter_even_if_it_ignores_the_signal(
    starter: "subprocess.Popen[bytes]", number: signal.Signals
) -> None:
    family = end(starter, number)

    eventually(lambda: not living(family))


def test_what_creates_work_ends_first_and_the_database_ends_last(
    starter: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    family = end(starter, signal.SIGKILL)

    eventually(lambda: not living(family))
    assert (tmp_path / "order").read_text().split() == ["front", "worker", "broker", "database"]


def test_a_killed_guard_is_replaced_and_still_ends_the_children(tmp_path: Path) -> None:
    guardian = Guardian()
    child = guardian.start(["/bin/sleep", "600"], log=tmp_path / "log", ending=StopPolicy())
    guardian._guard.kill()  # like an outside kill
    guardian._guard.wait()

    guardian.look()
    guardian.close()

    eventually(lambda: not child.is_running())
