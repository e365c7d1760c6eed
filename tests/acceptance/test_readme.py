"""Type what the README says to type: `make run`, then each line of its blocks, at a terminal."""

import os
import re
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from core.local.connectivity import free_port
from tests.core.local.conftest import READY_SECONDS, environment
from tests.folders import open_folder
from tests.processes import family_of, living
from tests.waiting import eventually

HOUSE = Path(__file__).parents[2]
README = (HOUSE / "README.md").read_text()
LINE_SECONDS = 120
PASSWORD = secrets.token_urlsafe()
# What a user types below each question. An unknown question times out.
ANSWERS = {
    "Password (at least": PASSWORD,
    "Repeat for confirmation": PASSWORD,
    "Reason for writing off": "Hardship, looked into",
    "Type CONFIRM": "CONFIRM",
}
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def block_with(words: str) -> list[str]:
    """Return the lines of the README's block that contains the words, without comment lines."""
    (block,) = [block for block in BLOCKS if words in block]
    return [line for line in block.splitlines() if not line.lstrip().startswith("#")]


class Newcomer:
    """A user at a terminal in the README's folder, with `make run` in another terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".venv").symlink_to(HOUSE / ".venv")  # keeps files that a command writes here out of the sources
        port, flower_port = free_port("127.0.0.1", 0), free_port("127.0.0.1", 0)
        self._environment = environment(folder / "var") | {"SETTLE_FLOWER_PORT": str(flower_port)}
        self._aliases: list[str] = []
        self._screen = folder / "screen"
        with self._screen.open("wb") as screen:
            self.run = subprocess.Popen(
                ["make", "run", f"ARGS=--port {port}"], cwd=HOUSE, env=self._environment,
                stdout=screen, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def screen(self) -> str:
        return self._screen.read_text()

    def is_ready(self) -> bool:
        assert self.run.poll() is None, self.screen()
        return "Press Ctrl-C to stop everything" in self.screen()

    def press_ctrl_c(self) -> None:
        """Signal the whole foreground group, as a terminal does."""
        os.killpg(self.run.pid, signal.SIGINT)
        self.run.wait(60)

    def types(self, line: str) -> str:
        """Type the line, answer its questions, and return what the screen shows. The line must succeed."""
        if line.startswith("alias "):
            self._aliases.append(line)
            return ""
        master, slave = os.openpty()
        # A session leader that opens a terminal controls it, so that a command can ask for a password.
        words = ["shopt -s expand_aliases", f"exec <>{os.ttyname(slave)} >&0 2>&1", *self._aliases, line]
        shell = subprocess.Popen(
            ["bash", "-ec", "\n".join(words)], cwd=self.folder, env=self._environment,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            shown = _answered(shell, master, {**ANSWERS, **self._sign_in()})
        finally:
            shell.kill()
            os.close(master)
            os.close(slave)
        assert shell.wait() == 0, (line, shown)
        return shown

    def _sign_in(self) -> dict[str, str]:
        """Return the e-mail address and the password that `make run` printed, by their questions."""
        found = re.search(r"Sign in +(\S+) +password: (\S+)", self.screen())
        assert found, self.screen()
        return {"E-mail: ": found[1], "Password: ": found[2]}


def _answered(shell: "subprocess.Popen[bytes]", master: int, answers: Mapping[str, str]) -> str:
    """Read the terminal until the shell ends, and answer each question once."""
    shown, asked_from, until = "", 0, time.monotonic() + LINE_SECONDS
    while True:
        ended = shell.poll() is not None  # checked first, so that the output before the end is still read
        readable, _, _ = select.select([master], [], [], 0.05)
        if readable:
            shown += os.read(master, 65_536).decode(errors="replace")
        elif ended:
            return shown
        assert time.monotonic() < until, shown
        for question, answer in answers.items():
            if question in shown[asked_from:] and shown.endswith(": "):
                asked_from = len(shown)
                os.write(master, f"{answer}\n".encode())


def job_in(shown: str) -> str:
    """Return the number of the job that a preview shows."""
    found = re.search(r"Job (\d+)", shown)
    assert found, shown
    return found[1]


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Newcomer]:
    """Yield a user whose `make run` is ready."""
    with open_folder() as folder:
        newcomer = Newcomer(folder)
        family = family_of(newcomer.run.pid)
        try:
            eventually(newcomer.is_ready, seconds=READY_SECONDS)
            family = family_of(newcomer.run.pid)
            yield newcomer
        finally:
            newcomer.press_ctrl_c()
        assert "Stopped." in newcomer.screen()
        assert not living(family)


def test_each_readme_line_of_the_job_by_command_works(newcomer: Newcomer) -> None:
    job = ""
    for line in block_with("settle preview"):
        shown = newcomer.types(line.replace("JOB", job))
        if line.startswith(("settle preview", "settle reverse")):
            job = job_in(shown)
        if line.startswith("settle watch"):
            assert re.search(r"[1-9][\d,]* claims? settled", shown), shown

    newcomer.types(f"settle confirm {job}")
    newcomer.types(f"settle watch {job}")
    assert "invariants hold." in newcomer.types("settle verify")
    assert list(newcomer.folder.glob("job-*-not-settled.csv"))


def test_the_readmes_demo_practice_is_created_with_its_administrator(newcomer: Newcomer) -> None:
    (line,) = block_with("settle sample")
    assert " 1000000 " in line

    shown = newcomer.types(line.replace(" 1000000 ", " 2000 "))

    assert "Big Lake Clinic has 2,000 claims." in shown
    assert "big@lake.example has the role admin in Big Lake Clinic" in shown


def test_the_readmes_own_practice_is_created_with_its_administrator(newcomer: Newcomer) -> None:
    (line,) = block_with("you@clinic.example")

    shown = newcomer.types(line)

    assert "CREATED A NEW PRACTICE: Your Clinic." in shown
    assert "you@clinic.example has the role admin in Your Clinic" in shown
