"""Unpack an uploaded zip of files into one folder, and refuse archives that are not what they claim to be."""

import stat
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Final

from core.intake.parsing.faults import Fault, FaultKind, Faults
from core.intake.uploads.receive import FILES_MAX, BadFiles, check_name, megabytes

_ZIP_ENDING: Final = ".zip"
RATIO_MAX: Final = 200  # CSV shrinks to a tenth, rows of zeros to a hundredth; a bomb to a thousandth
_SMALL_BYTES: Final = 10_000_000  # a small file may shrink to any size
_BLOCK_BYTES: Final = 1024 * 1024
_ENCRYPTED: Final = 0x1
_IGNORED_FOLDERS: Final = "__MACOSX"
_TABLES: Final = (".csv", ".xlsx")
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _BadArchive(Exception):
    """The archive cannot be unpacked. The text is the fix."""


def is_archive(name: str) -> bool:
    """Return whether a file of this name is unpacked."""
    return name.lower().endswith(_ZIP_ENDING)


def unpack(archive: Path, folder: Path, *, bytes_max: int, faults: Faults) -> list[str]:
    """Unpack the files of the archive into `folder`, without subfolders. Return their names.

    At most `bytes_max` bytes are written, whatever the archive declares. Add a fault if it is refused.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked_members(opened, bytes_max=bytes_max)
            for member, name in members:
                bytes_max -= _extract(opened, member, folder / name, bytes_max=bytes_max)
    except _BadArchive as bad:
        faults.add(Fault(archive.name, str(bad), kind=FaultKind.STRUCTURE))
        return []
    except FileExistsError as there:
        cure = f"the upload contains {Path(there.filename).name} twice; upload it once, by itself or in the zip file"
        faults.add(Fault(archive.name, cure, kind=FaultKind.STRUCTURE))
        return []
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        cure = "this is not a zip file, or it is damaged; create it again, or upload the files unzipped"
        faults.add(Fault(archive.name, cure, kind=FaultKind.STRUCTURE))
        return []
    return [name for _, name in members]


def _checked_members(opened: zipfile.ZipFile, *, bytes_max: int) -> list[tuple[zipfile.ZipInfo, str]]:
    """Return the members to unpack with the names of their files. Raise `_BadArchive`."""
    entries = opened.infolist()
    if len(entries) > 10 * FILES_MAX:
        raise _BadArchive(f"the zip file has {len(entries):,} entries; zip only the files to import")
    members = _named([entry for entry in entries if not entry.is_dir() and not _is_ignored(entry)])
    if not 1 <= len(members) <= FILES_MAX:
        raise _BadArchive(f"the zip file has {len(members):,} files; zip only the files to import")
    if len({name.casefold() for _, name in members}) < len(members):
        raise _BadArchive("two files in the zip file have the same name; give each its own name")
    for entry, name in members:
        _check_member(entry, name)
    total = sum(entry.file_size for entry, _ in members)
    if total > bytes_max:
        raise _BadArchive(_too_large(total, bytes_max))
    return members


def _named(entries: list[zipfile.ZipInfo]) -> list[tuple[zipfile.ZipInfo, str]]:
    """Return the members with their names. Files of one name in two folders, such as X12 files, get the folders' too.

    The kind of a table is its name, so two tables of one name are refused.
    """
    times = Counter(_file_name(entry).casefold() for entry in entries)
    return [
        (entry, name if times[name.casefold()] == 1 or name.lower().endswith(_TABLES) else _with_folders(entry))
        for entry, name in ((entry, _file_name(entry)) for entry in entries)
    ]


def _with_folders(entry: zipfile.ZipInfo) -> str:
    return " - ".join(entry.filename.split("/"))


def _is_ignored(entry: zipfile.ZipInfo) -> bool:
    """Return whether the operating system added the file separately."""
    parts = entry.filename.split("/")
    return _IGNORED_FOLDERS in parts or parts[-1].startswith(".")


def _file_name(entry: zipfile.ZipInfo) -> str:
    """Return the name without its folders. Raise `_BadArchive` for a path outside the archive."""
    parts = entry.filename.split("/")
    if ".." in parts or entry.filename.startswith("/") or stat.S_ISLNK(entry.external_attr >> 16):
        raise _BadArchive("a path in the zip file leads outside its folder; zip only the files to import")
    try:
        check_name(parts[-1])
    except BadFiles:
        raise _BadArchive("a name in the zip file is not plain text; rename the file and zip it again") from None
    return parts[-1]


def _check_member(entry: zipfile.ZipInfo, name: str) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise _BadArchive(f"the file {name} is protected by a password; zip the files without a password")
    if is_archive(name):
        raise _BadArchive(f"the file {name} is a zip file inside the zip file; zip the files themselves")
    if entry.compress_type not in _METHODS:
        raise _BadArchive(
            f"the file {name} is compressed with an unusual method; zip the files with the Deflate method"
        )
    if entry.file_size > max(_SMALL_BYTES, RATIO_MAX * entry.compress_size):
        raise _BadArchive(f"the file {name} unpacks to more than {RATIO_MAX} times its size; upload the file unzipped")


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, *, bytes_max: int) -> int:
    """Write one file and return its size. Raise `_BadArchive` if it has more bytes than declared or allowed."""
    written = 0
    with opened.open(entry) as source, target.open("xb") as file:
        while block := source.read(_BLOCK_BYTES):
            written += len(block)
            if written > min(entry.file_size, bytes_max):
                raise _BadArchive(_too_large(written, bytes_max))
            file.write(block)
    return written


def _too_large(size: int, bytes_max: int) -> str:
    return (
        f"the zip file unpacks to {megabytes(size)} or more, and an import can be up to {megabytes(bytes_max)}; "
        "export fewer months at a time"
    )
