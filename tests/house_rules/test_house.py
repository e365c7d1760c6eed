"""The house rules that a machine can check."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from core import cli, settings
from core.enums.jobs import FINAL_STATUSES, IN_PROGRESS_STATUSES, OPEN_STATUSES, JobStatus
from core.jobs import codes
from core.jobs.lifecycle import TRANSITIONS
from core.policy.rule import RuleAction
from core.policy.rules import RULES

HOUSE = Path(__file__).parents[2]
FILE_LINES_MAX = 300  # a longer file usually has a second subject
STANDALONE = "core/audit/verify_package.py"  # an auditor carries this one file
STANDALONE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
SOURCES = sorted(
    path for package in ("core", "worker", "webui") for path in (HOUSE / package).rglob("*.py")
    if "migrations" not in path.parts
)  # fmt: skip
TEMPLATES = HOUSE / "webui" / "templates"
TEMPLATE_LINE_CHARACTERS_MAX = 120  # logic in a longer line cannot be reviewed


@cache
def modules() -> dict[str, ast.Module]:
    return {str(path.relative_to(HOUSE)): ast.parse(path.read_text()) for path in SOURCES}


def test_files_and_functions_stay_small() -> None:
    long = []
    for path in SOURCES:
        name, lines = str(path.relative_to(HOUSE)), len(path.read_text().splitlines())
        long += [name] if lines > (STANDALONE_LINES_MAX if name == STANDALONE else FILE_LINES_MAX) else []
        for node in ast.walk(modules()[name]):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                long += [f"{name}: {node.name}"] if node.end_lineno - node.lineno >= FUNCTION_LINES_MAX else []
    assert long == []


def test_no_import_renames_a_part_of_the_product() -> None:
    renamed = [
        f"{name}: {node.module}.{one.name} as {one.asname}"
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("core", "worker", "webui")
        for one in node.names
        if one.asname
    ]
    assert renamed == [], "one name for one thing: rename the module or the function instead"


def test_no_group_of_a_pattern_repeats_possessively() -> None:
    """Python 3.11.2 of Debian 12 rejects text that such a pattern matches; 3.11.5 mended it (gh-106052)."""
    texts = [
        (name, node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    ]

    assert [one for one in texts if re.search(r"\)(?:[*+?]|\{[0-9,]+\})\+", one[1])] == []


def test_every_command_is_found_in_the_module_that_declares_it() -> None:
    modules = [module.name for module in pkgutil.iter_modules(cli.__path__) if module.name != "__main__"]
    declared = {
        command.name: name
        for name in modules
        for command in getattr(importlib.import_module(f"core.cli.{name}"), "COMMANDS", ())
    }

    assert declared == cli.MODULE_OF


def test_every_task_name_that_is_sent_is_registered() -> None:
    # In a separate process, because Celery reads its settings only once.
    listed = subprocess.run(
        [sys.executable, "-c", "from worker.app import app; app.loader.import_default_modules(); print(*app.tasks)"],
        check=True, capture_output=True, text=True, cwd=HOUSE,
    ).stdout.split()  # fmt: skip
    sent = {value for name, value in vars(settings).items() if name.startswith("TASK_")}
    assert {task for task in listed if task.startswith("settle.")} == sent


def test_a_task_is_at_most_eight_lines() -> None:
    for node in ast.parse((HOUSE / "worker" / "tasks.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            assert len(node.body) <= 8, node.name


def test_every_job_status_has_its_page_part() -> None:
    parts = {path.stem.removeprefix("_") for path in (TEMPLATES / "jobs").glob("_*.html")}
    assert {status.value for status in JobStatus} <= parts


def test_no_line_of_a_template_is_longer_than_120_characters() -> None:
    for path in TEMPLATES.rglob("*.html"):
        place = path.relative_to(TEMPLATES)
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            assert len(line) <= TEMPLATE_LINE_CHARACTERS_MAX, f"{place}:{number}"


def test_what_only_pages_say_has_curly_apostrophes_like_the_templates() -> None:
    straight = re.compile(r"[A-Za-z]'(?:s|t|re|ve|ll|d)\b")
    found = []
    for name, module in modules().items():
        if name.startswith("webui/") and not name.startswith(("webui/api/", "webui/server/")):
            holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            bodies = [node.body[0] for node in ast.walk(module) if isinstance(node, holders) and node.body]
            docstrings = {body.value for body in bodies if isinstance(body, ast.Expr)}
            found += [
                f"{name}:{node.lineno}: {node.value}"
                for node in ast.walk(module)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings
                and straight.search(node.value)
            ]  # fmt: skip
    texts = {path.relative_to(HOUSE): path.read_text() for path in TEMPLATES.rglob("*.html")}
    outside = re.compile(r"\{[{%#].*?[}%#]\}|<[^>]+>", re.DOTALL)
    found += [str(path) for path, text in texts.items() if straight.search(outside.sub("", text))]
    assert found == []


def test_core_writes_straight_apostrophes_which_only_pages_curl() -> None:
    curly = re.compile(r"[A-Za-z]’")
    found = [
        f"{name}:{number}"
        for name in modules()
        if name.startswith(("core/", "worker/"))
        for number, line in enumerate((HOUSE / name).read_text().splitlines(), start=1)
        if curly.search(line)
    ]
    assert found == []


def test_the_table_reaches_and_leaves_every_job_status() -> None:
    reached = {target for _, target in TRANSITIONS} | {JobStatus.PREPARING}
    assert reached == set(JobStatus)
    dead_ends = set(JobStatus) - {source for source, _ in TRANSITIONS}
    assert dead_ends == set(FINAL_STATUSES) - {JobStatus.COMPLETED}, "a completed job's failures can be retried"
    assert set(IN_PROGRESS_STATUSES) & set(FINAL_STATUSES) == set()
    assert set(OPEN_STATUSES) & set(FINAL_STATUSES) == set()


def test_every_code_has_a_sentence() -> None:
    for code in [*(rule.code for rule in RULES), *codes.FAILURE_SENTENCES]:
        assert codes.describe(code) != code.replace("_", " ")
        assert codes.describe(code)[0].isupper()


def test_every_rule_that_skips_names_what_must_change() -> None:
    nothing_can = {"already_settled", "already_in_status", "already_reversed", "late_payment"}
    assert {rule.code for rule in RULES if rule.action is RuleAction.SKIP and not rule.change} == nothing_can


def test_the_diagrams_of_the_readme_match_the_code() -> None:
    readme = (HOUSE / "README.md").read_text()
    life, imports = re.findall(r"```mermaid\n(.*?)```", readme, flags=re.DOTALL)
    assert set(re.findall(r"(\w+) --> (\w+)", imports)) == {("webui", "core"), ("worker", "core")}
    drawn = set(re.findall(r"^\s+(\w+) --> (\w+)", life, flags=re.MULTILINE))
    assert drawn == {(source.value, target.value) for source, target in TRANSITIONS}


@pytest.mark.parametrize(
    "package", ["access", "claims", "intake", "jobs", "ledger", "policy", "practices", "schedules"]
)
def test_money_is_never_a_float(package: str) -> None:
    for path in (HOUSE / "core" / package).rglob("*.py"):
        assert not re.search(r"\bfloat\(|\bFloat\b|\bNumeric\b", path.read_text()), path


def test_no_view_writes_sql() -> None:
    for path in (HOUSE / "webui").rglob("*.py"):
        imported = {
            name.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"
            for name in node.names
        }
        assert imported <= {"Engine"}, path


def test_templates_load_nothing_from_another_host() -> None:
    for path in [
        *TEMPLATES.rglob("*.html"),
        *(HOUSE / "webui" / "static").glob("*.css"),
        *(HOUSE / "webui" / "static").glob("*.js"),
    ]:
        assert not re.search(r"""(src|href|url|import)[=(\s]+["']?(https?:)?//""", path.read_text()), path
