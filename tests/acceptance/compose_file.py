"""`docker-compose.yml` as Compose reads it: merged, with its variables replaced by their values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

HOUSE = Path(__file__).parents[2]
COMPOSE_FILE = HOUSE / "docker-compose.yml"

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<form>:?[-?])(?P<word>[^}]*))?\}|(?P<odd>.?))")


class NotSet(Exception):
    """A variable without a default is not set."""


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """Return the value with ${NAME}, ${NAME:-default} and ${NAME:?message} replaced, and $$ as $."""
    if isinstance(value, dict):
        return {name: interpolated(inner, variables) for name, inner in value.items()}
    if isinstance(value, list):
        return [interpolated(inner, variables) for inner in value]
    return _VARIABLE.sub(lambda found: _put_in(found, variables), value) if isinstance(value, str) else value


def _put_in(found: "re.Match[str]", variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    assert found["name"], f"{found[0]!r} is no form that Compose knows"
    given = variables.get(found["name"])
    is_missing = not given if (found["form"] or "").startswith(":") else given is None
    if not is_missing:
        return given or ""
    if (found["form"] or "").endswith("?"):
        raise NotSet(f"{found['name']}: {found['word']}")
    return found["word"] or ""


def image_environment() -> dict[str, str]:
    """Return what the product's image adds to the environment of each container, except PATH."""
    *_, words = re.findall(r"^ENV (.*)$", (HOUSE / "Dockerfile").read_text(), re.MULTILINE)
    given = dict(word.split("=", 1) for word in words.split())
    return {name: value for name, value in given.items() if name != "PATH"}


@dataclass(frozen=True)
class Service:
    """One service of the file."""

    name: str
    says: Mapping[str, Any]

    @property
    def command(self) -> list[str]:
        """Return the words of its command."""
        return [str(word) for word in self.says["command"]]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment that the file sets."""
        return {name: str(value) for name, value in self.says.get("environment", {}).items()}

    @property
    def replicas(self) -> int:
        """Return how many containers of it there are."""
        return int(self.says.get("deploy", {}).get("replicas", 1))

    @property
    def needs(self) -> dict[str, str]:
        """Return the services that it depends on, and the condition for each."""
        return {name: needed["condition"] for name, needed in self.says.get("depends_on", {}).items()}

    @property
    def health_check(self) -> list[str] | None:
        """Return the words of its health check."""
        test = self.says.get("healthcheck", {}).get("test")
        if test is None:
            return None
        kind, *words = test
        assert kind in {"CMD", "CMD-SHELL"}, kind
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else list(words)

    @property
    def grace_seconds(self) -> int:
        """Return how long it may take to stop."""
        return int(str(self.says.get("stop_grace_period", "10s")).removesuffix("s"))


@dataclass(frozen=True)
class ComposeFile:
    """The file with `variables` replaced, as from .env and the caller's environment."""

    variables: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def content(self) -> dict[str, Any]:
        """Return the whole file."""
        read = interpolated(yaml.safe_load(COMPOSE_FILE.read_text()), self.variables)
        assert isinstance(read, dict)
        return read

    @cached_property
    def services(self) -> dict[str, Service]:
        """Return its services, each after those that it depends on."""
        unordered = {name: Service(name, says) for name, says in self.content["services"].items()}
        ordered: dict[str, Service] = {}
        while unordered:
            ready = [service for service in unordered.values() if service.needs.keys() <= ordered.keys()]
            assert ready, f"{sorted(unordered)} wait for each other"
            for service in ready:
                ordered[service.name] = unordered.pop(service.name)
        return ordered
