"""Whatever happens to a folder on its disk, no file is imported twice or lost, and a user gets one notice."""

import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.enums.imports import ImportStatus
from core.enums.people import Role
from core.intake.uploads import commands, lifecycle
from tests.core.intake.watched_folders.conftest import CLAIMS, Watching
from tests.x12_files import PLAIN, claim_loop, sent_file

OTHERS = PLAIN.write(sent_file(claim_loop("A2", ("60",))))
ASK = "ask the person who runs your server to"
ORDINARY = 65_534
S = ImportStatus


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Give up the rights of root to files, if the test has them. The database still knows the test's own user."""
    kernel = ctypes.CDLL(None)
    before = kernel.setfsuid(os.geteuid() or ORDINARY)
    try:
        yield
    finally:
        kernel.setfsuid(before)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow, which also a full disk does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777)


def replace_claimed(watching: Watching, content: str) -> None:
    (path,) = watching.path.glob("claimed/*/a.837")
    path.write_text(content)


def test_a_full_disk_leaves_the_file_without_a_note_until_there_is_room(watching: Watching) -> None:
    watching.put("letter.pdf", "%PDF")
    watching.look()
    with full_disk():
        watching.look()
        watching.look()

    assert watching.tree() == ["claimed/GROUP/letter.pdf"]
    assert watching.folder().problem == f"{watching.path}/refused: its disk is full. Free space on it."
    assert watching.notices() == [f"Watched folder, refused: its disk is full; {ASK} free space on it"]
    watching.look()
    assert watching.tree() == ["refused/letter.pdf", "refused/letter.pdf.txt"]
    assert watching.folder().problem is None


def test_a_move_that_is_not_permitted_is_tried_again_and_nothing_is_imported_twice(watching: Watching) -> None:
    watching.put_and_look(a__837=CLAIMS)
    open_to_all(watching.path)
    (watching.path / "done").chmod(0o555)
    watching.put("b.837", OTHERS)
    watching.look()
    with as_ordinary_user():
        watching.look()
        watching.look()

    assert [job.status for job in watching.jobs()] == [S.IMPORTED, S.IMPORTED]
    assert watching.tree() == ["claimed/GROUP/b.837", "done/a.837"]
    cure = "give their account both permissions"
    wrong = "the workers may not read and change it"
    assert watching.folder().problem == f"{watching.path}/done: {wrong}. {cure.capitalize()}."
    assert watching.notices() == [f"Watched folder, done: {wrong}; {ASK} {cure}"]
    (watching.path / "done").chmod(0o755)
    watching.look()
    assert watching.tree() == ["done/a.837", "done/b.837"]
    assert len(watching.jobs()) == 2


def test_a_file_that_the_workers_may_not_read_holds_up_no_other(watching: Watching) -> None:
    open_to_all(watching.path)
    secret = watching.put("a.837", CLAIMS)
    secret.chmod(0)
    watching.put("b.837", OTHERS)
    with as_ordinary_user():
        watching.look()
        watching.look()

    assert watching.tree() == ["a.837", "done/b.837"]
    assert watching.folder().problem.startswith(f"{secret}: the workers may not read")  # type: ignore[union-attr]
    assert "a.837" not in watching.notices()[0], "no file is named outside of the server"
    secret.chmod(0o644)
    watching.look()
    assert watching.tree() == ["done/a.837", "done/b.837"]
    assert watching.folder().problem is None


def test_a_file_that_was_replaced_or_added_after_its_import_read_it_is_imported_too(watching: Watching) -> None:
    watching.watch(imports_clean=False)
    watching.put_and_look(a__837=CLAIMS)
    replace_claimed(watching, OTHERS)
    (first,) = watching.jobs()
    watching.practice.act(commands.confirm, lifecycle.key_of(first))
    watching.look()
    watching.look()

    assert [job.status for job in watching.jobs()] == [S.IMPORTED, S.READY]
    watching.practice.act(commands.discard, lifecycle.key_of(watching.jobs()[1]))
    replace_claimed(watching, CLAIMS)
    for _ in range(3):
        watching.look()
    assert watching.tree() == ["done/a.837", "done/a.837.txt"]
    assert (watching.uploads.count("claim"), len(watching.jobs())) == (1, 2)


