"""Everything that the docs mention exists: commands with their options, settings, and retention times."""

import ast
import datetime as dt
import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest

from core.cli import TRACE_VARIABLE, main
from core.jobs.approval.decide import APPROVAL_EXPIRES_AFTER
from core.jobs.approval.inbox import NEWS_LIFE
from core.jobs.execution.sweep import ITEMS_KEPT_FOR, ITEMS_REMOVED_PER_SWEEP_MAX
from core.jobs.preview.freezing import PREVIEW_EXPIRES_AFTER
from core.schedules.run_mail import MAIL_EXPIRES_AFTER
from core.settings import HINT_EXPIRES_SECONDS, HINTS_WAITING_MAX, Settings

HOUSE = Path(__file__).parents[2]
DOCUMENTS = {path.name: path.read_text() for path in (HOUSE / "README.md", *(HOUSE / "docs").glob("*.md"))}
OPERATIONS = DOCUMENTS["operations.md"]
RUNNERS = {"typed", "settle", "facts", "case"}  # the tests' functions that run `settle` with their arguments
# In order: read before the settings, read only by tests, part of an error message, an example, read only by tests.
NO_FIELDS = {
    "SETTLE_SECRETS_DIR", "SETTLE_SYNTHEA_DIR", "SETTLE_X12_DIR", TRACE_VARIABLE, "SETTLE_NAME",
    "SETTLE_MUTATION_SEEDS", "SETTLE_CHAIN_SEEDS",
}  # fmt: skip


def code_of_documents() -> str:
    """Return every block and span of code in the docs, joined by newlines."""
    code = []
    for text in DOCUMENTS.values():
        code += re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
        spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        code += [" ".join(span.split()) for span in spans]
    return "\n".join(code)


def commands() -> set[tuple[str, ...]]:
    """Return the words of every `settle …` in the docs' code."""
    lines = re.findall(r"(?:^|\s)settle ([a-z][^\n#|<>;]*)", code_of_documents(), re.MULTILINE)
    return {tuple(shlex.split(line)) for line in lines}


def command_and_rest(words: tuple[str, ...]) -> tuple[click.Command, tuple[str, ...]]:
    """Return the command with that name, and the words after its name."""
    command: click.Command = main
    for count, word in enumerate(words):
        if not isinstance(command, click.Group) or word.startswith("-"):
            return command, words[count:]
        found = command.get_command(click.Context(command), word)
        assert found is not None, words
        command = found
    return command, ()


@cache
def commands_that_tests_run() -> set[tuple[str, ...]]:
    """Return the first strings of each call that runs a command, and each service's command in the compose file."""
    of_compose = re.findall(r"command: \[settle, (.*)\]", (HOUSE / "docker-compose.yml").read_text())
    run = {tuple(words.split(", ")) for words in of_compose}  # tests/acceptance/test_compose.py starts them all
    for folder in ("core/cli", "core/local", "acceptance"):
        for path in (HOUSE / "tests" / folder).glob("test_*.py"):
            calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
            run |= {strings_of(call) for call in calls if ast.unparse(call.func).split(".")[-1] in RUNNERS}
    return run


def strings_of(call: ast.Call) -> tuple[str, ...]:
    """Return the call's strings up to the first argument of another type. A folder may come before them."""
    strings: list[str] = []
    for argument in call.args:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            strings.append(argument.value)
        elif strings:
            break
    return tuple(strings)


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_each_documented_command_exists_with_its_options(words: tuple[str, ...]) -> None:
    command, rest = command_and_rest(words)
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}

    assert {word for word in rest if word.startswith("--")} <= options


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_each_documented_command_is_run_by_a_test(words: tuple[str, ...]) -> None:
    _, rest = command_and_rest(words)
    name = words[: len(words) - len(rest)]

    assert any(run[: len(name)] == name for run in commands_that_tests_run())


def test_each_documented_make_target_is_run_by_the_checks_or_by_a_test() -> None:
    written = set(re.findall(r"\bmake ([a-z]+)", code_of_documents()))
    makefile = (HOUSE / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    by_targets = set(re.findall(r"\$\(MAKE\).* ([a-z]+) [A-Z]+=", makefile))
    by_checks = set(re.findall(r"^make ([a-z]+)", (HOUSE / ".ci" / "run").read_text(), re.MULTILINE))
    tests = "\n".join(path.read_text() for path in (HOUSE / "tests" / "acceptance").glob("test_*.py"))
    by_tests = set(re.findall(r'\["make", "([a-z]+)"', tests))

    assert {"run", "test", "soak"} <= written <= targets
    need_other_servers = {"audit", "images"}  # advisories and a registry of images, which CI does not reach
    assert written <= by_checks | by_targets | by_tests | need_other_servers


def test_each_file_that_the_readme_names_exists() -> None:
    paths = re.findall(r"[`(]((?:core|webui|worker|tests|docs)/[\w/.-]+\.\w+)[`)]", DOCUMENTS["README.md"])
    written = {path for path in paths if "_STATUS" not in path}

    assert len(written) > 40
    assert {path for path in written if not (HOUSE / path).exists()} == set()


def test_each_name_that_the_readme_places_in_a_file_is_there() -> None:
    places = re.findall(r"((?:`\w+`(?: and )?)+) in `([\w/]+\.py)`", DOCUMENTS["README.md"])
    named = [(name, path) for names, path in places for name in re.findall(r"\w+", names) if name != "and"]

    assert len(named) > 10
    assert [(name, path) for name, path in named if not re.search(rf"\b{name}\b", (HOUSE / path).read_text())] == []


def test_each_documented_setting_belongs_to_the_product_or_the_compose_file() -> None:
    fields = {f"SETTLE_{name.upper()}" for name in Settings.model_fields}
    of_compose = set(re.findall(r"\$\{(\w+)", (HOUSE / "docker-compose.yml").read_text()))
    written = {name for text in DOCUMENTS.values() for name in re.findall(r"\bSETTLE_[A-Z_]+\b", text)}

    assert written - fields - of_compose <= NO_FIELDS
    table_of_env = "".join(re.findall(r"^  \| (`.*?) \|", OPERATIONS, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", table_of_env)) == of_compose


@pytest.mark.parametrize(
    ("written", "kept", "meant"),
    [
        ("it expires after an hour", PREVIEW_EXPIRES_AFTER, dt.timedelta(hours=1)),
        ("are then removed, 20,000 in each sweep", ITEMS_REMOVED_PER_SWEEP_MAX, 20_000),
        ("| seven days, then it expires", APPROVAL_EXPIRES_AFTER, dt.timedelta(days=7)),
        ("or the expiry, for seven days after it", NEWS_LIFE, dt.timedelta(days=7)),
        ("| 30 days; its counts and dollars remain", ITEMS_KEPT_FOR, dt.timedelta(days=30)),
        ("| retried for three days", MAIL_EXPIRES_AFTER, dt.timedelta(days=3)),
        ("| 30 minutes without a click", Settings.model_fields["session_idle_minutes"].default, 30),
        ("discards those older than 60 seconds", HINT_EXPIRES_SECONDS, 60),
        ("At most about 500 wait in a queue", 2 * HINTS_WAITING_MAX, 512),
    ],
)
def test_documented_retention_times_and_limits_match_the_code(written: str, kept: object, meant: object) -> None:
    assert written in OPERATIONS
    assert kept == meant
