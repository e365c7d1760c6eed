"""`docker-compose.yml` as Compose reads it: merged, with the defaults of its variables."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

HOUSE = Path(__file__).parents[2]
COMPOSE_FILE = HOUSE / "docker-compose.yml"

# Compose knows more forms. The file uses ${NAME:-default}, and $$ for $.
_VARIABLE = re.compile(r"\$(?:\$|\{\w+:-([^}]*)\})")


def with_defaults(text: str) -> str:
    """Return the text with the default of each variable."""
    assert "$" not in _VARIABLE.sub("", text), "another form of a variable"
    return _VARIABLE.sub(lambda found: "$" if found[1] is None else found[1], text)


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
    def secrets(self) -> dict[str, str]:
        """Return the secret of each file in its folder of secrets."""
        given = (
            one if isinstance(one, dict) else {"source": one, "target": one} for one in self.says.get("secrets", ())
        )
        return {one["target"]: one["source"] for one in given}

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


# The whole file. Its variables are replaced in JSON, because its comments contain one too.
CONTENT: dict[str, Any] = json.loads(with_defaults(json.dumps(yaml.safe_load(COMPOSE_FILE.read_text()))))

_UNORDERED = {name: Service(name, says) for name, says in CONTENT["services"].items()}
_NEEDS = TopologicalSorter({name: service.needs for name, service in _UNORDERED.items()})
SERVICES = {name: _UNORDERED[name] for name in _NEEDS.static_order()}  # each after those that it depends on
