"""An office posts each write-off in its own system and exports again: both sides keep the same balances."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings, strategies as st
from sqlalchemy.orm import Session

from core.books.invariants import violations
from core.db.engine import Sessions, make_sessions, transaction
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.exports import postings
from core.intake.csv.csv_import import import_csv
from core.intake.csv.csv_template import template_files
from core.intake.loading.imported import Imported, ImportOptions
from core.practices.practice_queries import find_by_name
from tests import repeats
from tests.balances import different_claims
from tests.factories import NOW, GivenPractice, add_user
from tests.properties import expected_balances
from tests.servers import Databases
from tests.shared_app import engine_on

HEADS = {name: rows[0] for name, rows in template_files().items()}
CHARGES = {(1, "insurance"): 30, (1, "patient"): 0, (2, "insurance"): 0, (2, "patient"): 20}
_names = itertools.count(1)
_pay = st.tuples(st.just("pay"), st.sampled_from(sorted(CHARGES)), st.integers(-40, 40).filter(bool))
_steps = st.lists(st.one_of(_pay, st.just(("settle",)), st.just(("post",)), st.just(("import",))), max_size=8)


class Office:
    """The office's own system: it has one claim of two lines, and exports all of it."""

    def __init__(self, sessions: Sessions, folder: Path) -> None:
        self._sessions = sessions
        self._folder = folder
        self._name = f"office{next(_names)}"
        self._rows: list[str] = []
        self._posted_through = 0
        self.due: Counter[expected_balances.Place] = Counter(
            {("C", line, side): cents for (line, side), cents in CHARGES.items()}
        )
        self.send()
        with transaction(sessions) as session:
            biller = add_user(session, find_by_name(session, self._name).id, f"b@{self._name}.example", Role.BILLER)
        self.practice = GivenPractice(sessions, biller.practice_id, biller)
        self.practice.set_write_off(WriteOffSetting.BOTH)
        self._jobs = itertools.count(1)

    def pay(self, place: tuple[int, str], cents: int) -> None:
        """Post a payment, or a refund below zero."""
        kind = "payment" if cents > 0 else "refund"
        self._add(*place, kind, -cents, "primary" if place[1] == "insurance" else "patient")

    def settle(self) -> None:
        """Write off what the practice's books have as owed."""
        if self.practice.read("C").billing_status != "Settled":
            self.practice.settle(key=f"job{next(self._jobs)}")

    def post(self) -> None:
        """Post the write-offs and reversals that are new, as adjustments."""
        with self._sessions() as session:
            rows = list(postings.stream(session, self.practice.id, postings.PostingsFilter(), codes={}))
        for row in sorted(rows, key=lambda row: row.posting_id):
            if row.posting_id > self._posted_through:
                self._add(row.line, row.responsibility.value, "adjustment", row.amount_cents, "")
                self._posted_through = row.posting_id

    def send(self) -> Imported:
        """Export everything, and import it after a check that must forecast the A/R to the cent."""
        files: dict[str, list[str]] = {
            "billing_statuses.csv": [], "offices.csv": ["MAIN,Main"], "providers.csv": ["D,Doctor"],
            "payers.csv": ["10001,Plan,commercial"], "patients.csv": ['P,"Sample, Petra",'],
            "claims.csv": ["C,P,MAIN,D,,,2026-01-02,,Balance Due,10001,,,,,,,,,,,,,"],
            "line_items.csv": ["C,1,99213,0.30,insurance", "C,2,99214,0.20,patient"],
            "postings.csv": self._rows,
        }  # fmt: skip
        for name, rows in files.items():
            (self._folder / name).write_text("\n".join([",".join(HEADS[name]), *rows, ""]), encoding="utf-8")
        with self._sessions() as session:  # closed without a commit
            check = self._import(session, ImportOptions(check_only=True))
        with transaction(self._sessions) as session:
            done = self._import(session, ImportOptions())
        assert check.forecast is not None
        assert done.agreement is not None
        assert check.forecast.after_cents == done.agreement.cents
        assert different_claims(check.forecast) == different_claims(done.agreement)
        return done

    def _import(self, session: Session, options: ImportOptions) -> Imported:
        return import_csv(session, self._folder, practice_name=self._name, now=NOW, options=options)

    def _add(self, line: int, side: str, kind: str, cents: int, paid_by: str) -> None:
        self.due["C", line, side] += cents
        self._rows.append(f"PM{len(self._rows)},C,{line},{side},{kind},{cents / 100:.2f},{paid_by},,,2026-02-03")


@pytest.fixture(scope="module")
def one_database(databases: Databases) -> Iterator[Sessions]:
    """One database for all examples, because each example creates its own practice."""
    with databases.fresh() as url:
        engine = engine_on(url)
        yield make_sessions(engine)
        engine.dispose()


@settings(
    max_examples=repeats.times(6), deadline=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would take minutes
)  # fmt: skip
@given(steps=_steps)
@example([("settle",), ("post",), ("import",), ("pay", (2, "patient"), 20), ("import",)])
@example([("settle",), ("pay", (1, "insurance"), 30), ("import",), ("post",)])
@example([("settle",), ("pay", (2, "patient"), -19), ("import",), ("post",), ("settle",), ("import",)])
def test_the_office_and_the_practice_keep_the_same_balances(
    one_database: Sessions, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    office = Office(one_database, tmp_path_factory.mktemp("office"))
    acts = {"pay": office.pay, "settle": office.settle, "post": office.post, "import": office.send}

    for name, *values in [*steps, ("import",), ("post",), ("import",), ("post",)]:
        acts[name](*values)
    last, again = office.send(), office.send()

    due = expected_balances.read(office.practice).due
    assert {place: cents for place, cents in due.items() if cents} == {
        place: cents for place, cents in office.due.items() if cents
    }
    assert last.added["postings"] == 0, "each write-off is in the books once"
    assert (again.nothing_new, again.recognized.postings) == (True, 0)
    with one_database() as session:
        assert violations(session) == []
