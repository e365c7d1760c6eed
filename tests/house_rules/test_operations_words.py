"""What the documents name is there: commands and their options, settings, and how long things are kept."""

import datetime as dt
import re
import shlex
from pathlib import Path

import click
import pytest

from core.cli import TRACE, main
from core.jobs.approval import APPROVAL_LIFE
from core.jobs.commands import PREVIEW_LIFE
from core.jobs.sweep import ITEMS_REMOVED_PER_SWEEP_MAX, REPORT_LIFE
from core.jobs.waiting import NEWS_LIFE
from core.schedules.runs import MAIL_LIFE
from core.settings import HINT_EXPIRES_SECONDS, HINTS_WAITING_MAX, Settings

HOUSE = Path(__file__).parents[2]
DOCUMENTS = {path.name: path.read_text() for path in (HOUSE / "README.md", *(HOUSE / "docs").glob("*.md"))}
OPERATIONS = DOCUMENTS["operations.md"]
# Read before the settings are; read by tests alone; shows an error's words; an example.
NO_FIELDS = {"SETTLE_SECRETS_DIR", "SETTLE_SYNTHEA_DIR", TRACE, "SETTLE_NAME"}


def commands() -> set[tuple[str, ...]]:
    """The words of every `settle …` that stands in a block or a span of code."""
    found = set()
    for text in DOCUMENTS.values():
        blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
        spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        code = [*blocks, *(" ".join(span.split()) for span in spans)]
        lines = re.findall(r"(?:^|\s)settle ([a-z][^\n#|<>;]*)", "\n".join(code), re.MULTILINE)
        found |= {tuple(shlex.split(line)) for line in lines}
    return found


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_a_command_that_is_written_down_is_there_with_its_options(words: tuple[str, ...]) -> None:
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest.pop(0))
        assert found is not None, words
        command = found
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}

    assert {word for word in rest if word.startswith("--")} <= options


def test_a_setting_that_is_written_down_is_one_of_the_product_or_of_the_compose_file() -> None:
    fields = {f"SETTLE_{name.upper()}" for name in Settings.model_fields}
    of_compose = set(re.findall(r"\$\{(\w+)", (HOUSE / "docker-compose.yml").read_text()))
    written = {name for text in DOCUMENTS.values() for name in re.findall(r"\bSETTLE_[A-Z_]+\b", text)}

    assert written - fields - of_compose <= NO_FIELDS
    table_of_env = "".join(re.findall(r"^  \| (`.*?) \|", OPERATIONS, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", table_of_env)) == of_compose


@pytest.mark.parametrize(
    ("written", "kept", "meant"),
    [
        ("it expires after an hour", PREVIEW_LIFE, dt.timedelta(hours=1)),
        ("are then removed, 20,000 at a sweep", ITEMS_REMOVED_PER_SWEEP_MAX, 20_000),
        ("| seven days, then it expires", APPROVAL_LIFE, dt.timedelta(days=7)),
        ("shown to who asked for seven more", NEWS_LIFE, dt.timedelta(days=7)),
        ("| 30 days; its counts and dollars stay", REPORT_LIFE, dt.timedelta(days=30)),
        ("| tried for three days", MAIL_LIFE, dt.timedelta(days=3)),
        ("| 30 minutes without a click", Settings.model_fields["session_idle_minutes"].default, 30),
        ("throws away those older than 60 seconds", HINT_EXPIRES_SECONDS, 60),
        ("At most some 500 wait in a queue", 2 * HINTS_WAITING_MAX, 512),
    ],
)
def test_how_long_something_is_kept_is_what_is_written(written: str, kept: object, meant: object) -> None:
    assert written in OPERATIONS
    assert kept == meant
