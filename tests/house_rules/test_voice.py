"""The project reads as plain American English: one word for one thing, and a named actor in every sentence."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

HOUSE = Path(__file__).parents[2]
READ = re.compile(r"\.(py|html|js|css|md|yml|toml|sql|sh)$|(^|/)(Makefile|Dockerfile)$|^\.ci/run$")
# Other projects' words, what a released version stored, and this list.
NOT_READ = re.compile(r"(^|/)vendor/|^core/migrations/versions/|^tests/house_rules/test_voice\.py$")

ACTOR = 'name the actor (user, requester, approver, worker), or write "no user", "no worker", "another user"'
ACTIVE = 'name the screen or the file as the subject: "the page shows", "the log reports", "is reported", "is named"'
WORDS = (
    (r"nobod(y|ies)|no one|anybody|anyone else's|somebody|whoever|whomever", ACTOR),
    (r"tak(e|es|ing|en) back|took back", 'write "reverse", "reversed", "reversal"'),
    (r"(is|are|was|were) (said|told)", ACTIVE),
    (r"nights?", 'write "scheduled run" or "run date"'),
    (r"askers?", 'write "requester"'),
    (r"(another|other) hands?", 'write "another user or process"'),
    (r"of then", 'write "the old …" or name the date'),
    (r"anew", 'write "again"'),
    (r"wherefore", 'write "why"'),
    (r"any more", 'write "no longer", or name the event that ended it'),
    (r"lately", 'write "recently", or name the period'),
    (r"stands? against", 'write "prevents"'),
    (r"(?<!encrypted\s)at rest", 'write "paused", "idle" or "finished"'),
    (r"let(s|ting)? go of", 'write "release"'),
    (r"go(es|ing)? on|went on", 'write "continue", "proceed" or "resume"'),
    (r"licence\w*", 'write "license"'),
    (r"colour\w*", 'write "color"'),
    (r"behaviour\w*", 'write "behavior"'),
    (r"neighbour\w*", 'write "neighbor"'),
    (r"(favour|honour|labour)\w*", 'write "-or"'),
    (r"(un)?cancell(ed|ing)", 'write "canceled" or "canceling"'),
    (r"(label|travel|model|signal)l(ed|ing)", "write one l"),
    (r"(re)?(initial|serial|normal|organ|recogn|summar|author|synchron|optim)is(e|es|ed|ing|ation)", 'write "-ize"'),
    (r"centre(s|d)?|catalogue(s|d)?|programmes?|cheques?|artefacts?|whilst|learnt", "use the American spelling"),
)  # fmt: skip


class Allowance(NamedTuple):
    """An exception: a line with `phrase` in the file at `path` may keep its words, for this `reason`."""

    path: str
    phrase: str
    reason: str


# The two statuses are stored, and the API and the metrics show them, so they keep their first spelling.
STATUS = re.compile(
    r"""\bCANCELL(?:ED|ING)\b|(?<=["'.|])cancell(?:ed|ing)(?=["'|])"""
    r"""|\bcancell(?:ed|ing)(?= -->)|(?<=--> )cancell(?:ed|ing)\b"""
)
ACCOUNT = "the account of the operating system that owns no files"
FIELD = "fields of the API and of --json keep their names"
STORED = "released versions stored this code, key or fact"
OLD_COLUMN = "a column of the version before"
ALLOWED = (
    Allowance("core/local/unprivileged.py", "nobody", ACCOUNT),
    Allowance("core/local/postgres.py", '"nobody"', ACCOUNT),
    Allowance("webui/api/claim_postings.py", "took_back:", FIELD),
    Allowance("webui/api/claim_postings.py", "`took_back`", FIELD),
    Allowance("webui/api/claim_postings.py", '"took_back":', FIELD),
    Allowance("webui/api/recoveries.py", "taken_back_cents:", FIELD),
    Allowance("tests/webui/api/test_claim_by_hand.py", '"took_back":', FIELD),
    Allowance("tests/webui/api/test_months_and_money.py", '["took_back"]', FIELD),
    Allowance("tests/webui/api/test_months_and_money.py", '["taken_back_cents"]', FIELD),
    Allowance("core/cli/postings.py", '"took_back"', FIELD),
    Allowance("core/cli/recoveries.py", '"taken_back_cents"', FIELD),
    Allowance("core/jobs/preview/schedule_lock.py", '"night_busy"', FIELD),
    Allowance("core/jobs/preview/schedule_lock.py", '"nights"', "both versions take this lock"),
    Allowance("tests/core/schedules/test_races.py", "'nights'", "both versions take this lock"),
    Allowance("core/enums/jobs.py", '"asker_may_not"', STORED),
    Allowance("core/schedules/descriptions.py", '"next_night_came"', STORED),
    Allowance("core/schedules/missed_runs.py", '"schedule.night_failed"', STORED),
    Allowance("core/audit/sentences.py", '"schedule.night_failed"', STORED),
    Allowance("tests/core/schedules/test_schedule_failures.py", '"schedule.night_failed"', STORED),
    Allowance("core/schedules/missed_runs.py", '"night"', STORED),
    Allowance("core/audit/sentences.py", '"night"', STORED),
    Allowance("core/schedules/runs.py", "night=local_date", STORED),
    Allowance("core/schedules/runs.py", "night {local_date}", STORED),
    Allowance("core/schedules/time_zone.py", '"nights_missed"', STORED),
    Allowance("tests/core/schedules/test_commands.py", "night 2026-11-24", STORED),
    Allowance("tests/house_rules/test_audit_words.py", '"night"', STORED),
    Allowance("tests/core/migrations/renamed_rows.py", '"night"', OLD_COLUMN),
    Allowance("tests/core/migrations/test_column_names.py", '"night"', OLD_COLUMN),
    Allowance("docs/operations.md", "`night`", OLD_COLUMN),
)


class Finding(NamedTuple):
    """Old words at a place, the line that contains them, and what to write instead."""

    path: str
    line: int
    words: str
    source: str
    cure: str

    def __str__(self) -> str:
        return f'{self.path}:{self.line}: "{self.words}": {self.cure}'

    def is_allowed_by(self, allowance: Allowance) -> bool:
        """Return True if the allowance names this file and words of this line."""
        return self.path == allowance.path and allowance.phrase in self.source


@cache
def findings() -> tuple[Finding, ...]:
    """Return every use of the old words in the files that the repository tracks."""
    listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True, cwd=HOUSE).stdout
    paths = [path for path in listed.splitlines() if READ.search(path) and not NOT_READ.search(path)]
    return tuple(
        found for path in paths if (HOUSE / path).exists() for found in in_text(path, (HOUSE / path).read_text())
    )


