"""A forked process behaves like the program that it stands for."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from core.local import programs
from core.local.guardian import Guardian, StopPolicy
from core.settings import Settings
from tests.forks import ForkingGuardian


@pytest.mark.parametrize(
    ("words", "said"),
    [(["gunicorn", "--version"], "version"), (["celery", "--app", "worker.app", "beat"], "SETTLE_LOG_LEVEL")],
)
def test_a_fork_ends_with_the_exit_code_and_the_output_of_the_program(
    words: list[str], said: str, tmp_path: Path
) -> None:
    ends = []
    for guardian in (Guardian(), ForkingGuardian()):
        with guardian:
            child = guardian.start(
                [sys.executable, "-m", *words], log=tmp_path / type(guardian).__name__, ending=StopPolicy(),
                env={**os.environ, "SETTLE_LOG_LEVEL": "loud"},
            )  # fmt: skip
            code = child.process.wait(60)
        ends.append((code, (tmp_path / type(guardian).__name__).read_text()))

    assert ends[0] == ends[1]
    assert said in ends[0][1]


def test_a_fork_is_a_child_with_its_own_session_and_can_be_killed(tmp_path: Path) -> None:
    with ForkingGuardian() as guardian:
        child = guardian.start(programs.beat(Settings()), log=tmp_path / "beat.log", ending=StopPolicy())

        assert "tests.fork_server" in psutil.Process(child.pid).cmdline()
        assert psutil.Process(child.pid).ppid() == os.getpid()
        assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid
        assert child.is_running()
        child.kill()

        assert child.process.poll() == -signal.SIGKILL


def test_a_process_with_a_variable_for_its_libraries_is_executed(tmp_path: Path) -> None:
    with ForkingGuardian() as guardian:
        environment = {**os.environ, "PYTHONTZPATH": str(tmp_path)}
        child = guardian.start(
            programs.beat(Settings()), log=tmp_path / "beat.log", env=environment, ending=StopPolicy()
        )

        assert "tests.fork_server" not in psutil.Process(child.pid).cmdline()
