"""The files of one group in `claimed/`: make their import, and move them to `done/` or `refused/` when it ends."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Collection
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.access.users import actor_for
from core.enums.imports import ENDED_STATUSES, ImportSource, ImportStatus
from core.errors import BadInput, NotAllowed
from core.intake.uploads import codes, import_queries, receive
from core.intake.uploads.archive import is_archive
from core.intake.uploads.x12_files import starts_x12
from core.intake.watched_folders.decide import decide_ready, tell_user
from core.intake.watched_folders.disk import CLAIMED, DONE, REFUSED, OpenFolder, stamp_of
from core.intake.watched_folders.problems import FileChanged, Problems, tell_refused
from core.models.imports import ImportJob
from core.models.people import User
from core.models.watched_folders import WatchedFolder

_KEY: Final = "watched folder "
_BLOCK_BYTES: Final = 1024 * 1024
S = ImportStatus


@dataclass(frozen=True)
class Place:
    """A watched folder, open and locked by this transaction."""

    session: Session
    folder: WatchedFolder
    opened: OpenFolder
    problems: Problems
    bytes_max: int  # of one import
    now: dt.datetime

    @property
    def actor(self) -> Actor:
        """Return the user who imports. Raise `NotAllowed` if that user may no longer do so."""
        user = self.session.get_one(User, self.folder.user_id)
        if not user.active or not actor_for(user).may(Action.IMPORT):
            why = "may no longer import" if user.active else "was deactivated"
            raise NotAllowed(f"The user who imports from this folder {why}. Name another one with settle folder watch.")
        return actor_for(user)


def follow_groups(place: Place) -> None:
    """Do what is next for each group: make its import, decide about a checked one, move the files of an ended one."""
    with place.opened.folder(CLAIMED) as claimed:
        for name in claimed.folders():
            with place.problems.recorded(), suppress(FileNotFoundError):  # a program removed a file
                with claimed.folder(name) as group:
                    _follow(place, claimed, name, group)
                    is_empty = not group.files()
                if is_empty:
                    claimed.remove(name)


def _follow(place: Place, claimed: OpenFolder, name: str, group: OpenFolder) -> None:
    job = _import_of(place, name)
    if job and job.status in ENDED_STATUSES:
        _set_aside(claimed, group, [one for one in group.files() if not _is_of(job, one, group)])
    match job and job.status:
        case None:
            _make_import(place, name, group)
        case S.READY:
            assert job
            decide_ready(place.session, job, by=place.actor, imports=place.folder.imports_clean, now=place.now)
        case S.IMPORTED:
            _move_all(place, group, DONE)
        case S.DISCARDED if job and job.options.get("nothing_new"):
            _move_all(place, group, DONE, f"Import {job.id}: the practice already has everything in this file.")
        case S.DISCARDED:
            assert job
            words = f"Import {job.id} was discarded, or not confirmed within 7 days. Nothing was imported."
            _move_all(place, group, REFUSED, words)
        case S.REFUSED:
            assert job
            _refuse(place, claimed, group, job)


def _import_of(place: Place, group: str) -> ImportJob | None:
    of_group = (ImportJob.practice_id == place.folder.practice_id, ImportJob.idempotency_key == _KEY + group)
    return place.session.scalars(select(ImportJob).where(*of_group).execution_options(populate_existing=True)).first()


def _is_of(job: ImportJob, name: str, group: OpenFolder) -> bool:
    """Return whether the import has this file, as it is now."""
    with closing(group.open(name)) as file:
        return (name, _digest(file)) in {(one["name"], one["sha256"]) for one in job.files}


def _set_aside(claimed: OpenFolder, group: OpenFolder, names: Collection[str]) -> None:
    """Make a new group of these files, such as one that was replaced after its import had read it."""
    if names:
        with claimed.folder(secrets.token_hex(8)) as others:
            for name in names:
                group.move(name, others)


def _make_import(place: Place, name: str, group: OpenFolder) -> None:
    """Store the usable files of the group as an import. Others are refused, and known ones are done."""
    usable, refused = _sort_out(place, group)
    tell_refused(place.session, place.folder, refused, now=place.now)
    if not usable:
        return
    actor = place.actor
    with ExitStack() as files, place.session.begin_nested():
        opened = {one: files.enter_context(closing(group.open(one))) for one in usable}
        before = {one: stamp_of(file) for one, file in opened.items()}
        job = receive.receive_at_once(
            place.session, list(opened.items()), by=actor, now=place.now, source=ImportSource.X12,
            options={"watched_folder": True}, bytes_max=place.bytes_max, idempotency_key=_KEY + name,
        )  # fmt: skip
        if before != {one: stamp_of(file) for one, file in opened.items()}:
            raise FileChanged
        job.files = [{**file, "sha256": usable[file["name"]]} for file in job.files]


def _sort_out(place: Place, group: OpenFolder) -> tuple[dict[str, str], int]:
    """Move the files that cannot be imported. Return the others with their SHA-256, and how many were refused."""
    usable: dict[str, str] = {}
    refused = 0
    for name in group.files():
        with closing(group.open(name)) as file:
            wrong = _why_unusable(name, file, bytes_max=place.bytes_max)
            digest = "" if wrong else _digest(file)
        if wrong:
            _move(place, group, name, REFUSED, wrong)
            refused += 1
            continue
        same = import_queries.find_with_file(place.session, place.folder.practice_id, digest)
        if same is not None:
            _move(place, group, name, DONE, f"Import {same} has the same content. Nothing was imported again.")
        elif twin := next((one for one, of_one in usable.items() if of_one == digest), None):
            _move(place, group, name, DONE, f"The file {twin} has the same content.")
        else:
            usable[name] = digest
    return usable, refused


def _why_unusable(name: str, file: BinaryIO, *, bytes_max: int) -> str | None:
    """Return why the file cannot be imported, as a sentence, or None."""
    try:
        receive.check_files([receive.UploadedFile(name, stamp_of(file).size)], bytes_max=bytes_max)
    except BadInput as refusal:
        return refusal.message
    if is_archive(name) or starts_x12(file):
        return None
    return "This file is not X12 (837, 277CA or 835), or a zip of such files. Import other files by hand."


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _refuse(place: Place, claimed: OpenFolder, group: OpenFolder, job: ImportJob) -> None:
    """Refuse the files with errors. The others become a new group, unless no file has an error of its own."""
    tell_user(place.session, job, now=place.now)
    because = codes.describe(job.refused_because or "")
    mistakes: dict[str, list[str]] = {}
    for mistake in (job.report or {}).get("faults", []):
        mistakes.setdefault(mistake["file"], []).append(_words(mistake))
    names = set(group.files())
    faulty = names & set(mistakes) or names
    _set_aside(claimed, group, names - faulty)
    in_archive = [f"{file}: {words}" for file, of_file in mistakes.items() for words in of_file]
    for name in sorted(faulty):
        words = mistakes.get(name, in_archive)
        _move(place, group, name, REFUSED, "\n".join([f"Import {job.id}. {because}", *words]))


def _words(mistake: dict[str, Any]) -> str:
    """Return a mistake with its first places and without any value, because a value may identify a patient."""
    places = [place["note"] for place in mistake["places"][:3] if place["note"]]
    return f"{mistake['cure']} ({'; '.join(places)})" if places else str(mistake["cure"])


def _move_all(place: Place, group: OpenFolder, to: str, note: str = "") -> None:
    for name in group.files():
        _move(place, group, name, to, note)


def _move(place: Place, group: OpenFolder, name: str, to: str, note: str = "") -> None:
    with place.opened.folder(to) as folder:
        group.move(name, folder, note)
