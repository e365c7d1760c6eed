"""Links to Flower, and to a job's hints in it."""

from typing import Final
from urllib.parse import quote

from core.settings import TASK_WORK, Settings

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def base_url(settings: Settings) -> str | None:
    """Return the configured address, or the local one for a user at this machine."""
    if settings.flower_url:
        return settings.flower_url.rstrip("/")
    is_here = settings.web_host in LOOPBACK and settings.flower_host in LOOPBACK
    return f"http://{settings.flower_host}:{settings.flower_port}" if is_here else None


def job_hints_url(settings: Settings, practice_id: int, job_id: int) -> str | None:
    """Return Flower's task list, filtered to one job's hints by the task and its arguments, which are two ids."""
    where = base_url(settings)
    # Flower adds `name:` in front of this parameter and searches for all of it.
    search = quote(f'{TASK_WORK} args:"({practice_id}, {job_id})"', safe="")
    return f"{where}/tasks?name={search}" if where else None
