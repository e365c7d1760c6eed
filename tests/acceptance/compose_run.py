"""The compose file's services as processes of this machine.

Each runs its own command with the environment that the file sets, in the order and under the conditions that the file
names. Only what a container would change is replaced: host names, ports and the paths of mounted files.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

from core.local.connectivity import free_port
from core.local.guardian import Child, Guardian, StopPolicy
from tests.acceptance import compose_images
from tests.acceptance.compose_file import CONTENT, HOUSE, SERVICES, Service, image_environment
from tests.acceptance.compose_images import PostgresImage
from tests.acceptance.product import PATIENCE_SECONDS
from tests.folders import open_folder
from tests.waiting import eventually

HOST = "127.0.0.1"
VENV = Path(sys.executable).parent
_PORTS = ("5432", "6379", "8000", "5555")


@dataclass
class Container:
    """One running service, or one of its replicas."""

    name: str
    service: Service
    child: Child
    log: Path
    environment: dict[str, str]
    health_check: list[str] | None

    def log_text(self) -> str:
        """Return its log."""
        return self.log.read_text(errors="replace")

    def is_healthy(self) -> bool:
        """Run its health check, as Docker does. The service must be running, or have ended with success."""
        if self.health_check is None:
            return self.child.is_running()
        assert self.child.is_running(), f"{self.name}: {self.log_text()[-2_000:]}"
        return subprocess.run(self.health_check, env=self.environment, capture_output=True, check=False).returncode == 0

    def wait_until(self, condition: str) -> None:
        """Wait until the condition of a `depends_on` is true."""
        if condition == "service_completed_successfully":
            eventually(lambda: not self.child.is_running(), seconds=PATIENCE_SECONDS)
            assert self.child.process.returncode == 0, self.log_text()
        else:
            assert condition == "service_healthy", condition
            eventually(self.is_healthy, seconds=PATIENCE_SECONDS)

    def stop(self) -> int:
        """Stop it like `docker stop`, with its signal and grace period. Return the exit code."""
        self.child.request_stop()
        code = self.child.process.wait(self.service.grace_seconds)
        self.child.kill()  # the container's other processes end with its first
        return code


@dataclass
class Stack:
    """All containers by name. A replica's name includes its number."""

    guardian: Guardian
    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def up(self) -> None:
        """Start everything, each service after those that it depends on."""
        self.ports = {port: free_port(HOST, 0) for port in _PORTS}
        self._programs = compose_images.programs(self.folder / "programs")
        self._choose_secrets()
        for service in SERVICES.values():
            for needed, condition in service.needs.items():
                self.containers[f"{needed}-1"].wait_until(condition)
            for number in range(1, service.replicas + 1):
                self.start(service.name, number)

    def start(self, name: str, number: int) -> Container:
        """Start one container."""
        service = SERVICES[name]
        label = f"{name}-{number}"
        place = self.folder / label
        place.mkdir()
        environment = self._environment(service, place)
        words = [self._here(word, service, place) for word in service.command]
        user = None
        if name == "postgres":
            image = PostgresImage(service, volume=place / "volume", environment=environment)
            image.make_data()
            words, user = image.command(words), image.user
        if "worker" in words and service.replicas > 1:
            words += ["--name", label]  # each container would have its own host name
        if words[0] in {"settle", "sh"}:
            words[0] = str(shutil.which(words[0], path=environment["PATH"]))
        log = self.folder / f"{label}.log"
        stop = Signals[service.says["stop_signal"]] if "stop_signal" in service.says else SIGTERM
        assert stop in {SIGINT, SIGTERM}
        ending = StopPolicy(stop_signal=stop, grace_seconds=service.grace_seconds)
        child = self.guardian.start(words, log=log, ending=ending, env=environment, cwd=place, user=user)
        check = service.health_check
        made = Container(
            label, service, child, log, environment, check and [self._here(word, service, place) for word in check]
        )
        self.containers[label] = made
        return made

    def run(self, *words: str) -> str:
        """Run a command with the owner's environment, like `docker compose run migrate …`. Return its output."""
        owner = self.containers["migrate-1"]
        done = subprocess.run(
            [VENV / words[0], *words[1:]], env=owner.environment, cwd=self.folder / owner.name, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def down(self) -> dict[str, int]:
        """Stop everything, each service before those that it depends on. Return the exit codes."""
        order = [*SERVICES]
        waiting = sorted(self.containers.values(), key=lambda one: order.index(one.service.name), reverse=True)
        return {one.name: one.stop() for one in waiting if one.child.is_running()}

    def log_text(self, name: str) -> str:
        """Return the last lines of a container's log."""
        return "\n".join(self.containers[name].log_text().splitlines()[-20:])

    def database_url(self, *, user: str = "settle", password: str) -> str:
        """Return the URL of the database for a user with this password."""
        return f"postgresql://{user}:{password}@{HOST}:{self.ports['5432']}/settle"

    def _environment(self, service: Service, place: Path) -> dict[str, str]:
        """Return the environment from the file and from the image."""
        given = {name: self._here(value, service, place) for name, value in service.environment.items()}
        if "SETTLE_WEB_HOST" in given:
            given["SETTLE_WEB_PORT"] = str(self.ports["8000"])
        if "SETTLE_FLOWER_HOST" in given:
            given["SETTLE_FLOWER_PORT"] = str(self.ports["5555"])
        for file in service.says.get("env_file", ()):
            assert not file["required"]
            lines = (self.folder / file["path"]).read_text().splitlines()
            given = {**dict(line.split("=", 1) for line in lines), **given}
        of_the_image = image_environment() if service.name not in {"postgres", "redis"} else {}
        path = os.pathsep.join(map(str, [VENV, *self._programs, "/usr/bin", "/bin"]))
        return {"PATH": path, "HOME": str(place), "TMPDIR": str(place), **of_the_image, **given}

    def _here(self, word: str, service: Service, place: Path) -> str:
        """Return a word of the file with this machine's host names, ports and paths."""
        word = re.sub(r"(?<=[@/ ])(?:postgres|redis)(?=:\d| -p)|\b0\.0\.0\.0\b", HOST, word)
        word = re.sub(r"\b(?:5432|6379|8000|5555)\b", lambda found: str(self.ports[found[0]]), word)
        mounts = {"/run/secrets": self._mounted_secrets(service), "/tmp": place, "/data": place}  # noqa: S108
        mounts |= {config["target"]: HOUSE / CONTENT["configs"][config["source"]]["file"]
                   for config in service.says.get("configs", ())}  # fmt: skip
        paths = "|".join(map(re.escape, mounts))
        return re.sub(rf"(?<![\w.])(?:{paths})\b", lambda found: str(mounts[found[0]]), word)

    def _mounted_secrets(self, service: Service) -> Path:
        """Return a folder that contains only the service's own secrets."""
        folder = self.folder / f"{service.name}-secrets"
        if not folder.exists():
            folder.mkdir(mode=0o711)
            for name, secret in service.secrets.items():
                (folder / name).write_text(self.secrets[secret] + "\n")
                (folder / name).chmod(0o444)
        return folder

    def _choose_secrets(self) -> None:
        for name in CONTENT["secrets"]:
            self.secrets[name] = secrets.token_hex(24)
        self.secrets["settle_flower_basic_auth"] = f"ops:{secrets.token_hex(24)}"


@contextmanager
def compose_up(**settings: str) -> Iterator[Stack]:
    """Run `docker compose up` with these SETTLE_… in settle.env. At the end, none of its processes is left."""
    with open_folder() as folder, Guardian() as guardian:
        (folder / "settle.env").write_text("".join(f"SETTLE_{name}={value}\n" for name, value in settings.items()))
        running = Stack(guardian, folder)
        running.up()
        yield running
