"""Every act that the product writes into the audit has its sentence, and no sentence is left over."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from core.access.audit_words import ACTS, sentence
from core.jobs.models import JobStatus
from core.schedules.models import MailState

HOUSE = Path(__file__).parents[2]
AN_ACT = re.compile(r"[a-z_]+\.[a-z_]+")
MOVES = {f"job.{status}" for status in (JobStatus.COMPLETED, JobStatus.HALTED, JobStatus.PAUSED, JobStatus.CANCELLED)}
MAILS = {f"schedule.mail_{state}" for state in (MailState.SENT, MailState.GIVEN_UP)}


def calls_of(path: Path) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def texts(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def recorded() -> set[str]:
    """Every act that a file which writes into the audit names, whole or in parts."""
    found = MOVES | MAILS
    for path in [*(HOUSE / "core").rglob("*.py"), *(HOUSE / "webui").rglob("*.py"), *(HOUSE / "worker").rglob("*.py")]:
        source = path.read_text()
        for call in calls_of(path):
            found |= {f"job.{word.value.value}" for word in call.keywords
                      if word.arg == "act" and isinstance(word.value, ast.Constant)}  # fmt: skip
            if path.parts[-2:] == ("schedules", "commands.py") and getattr(call.func, "id", "") == "_audit":
                found |= {f"schedule.{call.args[2].value}"} if isinstance(call.args[2], ast.Constant) else set()
        if "audit.record(" in source:
            named = {text for text in texts(ast.parse(source)) if AN_ACT.fullmatch(text)}
            found |= {text for text in named if not text.endswith((".csv", ".xlsx", ".html", ".id", "_")) and
                      not text.startswith(("feed.", "job.xlsx"))}  # fmt: skip
    return found


def test_every_act_has_its_sentence() -> None:
    assert recorded() - set(ACTS) == set()


def test_no_sentence_is_of_an_act_that_nobody_writes() -> None:
    assert set(ACTS) - recorded() == set()


def test_an_act_put_together_from_parts_is_put_together_where_this_test_looks() -> None:
    composed = {
        (path.parent.name, path.name)
        for path in (HOUSE / "core").rglob("*.py")
        if re.search(r'record\(\s*session(, \w+)?,\s*f"\w+\.', path.read_text())
    }
    assert composed == {
        ("jobs", "acts.py"),
        ("jobs", "lifecycle.py"),
        ("schedules", "commands.py"),
        ("schedules", "mail.py"),
    }


def test_sentences_begin_alike_and_an_act_of_another_version_is_shown_as_it_is() -> None:
    said = [sentence(act, "job:1042", names={}) for act in ACTS]

    assert all(words[0].isupper() and not words.endswith(".") for words in said)
    assert sentence("job.confirmed", "job:1042", names={}) == "Confirmed job 1,042"
    assert sentence("user.added", "user:7", names={7: "Ann"}) == "Added Ann"
    assert sentence("claim.held", "claim:0012", names={}) == "Put claim 0012 on hold"
    assert sentence("job.beamed_up", "job:1", names={}) == "job: beamed up (job 1)"
