"""A program that dies is restarted a bounded number of times."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.local.guardian import Child, Guardian, StopPolicy
from core.local.log_files import rotate_large_logs
from core.local.restart_policy import RESTARTS_MAX, RestartLimitReached, SupervisedProgram
from tests.processes import family_of, living
from tests.waiting import eventually


class Program:
    """A supervised shell script, on a clock that the test sets."""

    def __init__(self, script: str, guardian: Guardian, folder: Path, *, essential: bool = False) -> None:
        self.messages: list[str] = []
        self.started: list[Child] = []
        self._log = folder / "program.log"
        self._argv = ["/bin/sh", "-c", script]
        self._guardian = guardian
        self.supervised = SupervisedProgram(
            "program", self._start, self._log, self.messages.append, essential=essential
        )
        self.supervised.start()
        self.now = 0.0

    def _start(self) -> Child:
        self.started.append(self._guardian.start(self._argv, log=self._log, ending=StopPolicy()))
        return self.started[-1]

    def look_after_its_end(self) -> None:
        eventually(lambda: not self.started[-1].is_running())
        self.supervised.look(self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.supervised.look(self.now)

    def die_until(self, finished: Callable[[], bool]) -> None:
        while not finished():
            self.look_after_its_end()
            self.pass_time(seconds=8)


def test_a_program_that_died_is_restarted_after_a_pause(guardian: Guardian, folder: Path) -> None:
    program = Program("sleep 600", guardian, folder)
    program.started[0].kill()

    program.look_after_its_end()
    assert len(program.started) == 1
    program.pass_time(seconds=1)

    assert len(program.started) == 2
    assert program.started[1].is_running()
    assert program.messages == [f"program ended (signal 9). Log: {folder / 'program.log'}"]


def test_a_program_that_keeps_dying_stays_down_while_the_others_run(guardian: Guardian, folder: Path) -> None:
    program = Program("exit 3", guardian, folder)

    program.die_until(lambda: "will not be restarted" in program.messages[-1] if program.messages else False)
    program.pass_time(seconds=600)

    assert len(program.started) == 1 + RESTARTS_MAX
    expected = "ended 6 times within 60 seconds and will not be restarted. Everything else keeps running."
    assert expected in program.messages[-1]


def test_an_essential_program_that_keeps_dying_ends_the_run(guardian: Guardian, folder: Path) -> None:
    program = Program("exit 3", guardian, folder, essential=True)

    with pytest.raises(RestartLimitReached, match="nothing works without it"):
        program.die_until(lambda: False)


def test_a_program_that_dies_occasionally_is_always_restarted(guardian: Guardian, folder: Path) -> None:
    program = Program("exit 0", guardian, folder, essential=True)

    for _ in range(3 * RESTARTS_MAX):
        program.look_after_its_end()
        program.pass_time(seconds=61)

    assert len(program.started) == 1 + 3 * RESTARTS_MAX


def test_processes_left_in_a_dead_programs_group_are_ended(guardian: Guardian, folder: Path) -> None:
    program = Program("sleep 600 & sleep 600", guardian, folder)
    leader = program.started[0]
    eventually(lambda: len(family_of(leader.pid)) == 3)
    family = family_of(leader.pid)
    leader.process.kill()

    program.look_after_its_end()

    eventually(lambda: not living(family))


def test_a_log_that_grew_too_large_is_rotated_and_one_older_log_is_kept(guardian: Guardian, folder: Path) -> None:
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    Program(f"echo before; read line < '{fifo}'; echo after; sleep 600", guardian, folder)
    log = folder / "program.log"
    eventually(lambda: log.exists() and log.read_text())

    rotate_large_logs(folder, bytes_max=3)

    assert log.read_text() == ""
    assert (folder / "program.log.1").read_text() == "before\n"
    fifo.write_text("on\n")
    eventually(lambda: log.read_text() == "after\n")
