"""Every act that the product records in the audit log has a sentence, and every sentence has an act."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from core.audit.sentences import ACT_SENTENCES, details, sentence, who
from core.enums.jobs import JobStatus
from core.schedules.run_mail import MailState

HOUSE = Path(__file__).parents[2]
AN_ACT = re.compile(r"[a-z_]+\.[a-z_]+")
MOVES = {f"job.{status}" for status in (JobStatus.COMPLETED, JobStatus.HALTED, JobStatus.PAUSED, JobStatus.CANCELLED)}
MIGRATIONS = {"digests.started"}
MAILS = {f"schedule.mail_{state}" for state in (MailState.SENT, MailState.GIVEN_UP)}


class Recording(NamedTuple):
    """An act, and the function that records it in the audit log or passes it to the function that does."""

    act: str
    function: ast.FunctionDef


@cache
def modules() -> dict[Path, ast.Module]:
    paths = [path for package in ("core", "webui", "worker") for path in (HOUSE / package).rglob("*.py")]
    return {path: ast.parse(path.read_text()) for path in paths}


@cache
def recordings() -> tuple[Recording, ...]:
    return tuple(_recordings())


def _recordings() -> Iterator[Recording]:
    """Yield each act that is an argument of a call, whole or in parts, in a file that writes to the audit log."""
    for path, module in modules().items():
        named = names_of_texts(module)
        writes = "audit.record" in path.read_text()
        for function in (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                if getattr(call.func, "id", "") == "url_for":
                    continue
                acts = {act for act in texts(call.args, named) if writes and AN_ACT.fullmatch(act)}
                acts |= {f"job.{part}" for part in texts((k.value for k in call.keywords if k.arg == "act"), {})}
                yield from (Recording(act, function) for act in acts)


def names_of_texts(module: ast.Module) -> dict[str, list[ast.AST]]:
    """Return the values that are assigned to each name in the module."""
    found: defaultdict[str, list[ast.AST]] = defaultdict(list)
    for node in ast.walk(module):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found[node.target.id].append(node.value)
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            pairs = (
                zip(target.elts, value.elts, strict=False)
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                else [(target, value)]
            )
            for name, one in pairs:
                if isinstance(name, ast.Name):
                    found[name.id].append(one)
    return found


def texts(given: Iterable[ast.AST], named: Mapping[str, list[ast.AST]]) -> Iterator[str]:
    """Yield the texts among the arguments: literals, names, and both branches of a conditional."""
    for node in given:
        for found in named.get(node.id, []) if isinstance(node, ast.Name) else [node]:
            for one in (found.body, found.orelse) if isinstance(found, ast.IfExp) else (found,):
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one.value


def recorded() -> set[str]:
    return {recording.act for recording in recordings()} | MOVES | MAILS | MIGRATIONS


def names_in(node: ast.AST) -> Counter[str]:
    """Return how often each name is used, alone or after a dot."""
    return Counter(
        inner.id if isinstance(inner, ast.Name) else inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name | ast.Attribute)
    )


def test_every_act_has_a_sentence() -> None:
    assert recorded() - set(ACT_SENTENCES) == set()


def test_every_sentence_describes_an_act_that_the_product_writes() -> None:
    assert set(ACT_SENTENCES) - recorded() == set()


def test_each_function_that_writes_an_act_is_called_by_the_product() -> None:
    used = Counter[str]()
    for module in modules().values():
        used.update(names_in(module))
    never = {
        f"{recording.act} in {recording.function.name}"
        for recording in recordings()
        if not recording.function.decorator_list  # a view or a command
        and used[recording.function.name] <= names_in(recording.function)[recording.function.name]
    }
    assert never == set()


def test_acts_are_composed_from_parts_only_where_this_test_looks() -> None:
    composed = {
        (path.parent.name, path.name)
        for path in (HOUSE / "core").rglob("*.py")
        if re.search(r'record\(\s*session(, \w+)?,\s*f"\w+\.', path.read_text())
    }
    assert composed == {
        ("execution", "finish.py"),
        ("jobs", "lifecycle.py"),
        ("delivery", "mails.py"),
    }


def test_sentences_are_capitalized_without_a_period_and_an_unknown_act_is_shown_unchanged() -> None:
    sentences = [sentence(act, "job:1042", names={}) for act in ACT_SENTENCES]

    assert all(words[0].isupper() and not words.endswith(".") for words in sentences)
    assert sentence("job.confirmed", "job:1042", names={}) == "Confirmed job 1,042"
    assert sentence("user.added", "user:7", names={7: "Ann"}) == "Added Ann"
    assert sentence("claim.held", "claim:0012", names={}) == "Put claim 0012 on hold"
    assert sentence("job.beamed_up", "job:1", names={}) == "job: beamed up (job 1)"


def test_an_act_names_its_user_the_system_or_the_command_line() -> None:
    assert who("job.confirmed", "Ann") == "Ann"
    assert who("job.completed", None) == "System"
    assert who("write_off_setting.changed", None) == "Command line"
    assert who("user.sign_in_failed", "Ann") == "Not signed in"


def test_an_act_shows_the_practices_own_numbers_and_names() -> None:
    known = {"exclusion:3": "patient PT-771", "patient:9": "PT-771", "provider:4": "provider P4"}

    assert sentence("exclusion.made", "exclusion:3", names={}, known=known) == "Excluded patient PT-771 from write-offs"
    assert sentence("exclusion.ended", "exclusion:3", names={}, known=known) == "Ended the exclusion of patient PT-771"
    assert sentence("write_off_setting.changed", "provider:4", names={}, known=known).endswith("for provider P4")
    assert details({"patient_id": 9}, known=known) == [("patient", "PT-771")]
    assert details({"user_id": 5}, names={5: "Ann"}) == [("user", "Ann")]


def test_the_facts_of_an_act_are_shown_in_words() -> None:
    facts = {
        "from": "admin", "to": "biller", "outcome": "nothing", "over": ["over_claim_limit", "over_job_limit"],
        "because": "edited", "include": ["of another version"], "night": None,
    }  # fmt: skip

    assert details(facts) == [
        ("from", "administrator"),
        ("to", "biller"),
        ("outcome", "no claim matched"),
        (
            "needs approval",
            "over the practice's per-claim limit; over the practice's per-job limit",
        ),
        ("because", "a user changed the schedule's days or time before the run started"),
        ("overridden rules", "of another version"),
    ]


def test_a_month_is_named_as_people_write_it() -> None:
    assert sentence("month.closed", "month:2026-11", names={}) == "Closed November 2026"