def test_a_file_that_disappears_stops_nothing(watching: Watching) -> None:
    watching.watch(imports_clean=False)
    watching.put("b.837", OTHERS)
    watching.put("gone.837", CLAIMS)
    watching.look()
    (watching.path / "gone.837").unlink()
    watching.look()
    (path,) = watching.path.glob("claimed/*/b.837")
    path.unlink()
    watching.look()
    (job,) = watching.jobs()
    watching.practice.act(commands.confirm, lifecycle.key_of(job))

    watching.look()

    assert (watching.tree(), watching.folder().problem, watching.uploads.count("claim")) == ([], None, 1)
    assert list(watching.path.glob("claimed/*")) == []


def test_odd_names_are_refused_and_stop_nothing(watching: Watching) -> None:
    odd = (os.fsdecode(b"\xe9.837"), "two\nlines.837", "x" * 250 + ".837", "a:b.837")
    for name in odd:
        watching.put(name, CLAIMS)
    watching.put_and_look(**{"é ✓ 1__837": OTHERS})

    kept = {path.name for path in (watching.path / "refused").iterdir()}
    assert {odd[0], f"{odd[0]}.txt", odd[1], odd[3]} < kept
    assert len(kept) == 2 * len(odd)
    assert watching.tree()[0] == "done/é ✓ 1.837"
    assert watching.notices() == [
        "4 files from the watched folder were refused; see the .txt files in its folder refused"
    ]


def test_a_strange_thing_in_a_claimed_group_stops_no_other_group(watching: Watching) -> None:
    strange = watching.path / "claimed" / "0" / "folder"
    strange.mkdir(parents=True)

    watching.put_and_look(a__837=CLAIMS)

    assert watching.tree() == ["done/a.837"]
    problem = f"{strange.parent}: it contains something that is not a file. Remove that."
    assert watching.folder().problem == problem
    assert watching.notices() == [
        f"Watched folder, claimed: it contains something that is not a file; {ASK} remove that"
    ]


def test_a_file_in_the_place_of_a_folder_is_named(watching: Watching) -> None:
    watching.put("claimed", "a file")
    watching.put_and_look(a__837=CLAIMS)

    problem = f"{watching.path}/claimed: it is not a folder, or it is a symbolic link. Replace it with a folder."
    assert watching.folder().problem == problem
    (watching.path / "claimed").unlink()
    for _ in range(2):
        watching.look()
    assert watching.tree() == ["done/a.837"]


def test_what_stops_the_work_is_reported_once_and_tried_again(watching: Watching) -> None:
    admin = watching.practice.person("admin@lakeside.example", Role.ADMIN)
    watching.put("a.837", CLAIMS)
    watching.look()
    moved = watching.path.rename(watching.root / "elsewhere")
    watching.look()
    watching.look()
    assert watching.folder().problem == f"{watching.path}: it does not exist. Create it."
    assert watching.notices() == [f"Watched folder: it does not exist; {ASK} create it"]
    moved.rename(watching.path)
    watching.practice.sql("UPDATE app_user SET active = false WHERE id <> :id", id=admin.user_id)
    watching.look()
    words = "The user who imports from this folder was deactivated. Name another one with settle folder watch."
    assert watching.folder().problem == words
    assert watching.notices(admin) == [f"Watched folder: its user may no longer import; {ASK} name another user"]
    assert watching.tree() == ["claimed/GROUP/a.837"]
    watching.practice.sql("UPDATE app_user SET active = true")

    watching.look()

    assert watching.folder().problem is None
    assert watching.tree() == ["done/a.837"]
