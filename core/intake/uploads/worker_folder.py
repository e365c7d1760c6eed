"""The temporary folder in which a worker reads the uploaded files."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.intake.parsing.faults import Fault, FaultKind, Faults
from core.intake.parsing.folder import Progress
from core.intake.uploads import archive, lifecycle
from core.models.imports import ImportJob, ImportPiece

_PREFIX: Final = "settle-import-"


def temporary() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is deleted at the end, or by `remove_stale` if this process is killed."""
    return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")


def remove_stale() -> None:
    """Delete the files that killed workers left on this machine, because they contain patients' names."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def write_files(session: Session, job: ImportJob, folder: Path, *, progress: Progress, bytes_max: int) -> list[str]:
    """Write the uploaded files into `folder`, unpacked. Return their names. Raise `ImportRefused`."""
    key, faults, names = lifecycle.key_of(job), Faults(), []
    files = [dict(file) for file in job.files]
    total, done = sum(file["bytes"] for file in files), 0
    for index, file in enumerate(files):
        path, digest, number = folder / file["name"], hashlib.sha256(), 0
        if path.exists():
            faults.add(
                Fault(
                    file["name"],
                    "the zip file and the upload both contain this file; keep only one",
                    kind=FaultKind.STRUCTURE,
                )
            )
            continue
        with path.open("xb") as target:
            of_file = select(ImportPiece.content).where(*key.of(ImportPiece), ImportPiece.file == index)
            while content := session.scalar(of_file.where(ImportPiece.number == number)):
                target.write(content)
                digest.update(content)
                number, done = number + 1, done + len(content)
                progress(f"reading {file['name']}", done, total)
        file["sha256"] = digest.hexdigest()
        if archive.is_archive(file["name"]):
            unpacked = archive.unpack(path, folder, bytes_max=bytes_max, faults=faults)
            path.unlink()
            bytes_max -= sum((folder / name).stat().st_size for name in unpacked)
            names += unpacked
        else:
            names.append(file["name"])
    job.files = files
    faults.refuse_if_any()
    return names
