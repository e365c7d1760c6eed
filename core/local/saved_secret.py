"""Secrets that are created once and stored in the data folder."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def _random_secret() -> str:
    return secrets.token_urlsafe(32)


def load_or_create_secret(data_dir: Path, name: str, *, make: Callable[[], str] = _random_secret) -> str:
    """Return the secret called `name`, created on the first call, in a private file."""
    path = data_dir / name
    if not path.exists():
        # Write under a temporary name first, so that a crash never leaves an empty secret.
        partial = data_dir / f"{name}.partial"
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make() + "\n")
        partial.replace(path)
    return path.read_text().strip()
