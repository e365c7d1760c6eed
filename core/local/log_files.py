"""The children's log files, limited in size."""

import shutil
from pathlib import Path
from typing import Final

LOG_BYTES_MAX: Final = 5_000_000  # enough for days on a quiet installation; each child has two files


def make_log_folder(data_dir: Path) -> Path:
    """Create the private folder of the logs."""
    folder = data_dir / "log"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def rotate_large_logs(folder: Path, *, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Move the content of a large log to NAME.log.1 and empty the log."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > bytes_max:
            # Copy and truncate instead of renaming, because the child keeps the file open and appends to it.
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            with log.open("r+b") as file:
                file.truncate()
