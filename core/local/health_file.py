"""A file that a container's health check reads: its age shows whether this process is still making progress."""

from core.settings import load_settings


def touch() -> None:
    """Touch the file, if one is configured."""
    file = load_settings().alive_file
    if file is not None:
        file.touch()
