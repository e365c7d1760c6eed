"""Where Flower is, and where in it a job's hints are."""

from typing import Final
from urllib.parse import quote

from core.settings import TASK_WORK, Settings

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def base_url(settings: Settings) -> str | None:
    """As it is set; without that, for whoever sits at the machine itself. Elsewhere it is not ours to know."""
    if settings.flower_url:
        return settings.flower_url.rstrip("/")
    is_here = settings.web_host in LOOPBACK and settings.flower_host in LOOPBACK
    return f"http://{settings.flower_host}:{settings.flower_port}" if is_here else None


def job_hints_url(settings: Settings, practice_id: int, job_id: int) -> str | None:
    """Flower's list of tasks, searched for the hints of one job: its task, and the two ids that are its arguments."""
    where = base_url(settings)
    # Flower writes `name:` before what stands in this parameter, and searches for all of it.
    search = quote(f'{TASK_WORK} args:"({practice_id}, {job_id})"', safe="")
    return f"{where}/tasks?name={search}" if where else None
