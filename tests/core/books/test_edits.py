"""`settle verify` finds each edit by hand in the database, made by its owner with the triggers off.

So does `verify_package` in an audit package, without the product and its database.
"""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from core.audit import package, verify_package, witness
from core.books import invariants
from core.books.invariants import violations
from tests.core.books.dishonest_owner import add_books, edit, edited
from tests.core.books.edits import CHAIN_AGAIN, EDITS, SIGN_ON_EDITS
from tests.factories import NOW, GivenPractice
from tests.servers import Databases
from tests.worlds import a_world

# What a package does not contain: settings, users, exclusions, holds, the database's triggers, and balances of chunks.
_OUTSIDE = {
    "an exclusion is gone", "an exclusion has ended", "an exclusion has another patient", "a hold is gone",
    "a hold is slipped in", "a practice's limit is raised", "a user's limit is lowered", "a user's role is raised",
    "an account is slipped in", "the setting is changed", "a trigger is left off", "a trigger is gone",
    "a function's body is changed", "a trigger is added", "a role may change postings",
    "a trigger's function loses its owner's rights", "a table has no row-level security",
    "a policy shows every practice", "a policy is gone", "a policy is replaced", "a rule swallows entries of the audit",
    "a certificate's balances are raised", "a certificate's balances are raised on both sides",
    "the identity provider is changed", "an identity is changed",
}  # fmt: skip

_TURNED = (
    "CREATE TEMP TABLE turned ON COMMIT DROP AS SELECT * FROM posting",
    "DELETE FROM posting",
    "INSERT INTO posting OVERRIDING SYSTEM VALUE SELECT * FROM turned ORDER BY id DESC",
)


@pytest.fixture(scope="module")
def books(databases: Databases) -> Iterator[GivenPractice]:
    with a_world(databases, add_books) as world, world.copied() as practice:
        yield practice


def packed(session: Session, practice: GivenPractice, folder: Path) -> Path:
    file = folder / "package.zip"
    file.write_bytes(b"".join(package.packed(session, practice.id, now=NOW)))
    return file


def failed(file: Path, *heads: tuple[int, str]) -> dict[str, list[str]]:
    found = verify_package.prove(verify_package.Package(str(file)), list(heads))
    return {sentence: faults for sentence, faults in found.items() if faults}


def test_the_books_are_in_order_before_an_edit(books: GivenPractice) -> None:
    with edited(books, tidy=True) as session:
        assert violations(session) == []


@pytest.mark.parametrize("name", EDITS)
def test_each_edit_by_hand_is_found(books: GivenPractice, name: str, tmp_path: Path) -> None:
    one = EDITS[name]
    with edited(books, *one.statements, tidy=one.tidy) as session:
        found = {violation.invariant for violation in violations(session)}
        file = packed(session, books, tmp_path)

    assert one.found_by in found
    assert bool(failed(file)) == (name not in _OUTSIDE)


def test_digests_hold_in_any_order_of_the_table(books: GivenPractice) -> None:
    with edited(books, *_TURNED) as session:
        assert violations(session) == []


def test_a_digest_has_no_ids_outside_its_range(books: GivenPractice) -> None:
    beyond = "UPDATE posting_digest SET ids = int8multirange(int8range(first_id, last_id + 1, '[]'))"
    with edited(books, f"{beyond} WHERE id = (SELECT max(id) FROM posting_digest)") as session:
        assert [violation.invariant for violation in violations(session)] == ["postings_are_as_they_were_posted"]


def test_each_edit_of_single_sign_on_is_found(books: GivenPractice) -> None:
    for statement in SIGN_ON_EDITS:
        with edited(books, statement) as session:
            assert invariants.check(session, ["single_sign_on_is_as_the_audit_says"], None), statement


def test_a_chain_that_was_rewritten_is_found_only_by_what_was_kept(books: GivenPractice, tmp_path: Path) -> None:
    file = tmp_path / "witness"
    with edited(books) as session:
        for _ in range(2):
            witness.append(file, witness.current(session, None), now=NOW)
        kept = witness.read(file)
        assert (len(kept), witness.missing(session, kept)) == (1, [])
        head = verify_package.Package(str(packed(session, books, tmp_path))).about["head"]
        edit(session, "UPDATE audit_entry SET user_id = 1 WHERE act = 'month.closed'", CHAIN_AGAIN)

        assert violations(session) == []
        assert witness.missing(session, kept) == kept
        edited_file = packed(session, books, tmp_path)
    assert failed(edited_file) == {}
    assert list(failed(edited_file, (head["number"], head["sha256"]))) == [verify_package.KEPT]


def test_the_proof_of_a_package_needs_nothing_but_python(books: GivenPractice, tmp_path: Path) -> None:
    with edited(books) as session:
        file = packed(session, books, tmp_path)
    with zipfile.ZipFile(file) as archive:
        head = json.loads(archive.read("package.json"))["head"]
    run = [sys.executable, "-I", "-S", verify_package.__file__]

    whole = subprocess.run(
        [*run, file, "--head", f"{head['number']}:{head['sha256']}"], capture_output=True, text=True, check=False
    )
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.splitlines() == [
        f"Lakeside, as of {NOW.isoformat()}",
        *(f"ok    {sentence}" for sentence in (*verify_package.CHECKS, verify_package.KEPT)),
    ]

    (tmp_path / "no.zip").write_text("claims")
    refused = subprocess.run([*run, "no.zip"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("no.zip is not an audit package: ")


def test_a_changed_file_of_a_package_is_named(books: GivenPractice, tmp_path: Path) -> None:
    changed = tmp_path / "changed.zip"
    with edited(books) as session:
        file = packed(session, books, tmp_path)
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(changed, "w") as archive:
        for name in whole.namelist():
            content = whole.read(name)
            archive.writestr(name, content.replace(b",0,0\n", b",0,1\n", 1) if name == "balances.csv" else content)

    found = failed(changed)

    assert list(found) == ["Each file is the one that package.json names.", "Each balance is the sum of its postings."]
    [fault] = found["Each balance is the sum of its postings."]
    assert fault.endswith("patient: balance $0.01, ledger $0.00")
