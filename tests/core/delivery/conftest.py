"""A receiver of webhooks: a process of its own."""

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.access.permissions import Actor
from core.delivery.send import send_due
from core.jobs.keys import JobKey
from core.models.notices import Webhook
from core.notices import webhooks
from core.settings import load_settings
from tests.factories import NOW, GivenPractice
from tests.waiting import eventually

AT = NOW + dt.timedelta(minutes=5)  # after the jobs, whose clock starts at NOW


@dataclass
class Receiver:
    """The running receiver, and what it got."""

    folder: Path

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{(self.folder / 'port').read_text()}{path}"

    def got(self, path: str | None = None) -> list[dict[str, Any]]:
        """Return the requests, oldest first."""
        file = self.folder / "requests"
        lines = file.read_text().splitlines() if file.exists() else []
        return [one for one in map(json.loads, lines) if path in (None, one["path"])]

    def ids(self, path: str) -> list[str]:
        return [one["headers"]["webhook-id"] for one in self.got(path)]

    def comes_up(self) -> None:
        """Answer what failed and hung until now."""
        (self.folder / "up").touch()


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Run the receiver, on an installation whose webhooks may lead to this machine."""
    monkeypatch.setenv("SETTLE_WEBHOOK_REACH", "loopback")
    monkeypatch.setenv("SETTLE_PUBLIC_URL", "https://settle.lakeside.example")
    load_settings.cache_clear()
    argv = [sys.executable, "-m", "tests.core.delivery.receiver", str(tmp_path)]
    with subprocess.Popen(argv) as process:
        eventually((tmp_path / "port").exists)
        yield Receiver(tmp_path)
        process.kill()
    load_settings.cache_clear()


@dataclass
class Hooked:
    """A practice with an administrator, on a clock that the test sets."""

    practice: GivenPractice
    admin: Actor

    def add(self, url: str, *kinds: str) -> Webhook:
        given = {"url": url, "kinds": kinds or webhooks.KINDS, "reach": "loopback", "by": self.admin}
        webhook: Webhook = self.practice.act(webhooks.add, **given)
        return webhook

    def settle(self, count: int = 1, *, first: int = 1) -> JobKey:
        """Settle some claims in a job of its own."""
        numbers = self.practice.claims(count, first=first)
        return self.practice.settle({"claim_ids": numbers}, key=f"job of {first}")

    def send(self, now: dt.datetime = AT) -> int:
        """Send until nothing is due or accepted."""
        total = 0
        while sent := send_due(self.practice.sessions, clock=lambda: now):
            total += sent
        return total


@pytest.fixture
def hooked(practice: GivenPractice, admin: Actor) -> Hooked:
    return Hooked(practice, admin)
