"""The URLs of a test's database for the roles with which web processes and workers connect."""

from sqlalchemy import make_url

from core.db import roles
from core.local.postgres import ROLE


def as_web(url: str) -> str:
    """Return the URL for a web process."""
    return _as_role(url, roles.WEB)


def as_worker(url: str) -> str:
    """Return the URL for a worker."""
    return _as_role(url, roles.WORKER)


def as_superuser(url: str) -> str:
    """Return the URL for an administrator of the server, whom no row-level security restricts."""
    return _as_role(url, "postgres")


def _as_role(url: str, role: str) -> str:
    given = make_url(url)
    if given.username != ROLE:  # no database of ours
        return url
    return given.set(username=role).render_as_string(hide_password=False)
