"""The children's logs: one file each, with a bound on its size."""

import shutil
from pathlib import Path
from typing import Final

LOG_BYTES_MAX: Final = 5_000_000  # days of a quiet installation; two files of it are kept for each child


def make_log_folder(data_dir: Path) -> Path:
    """Make the folder of the logs, ours alone."""
    folder = data_dir / "log"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def rotate_large_logs(folder: Path, *, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Move what is in a log that has grown too large to NAME.log.1 and begin it anew."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > bytes_max:
            # Copied and cut, not renamed: the child holds the file open and appends to it.
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            with log.open("r+b") as file:
                file.truncate()