def in_text(path: str, text: str) -> Iterator[Finding]:
    """Yield the old words of a text. Identifiers are split into words, and a phrase may continue on the next line."""
    lines = text.split("\n")
    read = text_of_names(text)
    for old, cure in patterns():
        for match in old.finditer(read):
            line = read.count("\n", 0, match.start())
            yield Finding(path, line + 1, " ".join(match[0].split()), lines[line], cure)


@cache
def patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return each pattern with its replacement. A string or a line may end between two words of a phrase."""
    gap = r"""[\s"']+"""
    return tuple((re.compile(rf"\b(?:{old.replace(' ', gap)})\b"), cure) for old, cure in WORDS)


def text_of_names(text: str) -> str:
    """Return the text in lower case, with identifiers split into words, without comment marks, with the same lines."""
    text = STATUS.sub("", text)
    text = re.sub(r"(?m)^(\s*)(?:#|//|\*|--|>)+ ?", r"\1", text)
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])|_", " ", text).lower()


def test_the_project_is_written_in_plain_american_english() -> None:
    left = [found for found in findings() if not any(found.is_allowed_by(allowance) for allowance in ALLOWED)]

    if left:
        pytest.fail("\n".join([f"{len(left)} places to reword:", *map(str, sorted(left))]), pytrace=False)


def test_every_allowance_for_old_words_is_used() -> None:
    stale = [allowance for allowance in ALLOWED if not any(found.is_allowed_by(allowance) for found in findings())]

    assert stale == [], "remove each: its file no longer has these words"


def test_old_words_are_found_in_names_in_phrases_across_lines_and_in_any_case() -> None:
    def words(text: str) -> list[str]:
        return [found.words for found in in_text("a.py", text)]

    assert words("taken_back_cents = 5") == ["taken back"]
    assert words("class NightTerms: pass") == ["night"]
    assert words("# It is taken\n# back.") == ["taken back"]
    assert words('raise Refusal("Nobody may " "approve")') == ["nobody"]
    assert words('S.CANCELLED: "be cancelled",\n"cancelled"') == ["cancelled"]
    assert words("At midnight, the nightly run of another user reverses it.") == []
