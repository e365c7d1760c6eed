"""A folder on the disk. Nothing in it is reached through a symbolic link, and no name leads out of it.

Every call names a file relative to the open folder, so it stays the same folder even if someone renames it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import BinaryIO, Final, NamedTuple

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # without it, opening a pipe would wait


class Stamp(NamedTuple):
    """What changes while a file is written."""

    size: int
    modified_ns: int


class OpenFolder:
    """An open folder."""

    def __init__(self, descriptor: int) -> None:
        """Take over the descriptor of a folder."""
        self._fd = descriptor

    def files(self) -> dict[str, Stamp]:
        """Return the regular files, sorted by name."""
        return dict(sorted((name, _stamp(found)) for name, found in self._entries() if stat.S_ISREG(found.st_mode)))

    def folders(self) -> list[str]:
        """Return the names of the folders."""
        return sorted(name for name, found in self._entries() if stat.S_ISDIR(found.st_mode))

    @contextmanager
    def folder(self, name: str) -> Iterator["OpenFolder"]:
        """Open a folder in this one. Create it if needed."""
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=self._fd)
        with _opened(os.open(name, _FOLDER, dir_fd=self._fd)) as folder:
            yield folder

    def remove(self, name: str) -> None:
        """Remove an empty folder."""
        os.rmdir(name, dir_fd=self._fd)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return os.fdopen(os.open(name, _FILE, dir_fd=self._fd), "rb")

    def move(self, name: str, to: "OpenFolder", note: str = "") -> None:
        """Move a file under a name that is free there, with a text file beside it if there is a note."""
        new = to._free_name(name, has_note=bool(note))
        if note:
            to._write(f"{new}.txt", f"{note}\n")
        os.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=to._fd)

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(self._fd) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # its writer may rename it
                    yield entry.name, entry.stat(follow_symlinks=False)

    def _free_name(self, name: str, *, has_note: bool) -> str:
        """Return the name, numbered if an earlier file has it or the name of the note."""
        there, path = {one for one, _ in self._entries()}, PurePath(name)
        new, number = name, 1
        while new in there or (has_note and f"{new}.txt" in there):
            number += 1
            new = f"{path.stem} ({number}){path.suffix}"
        return new

    def _write(self, name: str, text: str) -> None:
        """Write a new text file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(name, flags, 0o666, dir_fd=self._fd), "w", encoding="utf-8") as file:
            file.write(text)


def stamp_of(file: BinaryIO) -> Stamp:
    """Return the stamp of an open file."""
    return _stamp(os.fstat(file.fileno()))


@contextmanager
def open_folder(root: Path, name: str) -> Iterator[OpenFolder]:
    """Open the folder `name` in `root`. `root` itself may be a symbolic link, because operations names it."""
    above = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = os.open(name, _FOLDER, dir_fd=above)
    finally:
        os.close(above)
    with _opened(found) as folder:
        yield folder


@contextmanager
def _opened(descriptor: int) -> Iterator[OpenFolder]:
    try:
        yield OpenFolder(descriptor)
    finally:
        os.close(descriptor)


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_size, found.st_mtime_ns)
