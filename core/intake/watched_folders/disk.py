"""A folder on the disk. Nothing in it is reached through a symbolic link, and no name leads out of it.

Every call names a file relative to the open folder, so it stays the same folder even if someone renames it. An error
has the whole path of what it is about as its `filename`.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import BinaryIO, Final, NamedTuple

CLAIMED: Final = "claimed"
DONE: Final = "done"
REFUSED: Final = "refused"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # without it, opening a pipe would wait
_NAME_BYTES_MAX: Final = 240  # a file system allows 255, and a note's name or a number is longer than its file's


class Stamp(NamedTuple):
    """What changes while a file is written."""

    size: int
    modified_ns: int


class OpenFolder:
    """An open folder."""

    def __init__(self, descriptor: int, path: Path) -> None:
        """Take over the descriptor of a folder. `path` is for words."""
        self._fd, self.path = descriptor, path

    def files(self) -> dict[str, Stamp]:
        """Return the regular files, sorted by name."""
        return dict(sorted((name, _stamp(found)) for name, found in self._entries() if stat.S_ISREG(found.st_mode)))

    def folders(self) -> list[str]:
        """Return the names of the folders."""
        return sorted(name for name, found in self._entries() if stat.S_ISDIR(found.st_mode))

    @contextmanager
    def folder(self, name: str) -> Iterator["OpenFolder"]:
        """Open a folder in this one. Create it if needed."""
        path = self.path / name
        with _named(path):
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=self._fd)
            descriptor = os.open(name, _FOLDER, dir_fd=self._fd)
        with _opened(descriptor, path) as folder:
            yield folder

    def remove(self, name: str) -> None:
        """Remove an empty folder."""
        with _named(self.path / name):
            os.rmdir(name, dir_fd=self._fd)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        with _named(self.path / name):
            return os.fdopen(os.open(name, _FILE, dir_fd=self._fd), "rb")

    def move(self, name: str, to: "OpenFolder", note: str = "") -> None:
        """Move a file under a name that is free there, with a text file beside it if there is a note.

        If it fails, or the process is killed, nothing is left in the way of the next try.
        """
        new = to._free_name(name, note)
        if note:
            to._write(f"{new}.txt", note)
        try:
            with _named(to.path):
                os.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=to._fd)
        except OSError:
            if note:
                os.unlink(f"{new}.txt", dir_fd=to._fd)
            raise

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        with _named(self.path), os.scandir(self._fd) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # its writer may rename it
                    yield entry.name, entry.stat(follow_symlinks=False)

    def _free_name(self, name: str, note: str) -> str:
        """Return the name, cut if it is too long, and numbered if an earlier file has it or the name of the note."""
        there, path = {one for one, _ in self._entries()}, PurePath(_cut(name))
        new, number = path.name, 1
        while new in there or (note and f"{new}.txt" in there and not self._has_note(f"{new}.txt", note)):
            number += 1
            new = f"{path.stem} ({number}){path.suffix}"
        return new

    def _has_note(self, name: str, note: str) -> bool:
        """Return whether an earlier try left this note."""
        try:
            with self.open(name) as file:
                return file.read(len(note.encode()) + 2) == f"{note}\n".encode()
        except OSError:
            return False

    def _write(self, name: str, note: str) -> None:
        """Write a text file, unless an earlier try left it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with _named(self.path), suppress(FileExistsError):
            descriptor = os.open(name, flags, 0o666, dir_fd=self._fd)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(f"{note}\n")
            except OSError:  # such as a full disk, which leaves an empty file
                os.unlink(name, dir_fd=self._fd)
                raise


def stamp_of(file: BinaryIO) -> Stamp:
    """Return the stamp of an open file."""
    return _stamp(os.fstat(file.fileno()))


@contextmanager
def open_folder(root: Path, name: str) -> Iterator[OpenFolder]:
    """Open the folder `name` in `root`. `root` itself may be a symbolic link, because operations names it."""
    with _named(root):
        above = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _named(root / name):
            found = os.open(name, _FOLDER, dir_fd=above)
    finally:
        os.close(above)
    with _opened(found, root / name) as folder:
        yield folder


@contextmanager
def _opened(descriptor: int, path: Path) -> Iterator[OpenFolder]:
    try:
        yield OpenFolder(descriptor, path)
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give an error of the block this path."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _cut(name: str) -> str:
    """Return the name, with a shorter stem if it is too long."""
    path = PurePath(name)
    suffix = os.fsencode(path.suffix[:20])
    return os.fsdecode(os.fsencode(path.stem)[: _NAME_BYTES_MAX - len(suffix)] + suffix)


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_size, found.st_mtime_ns)
